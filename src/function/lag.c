/*
 * lag.c
 *	  kafka.lag(): how far a consumer group, or a stream, is behind in each partition.
 */
#include "postgres.h"

#include "access/table.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "catalog/streams.h"
#include "compat.h"
#include "format/metadata.h"
#include "function/column.h"
#include "function/rights.h"
#include "source/standing.h"
#include "stream/assignment.h"
#include "worker/slots.h"

PG_FUNCTION_INFO_V1(kfdw_lag);

/* The columns of kafka.lag(). */
enum
{
	LAG_TOPIC,
	LAG_PARTITION,
	LAG_NEXT_OFFSET,
	LAG_LOW_WATERMARK,
	LAG_HIGH_WATERMARK,
	LAG_LAST_STABLE_OFFSET,
	LAG_LAG,
	LAG_LAG_SECONDS,
	LAG_REPORTED_OFFSET,
	LAG_HELD_BY,
	LAG_HELD_SINCE,
	LAG_COLUMNS
};

/* Who may select from a table may see how far its group is. */
static KafkaTableOptions *
get_options(Oid relid)
{
	kfdw_require_right(relid, ACL_SELECT);
	return kfdw_options_table(relid, GetUserId());
}

static KafkaTableOptions *
get_table_options(Oid relid)
{
	KafkaTableOptions *options = get_options(relid);

	if (options->group_id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a topic table, which has no position", get_rel_name(relid)),
				 errhint("A table with the option \"group_id\" has one, and so has a stream: kafka.lag(stream => ...).")));
	return options;
}

static KafkaTableOptions *
get_stream_options(const KafkaStream *stream)
{
	KafkaTableOptions *options;

	kfdw_assignment_require_source(stream);
	options = get_options(stream->source);
	kfdw_options_set_group(options, stream->name);
	return options;
}

static KafkaStream *
get_stream(const char *name)
{
	KafkaStream *stream = kfdw_streams_get(name);

	if (stream == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("stream \"%s\" does not exist", name)));
	return stream;
}

/* Who holds a partition, and since when: 0, where that is not to be told. */
typedef struct Holder
{
	int			pid;			/* -1: nobody */
	TimestampTz since;
} Holder;

/* A partition of a table's group is held by a transaction, from its beginning as far as can be seen. */
static Holder
find_transaction(int pid)
{
	Holder		holder = {pid};
	const PgBackendStatus *backend = pid > 0 ? kfdw_backend_status(pid) : NULL;

	if (backend != NULL && kfdw_may_see_work_of(backend->st_userid))
		holder.since = backend->st_xact_start_timestamp;
	return holder;
}

/* A partition of a stream belongs to one of its workers, as long as its process lives. */
static Holder
find_worker(const KafkaStream *stream, const KafkaStanding *standing)
{
	KafkaWorkerKey key = {.database = MyDatabaseId,.kind = KAFKA_JOB_STREAM};
	const PgBackendStatus *process;
	KafkaSlot	slot;

	strlcpy(key.name, stream->name, NAMEDATALEN);
	key.worker = standing->share % stream->workers;
	if (kfdw_shared == NULL || !kfdw_slot_copy(&key, &slot) || slot.pid == 0)
		return (Holder) {-1};
	process = kfdw_backend_status(slot.pid);
	return (Holder) {slot.pid, process != NULL ? process->st_proc_start_timestamp : 0};
}

/* How long the first unread record has been in the topic; -1: unknown. */
static double
lag_seconds(const KafkaStanding *standing)
{
	if (standing->lag == KAFKA_UNKNOWN || (standing->waits && standing->waiting_since < 0))
		return -1;
	return standing->waits ? Max(kfdw_metadata_now() - standing->waiting_since, 0) / 1000.0 : 0;
}

static void
fill_row(const KafkaStanding *standing, Holder holder, Datum *values, bool *nulls)
{
	double		seconds = lag_seconds(standing);

	kfdw_set_column(values, nulls, LAG_TOPIC, CStringGetTextDatum(standing->topic), true);
	kfdw_set_column(values, nulls, LAG_PARTITION, Int32GetDatum(standing->partition), true);
	kfdw_set_column(values, nulls, LAG_NEXT_OFFSET, Int64GetDatum(standing->next_offset), standing->next_offset >= 0);
	kfdw_set_column(values, nulls, LAG_LOW_WATERMARK, Int64GetDatum(standing->low), standing->low >= 0);
	kfdw_set_column(values, nulls, LAG_HIGH_WATERMARK, Int64GetDatum(standing->high), standing->high >= 0);
	kfdw_set_column(values, nulls, LAG_LAST_STABLE_OFFSET, Int64GetDatum(standing->stable), standing->stable >= 0);
	kfdw_set_column(values, nulls, LAG_LAG, Int64GetDatum(standing->lag), standing->lag >= 0);
	kfdw_set_column(values, nulls, LAG_LAG_SECONDS, Float8GetDatum(seconds), seconds >= 0);
	kfdw_set_column(values, nulls, LAG_REPORTED_OFFSET, Int64GetDatum(standing->reported), standing->reported >= 0);
	kfdw_set_column(values, nulls, LAG_HELD_BY, Int32GetDatum(holder.pid), holder.pid >= 0);
	kfdw_set_column(values, nulls, LAG_HELD_SINCE, TimestampTzGetDatum(holder.since), holder.since != 0);
}

Datum
kfdw_lag(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	KafkaStream *stream = NULL;
	KafkaTableOptions *options;
	KafkaStanding *standings;
	int			count;

	if (PG_ARGISNULL(0) == PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a table or a stream must be given")));
	if (!PG_ARGISNULL(1))
		stream = get_stream(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	options = stream != NULL ? get_stream_options(stream) : get_table_options(PG_GETARG_OID(0));
	standings = kfdw_standing_take(options, &count);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < count; i++)
	{
		Datum		values[LAG_COLUMNS];
		bool		nulls[LAG_COLUMNS];
		Holder		holder = stream != NULL ? find_worker(stream, &standings[i]) :
			find_transaction(standings[i].holder);

		fill_row(&standings[i], holder, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}
