/*
 * seek.c
 *	  kafka.seek() and kafka.reset_stream(): move the positions of a table's group, or of
 *	  a stream.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "catalog/streams.h"
#include "function/rights.h"
#include "function/stream_owner.h"
#include "source/seek.h"
#include "stream/assignment.h"
#include "worker/shared.h"

PG_FUNCTION_INFO_V1(kfdw_seek);
PG_FUNCTION_INFO_V1(kfdw_seek_time);
PG_FUNCTION_INFO_V1(kfdw_reset_stream);
PG_FUNCTION_INFO_V1(kfdw_reset_stream_time);

/* The arguments of both, behind the table or the name; with a time, ARG_TIME and ARG_TIME_PARTITION instead. */
enum
{
	ARG_TARGET = 1,
	ARG_SHIFT_BY,
	ARG_PARTITION,
	ARG_NEXT_OFFSET,
	ARG_TOPIC,
	ARG_TIME = 1,
	ARG_TIME_PARTITION,
	ARG_TIME_TOPIC
};

/* The first record of all times, and one that never comes. */
#define FIRST_TIME_MS 1

/* A partition's number. */
static int32
get_partition(FunctionCallInfo fcinfo, int argument)
{
	int32		partition;

	if (PG_ARGISNULL(argument))
		return KAFKA_SEEK_ALL_PARTITIONS;
	partition = PG_GETARG_INT32(argument);
	if (partition < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a partition cannot be negative")));
	return partition;
}

/* A topic's name, where one of several is meant. */
static const char *
get_topic(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* What a word stands for. */
static KafkaSeekTarget
parse_target(const char *target)
{
	static const struct
	{
		const char *name;
		KafkaSeekTarget target;
	}			targets[] = {
		{"earliest", KAFKA_SEEK_EARLIEST},
		{"latest", KAFKA_SEEK_LATEST},
		{"committed", KAFKA_SEEK_COMMITTED},
	};

	for (size_t i = 0; i < lengthof(targets); i++)
		if (strcmp(target, targets[i].name) == 0)
			return targets[i].target;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown position \"%s\"", target),
			 errhint("Valid positions are \"earliest\", \"latest\", \"committed\" and a time: '2026-01-31 12:00'::timestamptz.")));
}

/* Where to, said by a word, a distance or an offset. */
static KafkaSeek
get_seek(FunctionCallInfo fcinfo)
{
	KafkaSeek	seek = {.topic = get_topic(fcinfo, ARG_TOPIC),.partition = get_partition(fcinfo, ARG_PARTITION)};

	if (PG_ARGISNULL(ARG_TARGET) + PG_ARGISNULL(ARG_SHIFT_BY) + PG_ARGISNULL(ARG_NEXT_OFFSET) != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("one of a position, \"shift_by\" and \"next_offset\" must be given")));
	if (!PG_ARGISNULL(ARG_TARGET))
		seek.target = parse_target(text_to_cstring(PG_GETARG_TEXT_PP(ARG_TARGET)));
	else if (!PG_ARGISNULL(ARG_SHIFT_BY))
	{
		seek.target = KAFKA_SEEK_SHIFT;
		seek.number = PG_GETARG_INT64(ARG_SHIFT_BY);
	}
	else
	{
		seek.target = KAFKA_SEEK_OFFSET;
		seek.number = PG_GETARG_INT64(ARG_NEXT_OFFSET);
		if (seek.partition == KAFKA_SEEK_ALL_PARTITIONS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"next_offset\" needs a partition"),
					 errhint("Offsets of different partitions have nothing to do with each other: give \"partition\" too.")));
	}
	return seek;
}

