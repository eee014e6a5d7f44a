/*
 * assignment.c
 *	  What a worker is assigned of its stream: the partitions it reads, from where, and the
 *	  batch in hand.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kafka/config.h"
#include "kafka/fault.h"
#include "source/claim.h"
#include "stat/wait.h"
#include "stream/assignment.h"
#include "worker/frame.h"

/* How often the topics are looked at, in trouble and else. */
#define TOPIC_CHECK_MS 30000
#define TROUBLE_CHECK_MS 1000

/* A message names the offsets of this many partitions. */
#define MAX_DESCRIBED 4

void
kfdw_assignment_require_source(const KafkaStream *stream)
{
	if (!kfdw_options_is_topic_table(stream->source))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the source of stream \"%s\" does not exist", stream->name),
				 errhint("Create the table; then SELECT kafka.alter_stream(%s, source => 'table').", quote_literal_cstr(stream->name))));
}

void
kfdw_assignment_check_options(const KafkaTableOptions *options)
{
	kfdw_options_require_select(options->relid, options->userid);
	if (options->is_consuming)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a consuming table, which cannot be the source of a stream",
						get_rel_name(options->relid)),
				 errhint("Use a table of the same topic without \"group_id\": the stream's name is its group.")));
}

/* Reads the stream and the options of its source. */
static bool
read_definition(KafkaAssignment *assignment, const char *name)
{
	MemoryContext old = MemoryContextSwitchTo(assignment->context);

	assignment->stream = kfdw_streams_get(name);
	if (assignment->stream != NULL && assignment->stream->enabled)
	{
		kfdw_assignment_require_source(assignment->stream);
		assignment->options = kfdw_options_table(assignment->stream->source, GetUserId());
		kfdw_assignment_check_options(assignment->options);
		assignment->is_watchable = kfdw_config_equal(&assignment->options->consumer,
													 &kfdw_options_server(assignment->options->serverid, GetUserId())->consumer);
		kfdw_options_set_group(assignment->options, assignment->stream->name);
		assignment->is_prompt = kfdw_frame_question() != 0;
		assignment->options->consumer.kind = assignment->is_prompt ? KAFKA_CLIENT_PROMPT_STREAM : KAFKA_CLIENT_STREAM;
	}
	MemoryContextSwitchTo(old);
	return assignment->stream != NULL && assignment->stream->enabled;
}

/* The memory context goes away, and with it the client that reports. */
static void
free_reporter(void *argument)
{
	kfdw_reporter_let_go(((KafkaAssignment *) argument)->reporter);
}

bool
kfdw_assignment_is_outdated(const KafkaAssignment *assignment)
{
	AcceptInvalidationMessages();
	return !kfdw_options_are_current(assignment->options);
}

/* For filters: the partitions of topics that are to begin at the ends. */
static bool
begins_at_end(const void *argument, const KafkaPartition *partition)
{
	return kfdw_positions_placing(argument, partition->index) == KAFKA_PLACING;
}

/* True when there are such topics. */
static bool
is_to_place(const KafkaPositions *positions)
{
	for (int t = 0; t < positions->outlook->ntopics; t++)
		if (positions->topics[t].placing == KAFKA_PLACING)
			return true;
	return false;
}

/* In a transaction: gives all partitions of topics where the group has no position one at their ends. */
static void
write_first_positions(KafkaAssignment *assignment)
{
	kfdw_streams_lock_to_change(assignment->stream->name);
	kfdw_options_keep_server(assignment->options->serverid);
	if (!kfdw_streams_is_current(assignment->stream->name, assignment->stream->revision) ||
		kfdw_assignment_is_outdated(assignment))
		return;					/* it was dropped, with its positions, or they have another name */

	/* another worker may have been first */
	kfdw_positions_read(assignment->positions);
	if (!is_to_place(assignment->positions))
		return;
	kfdw_positions_start(assignment->positions, assignment->consumer, KAFKA_TAKE_WHAT_ANSWERS);
	kfdw_positions_write(assignment->positions);
	kfdw_positions_confirm(assignment->positions);
}

/* A group that begins at the ends is placed there once, in all partitions, whose ends are asked for before. */
static void
place_positions(KafkaAssignment *assignment)
{
	KafkaPartitionFilter filter = {begins_at_end, assignment->positions};

	kfdw_consumer_require(assignment->consumer, assignment->positions->outlook, &filter);
	StartTransactionCommand();
	write_first_positions(assignment);
	CommitTransactionCommand();
	MemoryContextSwitchTo(assignment->context);
}

