/*
 * format.c
 *	  The formats that there are.
 */
#include "postgres.h"

#include "format/format.h"

static const KafkaFormat *const formats[] = {
	&kfdw_format_json, &kfdw_format_text, &kfdw_format_raw,
};

/* The format of a name. */
const KafkaFormat *
kfdw_format_lookup(const char *name)
{
	for (int i = 0; i < lengthof(formats); i++)
	{
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	}
	return NULL;
}
