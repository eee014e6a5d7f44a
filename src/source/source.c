/*
 * source.c
 *	  Where the records of a scan come from.
 */
#include "postgres.h"

#include "source/source.h"

/* Records to a block of their ctids. */
#define RECORDS_PER_BLOCK	1024

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

const EState *
kfdw_source_statement(const EState *query)
{
	return query->es_epq_active != NULL ? query->es_epq_active->parentestate : query;
}

void
kfdw_source_set_tid(ItemPointer tid, int64 number)
{
	ItemPointerSet(tid, (BlockNumber) (number / RECORDS_PER_BLOCK), (OffsetNumber) (number % RECORDS_PER_BLOCK + 1));
}

int64
kfdw_source_tid_number(ItemPointer tid)
{
	return (int64) ItemPointerGetBlockNumber(tid) * RECORDS_PER_BLOCK + ItemPointerGetOffsetNumber(tid) - 1;
}
