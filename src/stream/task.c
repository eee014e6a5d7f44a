/*
 * task.c
 *	  A worker's share of its stream: the partitions it reads, from where, and the
 *	  batch in hand.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kafka/config.h"
#include "source/claim.h"
#include "stream/task.h"

/* A batch ends at this size; its records stay in the client's memory until it is done. */
#define MAX_POLL_BYTES (32 * 1024 * 1024)

/* A message names the offsets of this many partitions. */
#define MAX_DESCRIBED 4

/* Reads the stream and the options of its source. */
static bool
read_definition(KafkaTask *task, const char *name)
{
	MemoryContext old = MemoryContextSwitchTo(task->context);

	task->stream = kfdw_streams_get(name);
	if (task->stream != NULL && task->stream->enabled)
	{
		if (!kfdw_options_is_topic_table(task->stream->source))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("the source of stream \"%s\" does not exist any more", name)));
		task->options = kfdw_options_table(task->stream->source, GetUserId());
		task->options->group_id = task->stream->name;
		task->options->consumer.kind = KAFKA_CLIENT_STREAM;
	}
	MemoryContextSwitchTo(old);
	return task->stream != NULL && task->stream->enabled;
}

/* Claims the topic for this session; who held a part of it before may need a moment to let go. */
static void
claim_topic(KafkaTask *task)
{
	const KafkaPositionKey *key = &task->positions->key;

	if (!kfdw_claim_topic(key))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("topic \"%s\" is held by another consumer of group \"%s\"", key->topic, key->group_id)));
	task->claimed = true;
}

/* The memory context goes away, and with it the claim. */
static void
release_claim(void *argument)
{
	KafkaTask  *task = argument;

	if (task->claimed)
		kfdw_claim_release_topic(&task->positions->key);
}

bool
kfdw_task_is_outdated(const KafkaTask *task)
{
	AcceptInvalidationMessages();
	return !kfdw_options_are_current(task->options);
}

/* A group that begins at the ends is placed there once, in all partitions at the same moment. */
static void
place_positions(KafkaTask *task)
{
	kfdw_streams_lock_to_change(task->stream->name);
	kfdw_claim_server(task->options->serverid);
	if (!kfdw_streams_is_current(task->stream->name, task->stream->revision) || kfdw_task_is_outdated(task))
		return;					/* it was dropped, with its positions, or they have another name */

	/* another worker may have been first */
	kfdw_positions_read(task->positions);
	if (!task->positions->placing)
		return;
	kfdw_positions_start(task->positions, task->consumer, KAFKA_NEED_ALL);
	kfdw_positions_write(task->positions);
	kfdw_positions_confirm(task->positions);
}

/* Takes this worker's partitions, then reads their positions. */
static void
take_partitions(KafkaTask *task)
{
	claim_topic(task);
	for (int32 p = task->worker; p < task->positions->topic->npartitions; p += task->stream->workers)
	{
		task->positions->partitions[p].claim = KAFKA_CLAIM_TAKEN;
		task->npartitions++;
	}
	kfdw_positions_read(task->positions);
	if (task->positions->placing)
		place_positions(task);
}

/* Starts to read what is claimed. */
static void
start_consumer(KafkaTask *task)
{
	KafkaSlice *slices = palloc((task->npartitions + 1) * sizeof(KafkaSlice));
	int			nslices = 0;

	for (int p = 0; p < task->positions->topic->npartitions; p++)
	{
		const KafkaPartitionPosition *partition = &task->positions->partitions[p];
		KafkaSlice	slice = {p, partition->from, PG_INT64_MAX};

		if (partition->claim == KAFKA_CLAIM_HELD)
			slices[nslices++] = slice;
	}
	kfdw_consumer_start(task->consumer, slices, nslices);
}

/* The broker is asked outside of transactions: nobody waits for it while he holds something. */
KafkaTask *
kfdw_task_open(const char *name, int worker)
{
	KafkaTask  *task = palloc0(sizeof(KafkaTask));
	bool		found;

	task->context = CurrentMemoryContext;
	task->worker = worker;
	task->callback.func = release_claim;
	task->callback.arg = task;
	MemoryContextRegisterResetCallback(task->context, &task->callback);

	StartTransactionCommand();
	found = read_definition(task, name);
	CommitTransactionCommand();
	MemoryContextSwitchTo(task->context);
	if (!found)
		return NULL;

	task->buffer = kfdw_buffer_create(task->stream->max_poll_records, MAX_POLL_BYTES);
	task->consumer = kfdw_consumer_open(&task->options->consumer, task->options->topic);
	task->positions = kfdw_positions_create(task->options, kfdw_consumer_topic_outlook(task->consumer));
	task->topic_checked = GetCurrentTimestamp();

	StartTransactionCommand();
	take_partitions(task);
	CommitTransactionCommand();
	MemoryContextSwitchTo(task->context);
	kfdw_positions_start(task->positions, task->consumer, KAFKA_TAKE_WHAT_ANSWERS);
	start_consumer(task);
	return task;
}

