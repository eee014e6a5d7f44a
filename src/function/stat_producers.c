/*
 * stat_producers.c
 *	  kafka.stat_producers: a row for each table that was written to.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/timestamp.h"

#include "function/column.h"
#include "stat/counts.h"

PG_FUNCTION_INFO_V1(kfdw_stat_producers);

/* The columns of kafka.stat_producers(). */
enum
{
	PRODUCER_TABLE,
	PRODUCER_RECORDS,
	PRODUCER_BATCHES,
	PRODUCER_BYTES,
	PRODUCER_BYTES_SENT,
	PRODUCER_IN_FLIGHT,
	PRODUCER_ERRORS,
	PRODUCER_ORPHANS,
	PRODUCER_SINCE,
	PRODUCER_COLUMNS
};

/* Sets all columns of a table's row. */
static void
fill_row(const KafkaCounts *counts, Datum *values, bool *nulls)
{
	const int64 *count = counts->count;
	int64		reported = count[KAFKA_WRITING_ACKNOWLEDGED] + count[KAFKA_WRITING_ERRORS];

	kfdw_set_column(values, nulls, PRODUCER_TABLE, ObjectIdGetDatum(counts->key.object), true);
	kfdw_set_column(values, nulls, PRODUCER_RECORDS, Int64GetDatum(count[KAFKA_WRITING_RECORDS]), true);
	kfdw_set_column(values, nulls, PRODUCER_BATCHES, Int64GetDatum(count[KAFKA_WRITING_BATCHES]), true);
	kfdw_set_column(values, nulls, PRODUCER_BYTES, Int64GetDatum(count[KAFKA_WRITING_BYTES]), true);
	kfdw_set_column(values, nulls, PRODUCER_BYTES_SENT, Int64GetDatum(count[KAFKA_WRITING_BYTES_SENT]), true);
	kfdw_set_column(values, nulls, PRODUCER_IN_FLIGHT, Int64GetDatum(count[KAFKA_WRITING_RECORDS] - reported), true);
	kfdw_set_column(values, nulls, PRODUCER_ERRORS, Int64GetDatum(count[KAFKA_WRITING_ERRORS]), true);
	kfdw_set_column(values, nulls, PRODUCER_ORPHANS, Int64GetDatum(count[KAFKA_WRITING_ORPHANS]), true);
	kfdw_set_column(values, nulls, PRODUCER_SINCE, TimestampTzGetDatum(counts->since), true);
}

Datum
kfdw_stat_producers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, kfdw_counts_list(KAFKA_COUNTS_WRITING, "kafka.stat_producers"))
	{
		Datum		values[PRODUCER_COLUMNS];
		bool		nulls[PRODUCER_COLUMNS];

		fill_row(lfirst(cell), values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}
