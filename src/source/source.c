/*
 * source.c
 *	  Where the records of a scan come from.
 */
#include "postgres.h"

#include "source/source.h"

/* The first that takes a scan has it. */
static const KafkaSourceKind *const kinds[] = {
	&kfdw_source_batch,
	&kfdw_source_group,
	&kfdw_source_topic,
};

void
kfdw_source_take_options(KafkaSource *source, const KafkaTableOptions *options)
{
	source->on_error = options->on_error;
	source->reject_limit = options->reject_limit;
}

KafkaSource *
kfdw_source_begin(const KafkaScanRequest *request, KafkaActivity *activity)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
	{
		KafkaSource *source = kinds[i]->begin(request);

		if (source == NULL)
			continue;
		source->kind = kinds[i];
		source->activity = activity;
		return source;
	}
	elog(ERROR, "no source takes the scan");
}
