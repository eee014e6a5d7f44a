/*
 * rest.c
 *	  Records of a stream's batch that its statement has not read.
 *
 * A join with an empty table, a condition that holds for no row, EXISTS and the like stop
 * to read, or never begin.  Which records are bad must not depend on that.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "format/codec.h"
#include "option/options.h"
#include "source/batch.h"
#include "source/rest.h"
#include "stat/counts.h"

typedef struct KafkaRest
{
	const KafkaBatch *batch;
	KafkaOnError on_error;
	int64	   *counts;			/* KafkaReadingCount */
	KafkaRowCodec *codec;
	Datum	   *values;
	bool	   *nulls;
} KafkaRest;

bool
kfdw_rest_exists(Oid source)
{
	const KafkaBatch *batch = kfdw_batch_bound(source);
	KafkaBatchRest rest;

	if (batch == NULL)
		return false;
	rest = kfdw_batch_rest();
	return rest.first < batch->count && (rest.all || rest.attributes != NULL);
}

/* The columns that count. */
static KafkaColumns *
used_columns(Relation relation, const KafkaBatchRest *rest)
{
	Bitmapset  *needed = NULL;
	int			attribute = -1;
	KafkaColumns *columns;

	while ((attribute = bms_next_member(rest->attributes, attribute)) >= 0)
		needed = bms_add_member(needed, attribute - FirstLowInvalidHeapAttributeNumber);
	columns = kfdw_columns_create(RelationGetRelid(relation), RelationGetDescr(relation), false, needed);
	if (rest->all)
		kfdw_columns_need_all(columns);
	return columns;
}

/* Looks at a record. */
static void
decode(KafkaRest *rest, int index)
{
	KafkaRecord *record = kfdw_buffer_get(rest->batch->buffer, index);
	ErrorData  *error;

	if (rest->on_error == KAFKA_ON_ERROR_STOP)
	{
		kfdw_codec_decode(rest->codec, record, rest->values, rest->nulls);
		return;
	}
	error = kfdw_codec_try_decode(rest->codec, record, rest->values, rest->nulls);
	if (error == NULL)
		return;
	rest->counts[KAFKA_READING_BAD_RECORDS]++;
	rest->batch->set_aside(rest->batch->argument, index, error);
}

/* Looks at the records from one on. */
static void
decode_from(KafkaRest *rest, int first)
{
	const KafkaBatch *batch = rest->batch;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw rest", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	for (int index = batch->first + first; index < batch->first + batch->count; index++)
	{
		if (batch->passed_over != NULL && batch->passed_over[index])
			continue;
		decode(rest, index);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
kfdw_rest_decode(Oid source)
{
	KafkaBatchRest left = kfdw_batch_rest();
	const KafkaTableOptions *options = kfdw_options_table(source, GetUserId());
	KafkaRest	rest = {.batch = kfdw_batch_bound(source)};
	Relation	relation;

	rest.on_error = kfdw_batch_on_error(rest.batch, options->on_error);
	if (rest.on_error != KAFKA_ON_ERROR_STOP && rest.on_error != KAFKA_ON_ERROR_DEAD_LETTER)
		return;					/* the table gets over all of it */
	relation = table_open(source, AccessShareLock);
	rest.counts = kfdw_counts_get(KAFKA_COUNTS_READING, source);
	rest.codec = kfdw_codec_create(used_columns(relation, &left), &options->format);
	rest.values = palloc(RelationGetNumberOfAttributes(relation) * sizeof(Datum));
	rest.nulls = palloc(RelationGetNumberOfAttributes(relation) * sizeof(bool));

	/* what checks a domain may look at tables */
	PushActiveSnapshot(GetTransactionSnapshot());
	decode_from(&rest, left.first);
	PopActiveSnapshot();
	table_close(relation, NoLock);
}
