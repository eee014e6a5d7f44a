/*
 * format.c
 *	  The formats that there are.
 */
#include "postgres.h"

#include "format/format.h"

static const KafkaFormat *const formats[] = {
	&kfdw_format_json, &kfdw_format_csv, &kfdw_format_text, &kfdw_format_raw, &kfdw_format_kafka,
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

/* Member by member: between members there may be anything. */
bool
kfdw_format_options_equal(const KafkaFormatOptions *left, const KafkaFormatOptions *right)
{
	return left->value == right->value &&
		left->key == right->key &&
		left->csv.delimiter == right->csv.delimiter &&
		left->csv.quote == right->csv.quote &&
		left->csv.escape == right->csv.escape &&
		strcmp(left->csv.null, right->csv.null) == 0;
}