/* True for a partition that this worker reads, by its index. */
static bool
is_mine(const KafkaAssignment *assignment, int partition)
{
	const KafkaOutlook *outlook = assignment->positions->outlook;

	return kfdw_outlook_share(outlook, &outlook->partitions[partition]) % assignment->stream->workers == assignment->worker;
}

/* Takes this worker's partitions, then reads their positions. */
static void
take_partitions(KafkaAssignment *assignment)
{
	KafkaPositions *positions = assignment->positions;

	StartTransactionCommand();
	for (int p = 0; p < positions->outlook->npartitions; p++)
	{
		if (!is_mine(assignment, p))
			continue;
		positions->partitions[p].claim = KAFKA_CLAIM_TAKEN;
		assignment->npartitions++;
	}
	kfdw_positions_read(positions);
	CommitTransactionCommand();
	MemoryContextSwitchTo(assignment->context);
}

/* For filters: the partitions that are not read, as their leaders do not answer. */
static bool
is_awaited(const void *argument, const KafkaPartition *partition)
{
	const KafkaPositions *positions = argument;

	return positions->partitions[partition->index].claim == KAFKA_CLAIM_TAKEN;
}

/* Starts to read what is claimed. */
static void
start_consumer(KafkaAssignment *assignment)
{
	const KafkaPositions *positions = assignment->positions;
	KafkaPartitionFilter awaited = {is_awaited, positions};
	KafkaSlice *slices = palloc((assignment->npartitions + 1) * sizeof(KafkaSlice));
	int			nslices = 0;

	for (int p = 0; p < positions->outlook->npartitions; p++)
	{
		const KafkaPartitionPosition *partition = &positions->partitions[p];
		KafkaSlice	slice = {&positions->outlook->partitions[p], partition->from, PG_INT64_MAX};

		if (partition->claim == KAFKA_CLAIM_HELD)
			slices[nslices++] = slice;
	}
	kfdw_consumer_start(assignment->consumer, slices, nslices);
	kfdw_consumer_observe(assignment->consumer, positions->outlook, &awaited, kfdw_frame_lag());
}

/* The broker is asked outside of transactions: nobody waits for it while he holds something. */
KafkaAssignment *
kfdw_assignment_open(const char *name, int worker)
{
	KafkaAssignment *assignment = palloc0(sizeof(KafkaAssignment));
	bool		found;

	assignment->context = CurrentMemoryContext;
	assignment->worker = worker;

	StartTransactionCommand();
	found = read_definition(assignment, name);
	CommitTransactionCommand();
	MemoryContextSwitchTo(assignment->context);
	if (!found)
		return NULL;

	assignment->pace = kfdw_pace_of(assignment->stream);
	assignment->buffer = kfdw_buffer_create(assignment->pace.max_records, assignment->stream->settings.max_poll_bytes);
	assignment->consumer = kfdw_consumer_open(&assignment->options->consumer, &assignment->options->selection);
	assignment->positions = kfdw_positions_create(assignment->options,
												  kfdw_consumer_outlook(assignment->consumer));
	assignment->topic_checked = kfdw_wait_now();

	take_partitions(assignment);
	if (is_to_place(assignment->positions))
		place_positions(assignment);
	kfdw_positions_start(assignment->positions, assignment->consumer, KAFKA_TAKE_WHAT_ANSWERS);
	start_consumer(assignment);
	assignment->callback.func = free_reporter;
	assignment->callback.arg = assignment;
	MemoryContextRegisterResetCallback(assignment->context, &assignment->callback);
	if (assignment->options->report_offsets)
		assignment->reporter = kfdw_reporter_get(assignment->consumer);
	kfdw_assignment_report(assignment);
	return assignment;
}

void
kfdw_assignment_close(KafkaAssignment *assignment)
{
	kfdw_consumer_close(assignment->consumer);
	if (assignment->asker != NULL)
		kfdw_consumer_close(assignment->asker);
	kfdw_reporter_let_go(assignment->reporter);
	assignment->reporter = NULL;
}

/* Notes up to where records are in hand. */
static void
note_positions(KafkaAssignment *assignment)
{
	KafkaPositions *positions = assignment->positions;

	for (int p = 0; p < positions->outlook->npartitions; p++)
		if (positions->partitions[p].claim == KAFKA_CLAIM_HELD)
			positions->partitions[p].next = kfdw_consumer_position(assignment->consumer, &positions->outlook->partitions[p]);
}

/*
 * A worker has those of the partitions that it reads: nobody else parks of these.  The first one
 * also has what was parked of partitions that nobody reads any more.
 */
