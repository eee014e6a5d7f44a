/*
 * stat_streams.c
 *	  kafka.stat_streams: a row for each worker of the streams of this database.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "catalog/streams.h"
#include "format/metadata.h"
#include "function/absence.h"
#include "function/column.h"
#include "function/rights.h"
#include "stat/wait.h"
#include "worker/shared.h"
#include "worker/slots.h"

PG_FUNCTION_INFO_V1(kfdw_stat_streams);

/* The columns of kafka.stat_streams. */
enum
{
	STAT_STREAM,
	STAT_WORKER,
	STAT_STATE,
	STAT_PID,
	STAT_PARTITIONS,
	STAT_BATCHES,
	STAT_RECORDS_IN,
	STAT_RECORDS_OUT,
	STAT_PARKED,
	STAT_DEAD_LETTERS,
	STAT_BYTES_IN,
	STAT_LAG,
	STAT_LAG_SECONDS,
	STAT_LAST_BATCH_MS,
	STAT_LAST_COMMIT_AT,
	STAT_RESTARTS,
	STAT_LAST_ERROR,
	STAT_LAST_ERROR_AT,
	STAT_BATCH_SINCE,
	STAT_WAIT_EVENT,
	STAT_HINT,
	STAT_COLUMNS
};

/* Another state than the slot's own, and why. */
static void
explain(KafkaSlot *slot, KafkaWorkerState state, const char *reason, const char *hint)
{
	slot->state = state;
	strlcpy(slot->stats.last_error, reason, KAFKA_ERROR_LEN);
	strlcpy(slot->stats.last_hint, hint, KAFKA_HINT_LEN);
}

/* The slot of a worker; without one, a slot that says why. */
static void
find_slot(const KafkaStream *stream, int worker, const KafkaAbsence *absence, KafkaSlot *slot)
{
	KafkaWorkerKey key = {.database = MyDatabaseId, .kind = KAFKA_JOB_STREAM, .worker = worker};
	bool		found;

	strlcpy(key.name, stream->name, NAMEDATALEN);
	found = kfdw_shared != NULL && kfdw_slot_copy(&key, slot) && slot->created == stream->created;
	if (!found)
	{
		memset(slot, 0, sizeof(KafkaSlot));
		slot->stats.lag = slot->stats.newest_record = slot->stats.parked = -1;
		slot->state = absence->state;
	}
	/* without a process nobody looks how far behind it is */
	if (slot->pid == 0)
		slot->stats.lag = -1;
	if (!stream->enabled)
		slot->state = KAFKA_STATE_PAUSED;
	else if (!OidIsValid(stream->owner))
		explain(slot, KAFKA_STATE_FAILED, "its owner does not exist: see kafka.alter_stream_owner()",
				psprintf("SELECT kafka.alter_stream_owner(%s, 'ROLE') gives it to a role.", quote_literal_cstr(stream->name)));
	else if (absence->reason != NULL && (!found || absence->state == KAFKA_STATE_PAUSED))
		explain(slot, absence->state, absence->reason, absence->hint);
	else if (found && !TransactionIdEquals(slot->revision, stream->revision))
		slot->state = KAFKA_STATE_STARTING; /* a scout is about to see the change */
}

/* Seconds since the newest record that was worked on, if there are newer ones; -1: unknown. */
static double
lag_seconds(const KafkaWorkerStats *stats)
{
	if (stats->lag == 0)
		return 0;
	if (stats->lag < 0 || stats->newest_record < 0)
		return -1;
	return Max(kfdw_metadata_now() - stats->newest_record, 0) / 1000.0;
}

/* What a batch waits for: what its process does, or streams. */
static const char *
describe_wait(const KafkaSlot *slot)
{
	if (slot->awaits[0] != '\0')
		return psprintf("Stream: %s", slot->awaits);
	return kfdw_wait_describe(slot->pid, KAFKA_WAIT_NONE);
}

