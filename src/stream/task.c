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
#include "source/start_offset.h"
#include "stream/task.h"

/* A batch ends at this size; its records stay in the client's memory until it is done. */
#define MAX_POLL_BYTES (32 * 1024 * 1024)

/* A message names the offsets of this many partitions. */
#define MAX_DESCRIBED 4

static bool read_definition(KafkaTask *task, const char *name);
static void take_partitions(KafkaTask *task);
static void place_positions(KafkaTask *task);
static void renew_ends(KafkaTask *task);
static void set_starts(KafkaTask *task);
static void start_consumer(KafkaTask *task);

static void release_claims(void *argument);

/* The broker is asked outside of transactions: nobody waits for it while he holds something. */
KafkaTask *
kfdw_task_open(const char *name, int worker)
{
	KafkaTask  *task = palloc0(sizeof(KafkaTask));
	bool		found;

	task->context = CurrentMemoryContext;
	task->worker = worker;
	task->callback.func = release_claims;
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
	task->topic = kfdw_consumer_topic_state(task->consumer);
	task->topic_checked = GetCurrentTimestamp();

	StartTransactionCommand();
	take_partitions(task);
	CommitTransactionCommand();
	MemoryContextSwitchTo(task->context);
	renew_ends(task);
	set_starts(task);
	start_consumer(task);
	return task;
}

/* Reads the stream and the options of its source. */
static bool
read_definition(KafkaTask *task, const char *name)
{
	MemoryContext old = MemoryContextSwitchTo(task->context);

	task->generation = kfdw_config_generation();
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
		task->key.server = task->options->server;
		task->key.group_id = task->stream->name;
		task->key.topic = task->options->topic;
	}
	MemoryContextSwitchTo(old);
	return task->stream != NULL && task->stream->enabled;
}

/*
 * Claims a partition for this session; who held it before may need a moment to let go.
 * A claim is a session's advisory lock: a trigger that calls pg_advisory_unlock_all()
 * drops it.  Another consumer may then read the same records, but one of the two finds
 * the position moved and rolls back.
 */
static void
claim_partition(KafkaTask *task, int32 partition)
{
	if (!kfdw_offsets_claim(&task->key, partition, true))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("partition %d of topic \"%s\" is held by another consumer of group \"%s\"",
						partition, task->key.topic, task->key.group_id)));
	task->partitions[task->npartitions++].position.partition = partition;
}

/* Claims this worker's partitions, then reads their positions. */
static void
take_partitions(KafkaTask *task)
{
	KafkaPosition *positions;
	MemoryContext old;
	int			nrows;

	old = MemoryContextSwitchTo(task->context);
	task->partitions = palloc0((task->topic->npartitions + 1) * sizeof(KafkaTaskPartition));
	MemoryContextSwitchTo(old);
	for (int32 p = task->worker; p < task->topic->npartitions; p += task->stream->workers)
		claim_partition(task, p);
	if (task->options->auto_offset_reset == KAFKA_RESET_LATEST)
		place_positions(task);

	MemoryContextSwitchTo(task->context);
	positions = kfdw_offsets_read(&task->key, task->topic->npartitions, &nrows);
	MemoryContextSwitchTo(old);
	for (int i = 0; i < task->npartitions; i++)
		task->partitions[i].position = positions[task->partitions[i].position.partition];
}

/* Another consumer may have moved a position past the ends, which were taken before the claim. */
static void
renew_ends(KafkaTask *task)
{
	KafkaTopicState *newer = NULL;

	for (int i = 0; i < task->npartitions; i++)
	{
		const KafkaPosition *position = &task->partitions[i].position;
		int32		p = position->partition;

		if (!position->exists || position->next_offset <= task->topic->end[p])
			continue;
		if (newer == NULL)
			newer = kfdw_consumer_topic_state(task->consumer);
		if (p < newer->npartitions)
			task->topic->end[p] = newer->end[p];
	}
}

/* Decides where reading begins. */
static void
set_starts(KafkaTask *task)
{
	for (int i = 0; i < task->npartitions; i++)
	{
		KafkaTaskPartition *partition = &task->partitions[i];

		partition->start = kfdw_start_offset(task->options, task->topic, &partition->position, false);
		partition->fetched = partition->start;
	}
}

/* A group that begins at the ends is placed there once, in all partitions at the same moment. */
static void
place_positions(KafkaTask *task)
{
	int			nrows;

	kfdw_streams_lock_to_change(task->stream->name);
	if (!kfdw_streams_is_current(task->stream->name, task->stream->revision))
		return;					/* it was dropped, with its positions */
	(void) kfdw_offsets_read(&task->key, 0, &nrows);
	for (int p = 0; p < task->topic->npartitions && nrows == 0; p++)
	{
		KafkaPosition none = {.partition = p};

		kfdw_offsets_write(&task->key, &none, task->topic->end[p],
						   task->topic->cluster_id, task->topic->topic_id);
	}
}

