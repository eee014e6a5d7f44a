/*
 * stat_consumers.c
 *	  kafka.stat_consumers: what tables have consumed since the server started.
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "function/column.h"
#include "option/options.h"
#include "option/read.h"
#include "option/table.h"
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

/* Sets all columns of a table's row. */
static void
fill_row(const KafkaCounts *counts, Datum *values, bool *nulls)
{
	Oid			relid = counts->key.object;
	KafkaOptionSetting settings[KAFKA_OPTION_COUNT] = {{0}};
	const char *server = GetForeignServer(GetForeignServerIdByRelId(relid))->servername;
	const char *group_id;
	const int64 *count = counts->count;

	kfdw_option_read_table(relid, GetUserId(), settings);
	group_id = settings[KAFKA_OPT_GROUP_ID].text;
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
		const KafkaCounts *counts = lfirst(cell);
		Datum		values[CONSUMER_COLUMNS];
		bool		nulls[CONSUMER_COLUMNS];

		if (!kfdw_options_is_topic_table(counts->key.object))
			continue;
		fill_row(counts, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}