KafkaParkedShare
kfdw_assignment_share_parked(const KafkaAssignment *assignment)
{
	const KafkaOutlook *outlook = assignment->positions->outlook;
	KafkaParkedShare share = {.stream = assignment->stream->name,.is_rest = assignment->worker == 0};

	share.topics = palloc(sizeof(char *) * Max(outlook->npartitions, 1));
	share.partitions = palloc(sizeof(int32) * Max(outlook->npartitions, 1));
	for (int p = 0; p < outlook->npartitions; p++)
	{
		if (is_mine(assignment, p) == share.is_rest)
			continue;
		share.topics[share.count] = outlook->partitions[p].topic;
		share.partitions[share.count++] = outlook->partitions[p].number;
	}
	return share;
}

bool
kfdw_assignment_gather(KafkaAssignment *assignment)
{
	KafkaBuffer *buffer = assignment->buffer;

	/* a batch that failed is tried again as it was */
	if (assignment->gathered)
		return true;
	if (!kfdw_consumer_finished(assignment->consumer))
		(void) kfdw_consumer_fill(assignment->consumer, buffer);
	if (kfdw_buffer_count(buffer) > 0 && kfdw_pace_wait_ms(&assignment->pace, kfdw_buffer_full(buffer)) > 0)
		return false;			/* what is in hand must not count as read */
	kfdw_buffer_sort(buffer);
	note_positions(assignment);
	assignment->gathered = kfdw_buffer_count(buffer) > 0;
	if (assignment->gathered)
		kfdw_pace_begin(&assignment->pace, kfdw_buffer_count(buffer));
	return assignment->gathered;
}

void
kfdw_assignment_finish_batch(KafkaAssignment *assignment)
{
	kfdw_buffer_clear(assignment->buffer);
	kfdw_pace_commit(&assignment->pace);
	assignment->gathered = false;
}

bool
kfdw_assignment_is_to_be_renewed(KafkaAssignment *assignment)
{
	TimestampTz now = kfdw_wait_now();
	int			check_ms = kfdw_assignment_trouble(assignment) != NULL ? TROUBLE_CHECK_MS : TOPIC_CHECK_MS;
	KafkaSight	sight;

	if (!assignment->checks_topic)
	{
		assignment->checks_topic = TimestampDifferenceExceeds(assignment->topic_checked, now, check_ms);
		if (assignment->checks_topic)
			kfdw_consumer_look(assignment->consumer);
		return false;
	}
	sight = kfdw_consumer_sight(assignment->consumer);
	if (sight == KAFKA_SIGHT_NONE)
		return false;
	assignment->topic_checked = now;
	assignment->checks_topic = false;
	return sight == KAFKA_SIGHT_OTHER;
}

/* Makes the client that asks for ends. */
static void
open_asker(KafkaAssignment *assignment)
{
	MemoryContext old = MemoryContextSwitchTo(assignment->context);

	assignment->asker = kfdw_consumer_open(&assignment->options->consumer, &assignment->options->selection);
	assignment->ends = palloc0(Max(assignment->positions->outlook->npartitions, 1) * sizeof(int64));
	MemoryContextSwitchTo(old);
}

bool
kfdw_assignment_ask_ends(KafkaAssignment *assignment)
{
	const KafkaOutlook *now;
	bool		complete;

	if (assignment->asker == NULL)
		open_asker(assignment);
	now = kfdw_consumer_outlook(assignment->asker);
	complete = now->npartitions == assignment->positions->outlook->npartitions;
	for (int p = 0; p < now->npartitions && complete; p++)
	{
		assignment->ends[p] = now->partitions[p].end;
		complete = assignment->ends[p] >= 0;
	}
	if (!complete)
		assignment->topic_checked = 0;	/* there may be more to read */
	return complete;
}

bool
kfdw_assignment_has_caught_up(const KafkaAssignment *assignment)
{
	const KafkaPositions *positions = assignment->positions;

	if (kfdw_buffer_count(assignment->buffer) > 0)
		return false;
	for (int p = 0; p < positions->outlook->npartitions; p++)
	{
		const KafkaPartitionPosition *partition = &positions->partitions[p];

		if (partition->claim == KAFKA_CLAIM_TAKEN ||
			(partition->claim == KAFKA_CLAIM_HELD && partition->next < assignment->ends[p]))
			return false;
	}
	return true;
}

const char *
kfdw_assignment_trouble(const KafkaAssignment *assignment)
{
	const KafkaPositions *positions = assignment->positions;
	const char *trouble = kfdw_consumer_trouble(assignment->consumer);

	for (int p = 0; p < positions->outlook->npartitions && trouble == NULL; p++)
	{
		const KafkaPartition *partition = &positions->outlook->partitions[p];

		if (positions->partitions[p].claim == KAFKA_CLAIM_TAKEN)
			trouble = kfdw_fault_describe_silence(partition->topic, partition->number, partition->trouble);
	}
	return trouble;
}