/* Sets all columns of a worker's row. */
static void
fill_row(const KafkaStream *stream, int worker, const KafkaSlot *slot, Datum *values, bool *nulls)
{
	const KafkaWorkerStats *stats = &slot->stats;
	double		seconds = lag_seconds(stats);
	bool		runs = slot->state == KAFKA_STATE_RUNNING && slot->running_since != 0;
	const char *waits_for = runs ? describe_wait(slot) : NULL;
	bool		may_read = kfdw_may_see_work_of(stream->owner);

	kfdw_set_column(values, nulls, STAT_STREAM, CStringGetTextDatum(stream->name), true);
	kfdw_set_column(values, nulls, STAT_WORKER, Int32GetDatum(worker), true);
	kfdw_set_column(values, nulls, STAT_STATE, CStringGetTextDatum(kfdw_slot_state_name(slot->state)), true);
	kfdw_set_column(values, nulls, STAT_PID, Int32GetDatum(slot->pid), slot->pid != 0);
	kfdw_set_column(values, nulls, STAT_PARTITIONS, Int32GetDatum(stats->partitions), true);
	kfdw_set_column(values, nulls, STAT_BATCHES, Int64GetDatum(stats->batches), true);
	kfdw_set_column(values, nulls, STAT_RECORDS_IN, Int64GetDatum(stats->records_in), true);
	kfdw_set_column(values, nulls, STAT_RECORDS_OUT, Int64GetDatum(stats->records_out), true);
	kfdw_set_column(values, nulls, STAT_PARKED, Int64GetDatum(stats->parked), stats->parked >= 0);
	kfdw_set_column(values, nulls, STAT_DEAD_LETTERS, Int64GetDatum(stats->dead_letters), true);
	kfdw_set_column(values, nulls, STAT_BYTES_IN, Int64GetDatum(stats->bytes_in), true);
	kfdw_set_column(values, nulls, STAT_LAG, Int64GetDatum(stats->lag), stats->lag >= 0);
	kfdw_set_column(values, nulls, STAT_LAG_SECONDS, Float8GetDatum(seconds), seconds >= 0);
	kfdw_set_column(values, nulls, STAT_LAST_BATCH_MS, Float8GetDatum(stats->last_batch_ms), stats->batches > 0);
	kfdw_set_column(values, nulls, STAT_LAST_COMMIT_AT, TimestampTzGetDatum(stats->last_commit_at), stats->last_commit_at != 0);
	kfdw_set_column(values, nulls, STAT_RESTARTS, Int64GetDatum(stats->restarts), true);
	kfdw_set_column(values, nulls, STAT_LAST_ERROR, CStringGetTextDatum(stats->last_error),
			   may_read && stats->last_error[0] != '\0');
	kfdw_set_column(values, nulls, STAT_LAST_ERROR_AT, TimestampTzGetDatum(stats->last_error_at), stats->last_error_at != 0);
	kfdw_set_column(values, nulls, STAT_BATCH_SINCE, TimestampTzGetDatum(slot->running_since), runs);
	kfdw_set_column(values, nulls, STAT_WAIT_EVENT, waits_for == NULL ? (Datum) 0 : CStringGetTextDatum(waits_for),
			   may_read && waits_for != NULL);
	kfdw_set_column(values, nulls, STAT_HINT, CStringGetTextDatum(stats->last_hint), may_read && stats->last_hint[0] != '\0');
}

Datum
kfdw_stat_streams(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	KafkaAbsence absence = kfdw_absence_explain();
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, kfdw_streams_list())
	{
		const KafkaStream *stream = lfirst(lc);

		for (int worker = 0; worker < stream->workers; worker++)
		{
			Datum		values[STAT_COLUMNS];
			bool		nulls[STAT_COLUMNS];
			KafkaSlot	slot;

			find_slot(stream, worker, &absence, &slot);
			fill_row(stream, worker, &slot, values, nulls);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	PG_RETURN_VOID();
}