static void
start_consumer(KafkaTask *task)
{
	KafkaSlice *slices = palloc((task->npartitions + 1) * sizeof(KafkaSlice));

	for (int i = 0; i < task->npartitions; i++)
	{
		slices[i].partition = task->partitions[i].position.partition;
		slices[i].from = task->partitions[i].start;
		slices[i].end = PG_INT64_MAX;
	}
	kfdw_consumer_start(task->consumer, slices, task->npartitions);
}

/* The memory context goes away, and with it the claims. */
static void
release_claims(void *argument)
{
	KafkaTask  *task = argument;

	for (int i = 0; i < task->npartitions; i++)
		kfdw_offsets_release(&task->key, task->partitions[i].position.partition);
}

void
kfdw_task_close(KafkaTask *task)
{
	kfdw_consumer_close(task->consumer);
}

int
kfdw_task_gather(KafkaTask *task)
{
	/* a batch that failed is tried again as it was */
	if (kfdw_buffer_count(task->buffer) > 0)
		return kfdw_buffer_count(task->buffer);
	(void) kfdw_consumer_fill(task->consumer, task->buffer);
	kfdw_buffer_sort(task->buffer);
	for (int i = 0; i < task->npartitions; i++)
	{
		KafkaTaskPartition *partition = &task->partitions[i];

		partition->fetched = kfdw_consumer_position(task->consumer, partition->position.partition);
	}
	return kfdw_buffer_count(task->buffer);
}

/* Where a partition stands as far as commits go. */
static int64
committed_offset(const KafkaTaskPartition *partition)
{
	return partition->position.exists ? partition->position.next_offset : partition->start;
}

bool
kfdw_task_has_moved(const KafkaTask *task)
{
	for (int i = 0; i < task->npartitions; i++)
		if (task->partitions[i].fetched > committed_offset(&task->partitions[i]))
			return true;
	return false;
}

void
kfdw_task_write_positions(KafkaTask *task)
{
	for (int i = 0; i < task->npartitions; i++)
	{
		KafkaTaskPartition *partition = &task->partitions[i];

		if (partition->fetched > committed_offset(partition))
			kfdw_offsets_write(&task->key, &partition->position, partition->fetched,
							   task->topic->cluster_id, task->topic->topic_id);
	}
}

void
kfdw_task_confirm_positions(KafkaTask *task)
{
	for (int i = 0; i < task->npartitions; i++)
	{
		KafkaTaskPartition *partition = &task->partitions[i];

		if (partition->fetched <= committed_offset(partition))
			continue;
		partition->position.exists = true;
		partition->position.next_offset = partition->fetched;
	}
}

bool
kfdw_task_topic_has_grown(KafkaTask *task)
{
	KafkaTopicState *now = kfdw_consumer_topic_state(task->consumer);

	task->topic_checked = GetCurrentTimestamp();
	return now->npartitions != task->topic->npartitions;
}

bool
kfdw_task_is_outdated(const KafkaTask *task)
{
	AcceptInvalidationMessages();
	return task->generation != kfdw_config_generation();
}

/* Records between the positions and what the broker last said of the ends. */
int64
kfdw_task_lag(const KafkaTask *task)
{
	int64		lag = 0;

	for (int i = 0; i < task->npartitions; i++)
	{
		const KafkaTaskPartition *partition = &task->partitions[i];
		int64		end = kfdw_consumer_cached_end(task->consumer, partition->position.partition);

		end = Max(end, task->topic->end[partition->position.partition]);
		lag += Max(end - committed_offset(partition), 0);
	}
	return lag;
}

/* The newest timestamp in the batch, -1 when there is none. */
int64
kfdw_task_newest_timestamp(const KafkaTask *task)
{
	int64		newest = -1;
	KafkaRecord *record;

	kfdw_buffer_rewind(task->buffer);
	while ((record = kfdw_buffer_next(task->buffer)) != NULL)
		newest = Max(newest, record->timestamp);
	kfdw_buffer_rewind(task->buffer);
	return newest;
}

/* Adds to an error which records were being worked on. */
void
kfdw_task_describe_batch(const KafkaTask *task)
{
	StringInfoData where;
	int			described = 0;

	initStringInfo(&where);
	for (int i = 0; i < task->npartitions && described <= MAX_DESCRIBED; i++)
	{
		const KafkaTaskPartition *partition = &task->partitions[i];

		if (partition->fetched <= committed_offset(partition))
			continue;
		if (++described > MAX_DESCRIBED)
			appendStringInfoString(&where, ", ...");
		else
			appendStringInfo(&where, "%spartition %d offsets " INT64_FORMAT " to " INT64_FORMAT,
							 described > 1 ? ", " : "", partition->position.partition,
							 committed_offset(partition), partition->fetched - 1);
	}
	errcontext("stream \"%s\", batch of %d records of topic \"%s\": %s", task->stream->name,
			   kfdw_buffer_count(task->buffer), task->key.topic, where.data);
}