void
kfdw_assignment_report(const KafkaAssignment *assignment)
{
	const KafkaPositions *positions = assignment->positions;

	if (assignment->reporter == NULL)
		return;
	for (int p = 0; p < positions->outlook->npartitions; p++)
	{
		const KafkaPartitionPosition *partition = &positions->partitions[p];
		KafkaGroupPosition position = {
			positions->outlook->partitions[p].topic, positions->outlook->partitions[p].number, partition->stored.next_offset
		};

		if (partition->claim == KAFKA_CLAIM_HELD && partition->stored.exists)
			kfdw_reporter_send(assignment->reporter, &position, 1);
	}
}

bool
kfdw_assignment_describe_sleep(const KafkaAssignment *assignment, KafkaSleep *sleep)
{
	const KafkaPositions *positions = assignment->positions;
	const KafkaOutlook *outlook = positions->outlook;

	if (!assignment->is_watchable || outlook->ntopics != 1 || strlen(outlook->topics[0].name) > KAFKA_TOPIC_LEN ||
		assignment->npartitions == 0 || assignment->npartitions > KAFKA_SLEEP_PARTITIONS)
		return false;
	sleep->server = assignment->options->serverid;
	strlcpy(sleep->topic, outlook->topics[0].name, sizeof(sleep->topic));
	strlcpy(sleep->topic_id, outlook->topics[0].topic_id ? outlook->topics[0].topic_id : "", sizeof(sleep->topic_id));
	sleep->topic_partitions = outlook->topics[0].npartitions;
	sleep->count = 0;
	for (int p = 0; p < outlook->npartitions; p++)
	{
		if (positions->partitions[p].claim != KAFKA_CLAIM_HELD)
			continue;
		sleep->partitions[sleep->count] = outlook->partitions[p].number;
		sleep->next_offsets[sleep->count++] = kfdw_positions_committed(&positions->partitions[p]);
	}
	return sleep->count == assignment->npartitions;
}

/* Records between the positions and what the broker last said of the ends. */
int64
kfdw_assignment_lag(const KafkaAssignment *assignment)
{
	const KafkaPositions *positions = assignment->positions;
	int64		lag = 0;

	for (int p = 0; p < positions->outlook->npartitions; p++)
	{
		const KafkaPartitionPosition *partition = &positions->partitions[p];
		int64		end;

		if (partition->claim != KAFKA_CLAIM_HELD)
			continue;
		end = Max(kfdw_consumer_cached_end(assignment->consumer, &positions->outlook->partitions[p]),
				  positions->outlook->partitions[p].end);
		lag += Max(end - kfdw_positions_committed(partition), 0);
	}
	return lag;
}

int64
kfdw_assignment_done(const KafkaAssignment *assignment)
{
	const KafkaPositions *positions = assignment->positions;
	int64		done = 0;

	for (int p = 0; p < positions->outlook->npartitions; p++)
		if (positions->partitions[p].claim == KAFKA_CLAIM_HELD)
			done += kfdw_positions_committed(&positions->partitions[p]);
	return done;
}

/* The newest timestamp in the batch, -1 when there is none. */
int64
kfdw_assignment_newest_timestamp(const KafkaAssignment *assignment)
{
	int64		newest = -1;

	for (int i = 0; i < kfdw_buffer_count(assignment->buffer); i++)
		newest = Max(newest, kfdw_buffer_get(assignment->buffer, i)->timestamp);
	return newest;
}

char *
kfdw_assignment_describe_batch(const KafkaAssignment *assignment)
{
	const KafkaPositions *positions = assignment->positions;
	const KafkaOutlook *outlook = positions->outlook;
	StringInfoData where;
	int			described = 0;

	initStringInfo(&where);
	appendStringInfo(&where, "batch of %d records of topic \"%s\": ", kfdw_buffer_count(assignment->buffer), positions->topic);
	for (int p = 0; p < positions->outlook->npartitions && described <= MAX_DESCRIBED; p++)
	{
		const KafkaPartitionPosition *partition = &positions->partitions[p];

		if (partition->next <= partition->from)
			continue;
		if (++described > MAX_DESCRIBED)
			appendStringInfoString(&where, ", ...");
		else
			appendStringInfo(&where, "%s%s%spartition %d offsets " INT64_FORMAT " to " INT64_FORMAT,
							 described > 1 ? ", " : "",
							 outlook->ntopics > 1 ? outlook->partitions[p].topic : "", outlook->ntopics > 1 ? " " : "",
							 partition->stored.partition, partition->from, partition->next - 1);
	}
	return where.data;
}