/* Where to, said by a time: the first millisecond that is not before it. */
static KafkaSeek
get_seek_to_time(FunctionCallInfo fcinfo)
{
	const int64 epoch = (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (SECS_PER_DAY * INT64CONST(1000));
	KafkaSeek	seek = {
		.target = KAFKA_SEEK_TIME,
		.topic = get_topic(fcinfo, ARG_TIME_TOPIC),
		.partition = get_partition(fcinfo, ARG_TIME_PARTITION)
	};
	TimestampTz time;

	if (PG_ARGISNULL(ARG_TIME))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the time cannot be null")));
	time = PG_GETARG_TIMESTAMPTZ(ARG_TIME);
	if (TIMESTAMP_IS_NOEND(time))
		seek.target = KAFKA_SEEK_LATEST;
	else if (TIMESTAMP_IS_NOBEGIN(time))
		seek.target = KAFKA_SEEK_EARLIEST;
	else
		seek.number = Max(time / 1000 + (time % 1000 > 0) + epoch, FIRST_TIME_MS);
	return seek;
}

/* A table that has a group, and which the user may update, as who reads it must. */
static Relation
open_table(Oid relid)
{
	PreventCommandIfReadOnly("kafka.seek()");
	kfdw_require_right(relid, ACL_UPDATE);
	return kfdw_options_open_topic_table(relid, RowExclusiveLock);
}

/* The stream that reads a table, NULL when there is none. */
static const char *
find_stream(Oid source)
{
	ListCell   *lc;

	foreach(lc, kfdw_streams_list())
	{
		const KafkaStream *stream = lfirst(lc);

		if (stream->source == source)
			return stream->name;
	}
	return NULL;
}

/* A table without a group has no position. */
static void
report_no_group(Relation relation)
{
	const char *stream = find_stream(RelationGetRelid(relation));

	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is a topic table, which has no position", RelationGetRelationName(relation)),
			 stream != NULL ?
			 errhint("The position of stream \"%s\", which reads it, is moved by kafka.reset_stream().", stream) :
			 errhint("A table with the option \"group_id\" has one.")));
}

static void
seek_table(Oid relid, const KafkaSeek *seek)
{
	Relation	relation = open_table(relid);
	KafkaTableOptions *options = kfdw_options_table(relid, GetUserId());

	if (options->group_id == NULL)
		report_no_group(relation);
	kfdw_seek_table(kfdw_seek_ask(options, seek));
	table_close(relation, NoLock);
}

/*
 * Nobody waits for a broker under the stream's lock; a batch that runs is waited for.  The
 * next one is read from the new position, as the stream has another revision.
 */
static void
reset_stream(const char *name, const KafkaSeek *seek)
{
	KafkaStream *stream = kfdw_stream_get_own(name);
	TransactionId revision = stream->revision;
	KafkaTableOptions *options;
	KafkaSeeker *seeker;

	PreventCommandIfReadOnly("kafka.reset_stream()");
	kfdw_stream_check_own_statement(name, "reset");
	kfdw_assignment_require_source(stream);
	options = kfdw_options_table(stream->source, stream->owner);
	kfdw_options_set_group(options, stream->name);
	seeker = kfdw_seek_ask(options, seek);
	stream = kfdw_stream_lock_own(name);
	if (!TransactionIdEquals(stream->revision, revision))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("stream \"%s\" was changed concurrently", name),
				 errhint("The transaction might succeed if retried.")));
	kfdw_streams_forget_skips(name);
	kfdw_seek_stream(seeker);
	kfdw_shared_ping_at_end();
}

/* Raises an error where the first argument, the table or the stream, is NULL. */
static void
check_first_argument(FunctionCallInfo fcinfo, const char *what)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the %s cannot be null", what)));
}

Datum
kfdw_seek(PG_FUNCTION_ARGS)
{
	KafkaSeek	seek = get_seek(fcinfo);

	check_first_argument(fcinfo, "table");
	seek_table(PG_GETARG_OID(0), &seek);
	PG_RETURN_VOID();
}

Datum
kfdw_seek_time(PG_FUNCTION_ARGS)
{
	KafkaSeek	seek = get_seek_to_time(fcinfo);

	check_first_argument(fcinfo, "table");
	seek_table(PG_GETARG_OID(0), &seek);
	PG_RETURN_VOID();
}

Datum
kfdw_reset_stream(PG_FUNCTION_ARGS)
{
	KafkaSeek	seek = get_seek(fcinfo);

	check_first_argument(fcinfo, "stream");
	reset_stream(text_to_cstring(PG_GETARG_TEXT_PP(0)), &seek);
	PG_RETURN_VOID();
}

Datum
kfdw_reset_stream_time(PG_FUNCTION_ARGS)
{
	KafkaSeek	seek = get_seek_to_time(fcinfo);

	check_first_argument(fcinfo, "stream");
	reset_stream(text_to_cstring(PG_GETARG_TEXT_PP(0)), &seek);
	PG_RETURN_VOID();
}