void
kfdw_task_close(KafkaTask *task)
{
	kfdw_consumer_close(task->consumer);
}

int
kfdw_task_gather(KafkaTask *task)
{
	KafkaPositions *positions = task->positions;

	/* a batch that failed is tried again as it was */
	if (kfdw_buffer_count(task->buffer) > 0)
		return kfdw_buffer_count(task->buffer);
	(void) kfdw_consumer_fill(task->consumer, task->buffer);
	kfdw_buffer_sort(task->buffer);
	for (int p = 0; p < positions->topic->npartitions; p++)
		if (positions->partitions[p].claim == KAFKA_CLAIM_HELD)
			positions->partitions[p].next = kfdw_consumer_position(task->consumer, p);
	return kfdw_buffer_count(task->buffer);
}

bool
kfdw_task_has_more_to_read(KafkaTask *task)
{
	const KafkaPositions *positions = task->positions;
	KafkaTopicState *now = kfdw_consumer_topic_outlook(task->consumer);

	task->topic_checked = GetCurrentTimestamp();
	if (now->npartitions != positions->topic->npartitions)
		return true;
	for (int p = 0; p < now->npartitions; p++)
		if (positions->partitions[p].claim == KAFKA_CLAIM_TAKEN && now->end[p] >= 0)
			return true;
	return false;
}

const char *
kfdw_task_trouble(const KafkaTask *task)
{
	const KafkaPositions *positions = task->positions;
	const char *trouble = kfdw_consumer_trouble(task->consumer);

	for (int p = 0; p < positions->topic->npartitions && trouble == NULL; p++)
		if (positions->partitions[p].claim == KAFKA_CLAIM_TAKEN)
			trouble = psprintf("could not reach the leader of topic \"%s\", partition %d: %s",
							   positions->key.topic, p, positions->topic->trouble[p]);
	return trouble;
}

/* Records between the positions and what the broker last said of the ends. */
int64
kfdw_task_lag(const KafkaTask *task)
{
	const KafkaPositions *positions = task->positions;
	int64		lag = 0;

	for (int p = 0; p < positions->topic->npartitions; p++)
	{
		const KafkaPartitionPosition *partition = &positions->partitions[p];
		int64		end;

		if (partition->claim != KAFKA_CLAIM_HELD)
			continue;
		end = Max(kfdw_consumer_cached_end(task->consumer, p), positions->topic->end[p]);
		lag += Max(end - kfdw_positions_committed(partition), 0);
	}
	return lag;
}

/* The newest timestamp in the batch, -1 when there is none. */
int64
kfdw_task_newest_timestamp(const KafkaTask *task)
{
	int64		newest = -1;

	for (int i = 0; i < kfdw_buffer_count(task->buffer); i++)
		newest = Max(newest, kfdw_buffer_get(task->buffer, i)->timestamp);
	return newest;
}

/* Adds to an error which records were being worked on. */
void
kfdw_task_describe_batch(const KafkaTask *task)
{
	const KafkaPositions *positions = task->positions;
	StringInfoData where;
	int			described = 0;

	initStringInfo(&where);
	for (int p = 0; p < positions->topic->npartitions && described <= MAX_DESCRIBED; p++)
	{
		const KafkaPartitionPosition *partition = &positions->partitions[p];

		if (partition->next <= partition->from)
			continue;
		if (++described > MAX_DESCRIBED)
			appendStringInfoString(&where, ", ...");
		else
			appendStringInfo(&where, "%spartition %d offsets " INT64_FORMAT " to " INT64_FORMAT,
							 described > 1 ? ", " : "", p, partition->from, partition->next - 1);
	}
	errcontext("stream \"%s\", batch of %d records of topic \"%s\": %s", task->stream->name,
			   kfdw_buffer_count(task->buffer), positions->key.topic, where.data);
}
