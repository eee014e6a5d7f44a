/*
 * stat_consumers.c
 *	  kafka.stat_consumers: what tables have consumed since the server started.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "function/column.h"
#include "option/options.h"
#include "stat/counts.h"

PG_FUNCTION_INFO_V1(kfdw_stat_consumers);

/* The columns of kafka.stat_consumers. */
enum
{
	CONSUMER_SERVER,
	CONSUMER_GROUP_ID,
	CONSUMER_TABLE,
	CONSUMER_RECORDS,
	CONSUMER_BYTES,
	CONSUMER_COMMITS,
	CONSUMER_ROLLBACKS,
	CONSUMER_LAST_COMMIT_AT,
	CONSUMER_STATS_SINCE,
	CONSUMER_COLUMNS
};

/* Sets all columns of a table's row; false when it was dropped. */
static bool
fill_row(const KafkaCounts *counts, Datum *values, bool *nulls)
{
	Oid			relid = counts->key.object;
	const int64 *count = counts->count;
	char	   *server;
	char	   *group_id;

	if (!kfdw_options_look_at_group(relid, &server, &group_id))
		return false;
	kfdw_set_column(values, nulls, CONSUMER_SERVER, CStringGetTextDatum(server), true);
	kfdw_set_column(values, nulls, CONSUMER_GROUP_ID, group_id == NULL ? (Datum) 0 : CStringGetTextDatum(group_id),
					group_id != NULL);
	kfdw_set_column(values, nulls, CONSUMER_TABLE, ObjectIdGetDatum(relid), true);
	kfdw_set_column(values, nulls, CONSUMER_RECORDS, Int64GetDatum(count[KAFKA_CONSUMING_RECORDS]), true);
	kfdw_set_column(values, nulls, CONSUMER_BYTES, Int64GetDatum(count[KAFKA_CONSUMING_BYTES]), true);
	kfdw_set_column(values, nulls, CONSUMER_COMMITS, Int64GetDatum(count[KAFKA_CONSUMING_COMMITS]), true);
	kfdw_set_column(values, nulls, CONSUMER_ROLLBACKS, Int64GetDatum(count[KAFKA_CONSUMING_ROLLBACKS]), true);
	kfdw_set_column(values, nulls, CONSUMER_LAST_COMMIT_AT, Int64GetDatum(count[KAFKA_CONSUMING_LAST_COMMIT]),
					count[KAFKA_CONSUMING_LAST_COMMIT] != 0);
	kfdw_set_column(values, nulls, CONSUMER_STATS_SINCE, TimestampTzGetDatum(counts->since), true);
	return true;
}

/* Tables that were dropped are not shown any more. */
Datum
kfdw_stat_consumers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, kfdw_counts_list(KAFKA_COUNTS_CONSUMING, "kafka.stat_consumers"))
	{
		Datum		values[CONSUMER_COLUMNS];
		bool		nulls[CONSUMER_COLUMNS];

		if (fill_row(lfirst(cell), values, nulls))
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}
