/*
 * stat_scans.c
 *	  kafka.stat_scans: a row for each scan of a topic table that runs now.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "function/column.h"
#include "function/rights.h"
#include "stat/activity.h"
#include "stat/wait.h"

PG_FUNCTION_INFO_V1(kfdw_stat_scans);

/* The columns of kafka.stat_scans. */
enum
{
	SCAN_PID,
	SCAN_LEADER_PID,
	SCAN_ROLE,
	SCAN_TABLE,
	SCAN_RECORDS,
	SCAN_BYTES,
	SCAN_SHARE_DONE,
	SCAN_WAIT_EVENT,
	SCAN_STARTED_AT,
	SCAN_COLUMNS
};

/* Sets all columns of a scan's row; what others do is for those who may read all statistics. */
static void
fill_row(KafkaActivitySlot *slot, Datum *values, bool *nulls)
{
	bool		may_read = kfdw_may_see_work_of(slot->role);
	char	   *wait = may_read ? kfdw_wait_describe(slot->pid, pg_atomic_read_u32(&slot->wait)) : NULL;
	int64		number[KAFKA_ACTIVITY_NUMBERS];
	double		range;

	for (int i = 0; i < KAFKA_ACTIVITY_NUMBERS; i++)
		number[i] = (int64) pg_atomic_read_u64(&slot->number[i]);
	range = (double) number[KAFKA_PROGRESS_RANGE];

	kfdw_set_column(values, nulls, SCAN_PID, Int32GetDatum(slot->pid), true);
	kfdw_set_column(values, nulls, SCAN_LEADER_PID, Int32GetDatum(slot->leader_pid), slot->leader_pid != 0);
	kfdw_set_column(values, nulls, SCAN_ROLE, ObjectIdGetDatum(slot->role), true);
	kfdw_set_column(values, nulls, SCAN_TABLE, ObjectIdGetDatum(slot->object), may_read);
	kfdw_set_column(values, nulls, SCAN_RECORDS, Int64GetDatum(number[KAFKA_PROGRESS_RECORDS]), may_read);
	kfdw_set_column(values, nulls, SCAN_BYTES, Int64GetDatum(number[KAFKA_PROGRESS_BYTES]), may_read);
	kfdw_set_column(values, nulls, SCAN_SHARE_DONE, Float8GetDatum(number[KAFKA_PROGRESS_DONE] / Max(range, 1.0)),
					may_read && range > 0);
	kfdw_set_column(values, nulls, SCAN_WAIT_EVENT, wait == NULL ? (Datum) 0 : CStringGetTextDatum(wait), wait != NULL);
	kfdw_set_column(values, nulls, SCAN_STARTED_AT, TimestampTzGetDatum(slot->since), may_read);
}

Datum
kfdw_stat_scans(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, kfdw_activity_list(KAFKA_ACTIVITY_SCAN, "kafka.stat_scans"))
	{
		Datum		values[SCAN_COLUMNS];
		bool		nulls[SCAN_COLUMNS];

		fill_row(lfirst(cell), values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}
