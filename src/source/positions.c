/*
 * positions.c
 *	  Where a consumer group stands in the topics it reads: claimed, read, placed, moved.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "source/claim.h"
#include "source/positions.h"
#include "stat/wait.h"

/*
 * A leader that was cut off from the others and is back says for a moment what it knew of
 * the ends before.
 */
#define CONFIRM_MS 3000
#define CONFIRM_PAUSE_MS 100

KafkaPositions *
kfdw_positions_create(const KafkaTableOptions *options, KafkaOutlook *outlook)
{
	KafkaPositions *positions = palloc0(sizeof(KafkaPositions));

	positions->server = pstrdup(options->server);
	positions->group_id = pstrdup(options->group_id);
	positions->topic = pstrdup(options->topic);
	positions->auto_offset_reset = options->auto_offset_reset;
	positions->on_offset_out_of_range = options->on_offset_out_of_range;
	positions->outlook = outlook;
	positions->topics = palloc0(outlook->ntopics * sizeof(KafkaTopicPositions));
	for (int t = 0; t < outlook->ntopics; t++)
		positions->topics[t].key = (KafkaPositionKey) {positions->server, positions->group_id, outlook->topics[t].name};
	positions->partitions = palloc0(Max(outlook->npartitions, 1) * sizeof(KafkaPartitionPosition));
	for (int p = 0; p < outlook->npartitions; p++)
		positions->partitions[p].stored.partition = outlook->partitions[p].number;
	return positions;
}

const KafkaPositionKey *
kfdw_positions_key(const KafkaPositions *positions, int partition)
{
	return &positions->topics[positions->outlook->partitions[partition].topic_index].key;
}

KafkaPlacing
kfdw_positions_placing(const KafkaPositions *positions, int partition)
{
	return positions->topics[positions->outlook->partitions[partition].topic_index].placing;
}

/* True when a position is one of an earlier topic of the same name, as far as is known. */
static bool
is_of_another_topic(const KafkaPositions *positions, int partition, const KafkaPosition *position)
{
	const char *topic_id = positions->outlook->topics[positions->outlook->partitions[partition].topic_index].topic_id;

	return kfdw_outlook_tells_apart(position->topic_id, topic_id);
}

/* Takes a row over; of a partition that is not ours nobody needs to know the cluster. */
static void
keep_row(KafkaPositions *positions, int p, const KafkaPosition *row)
{
	KafkaPartitionPosition *partition = &positions->partitions[p];
	bool		ours = partition->claim == KAFKA_CLAIM_TAKEN;

	partition->stored = *row;
	partition->stored.cluster_id = ours && row->cluster_id ? pstrdup(row->cluster_id) : NULL;
	partition->stored.topic_id = ours && row->topic_id ? pstrdup(row->topic_id) : NULL;
	partition->outlived = is_of_another_topic(positions, p, row);
}

/* Reads the rows of a topic, in a memory context that goes away. */
static void
read_topic(KafkaPositions *positions, const KafkaTopic *topic, KafkaTopicPositions *state)
{
	KafkaPosition *rows = kfdw_offsets_read(&state->key, topic->npartitions);
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(positions));
	bool		any = false;

	for (int p = topic->first; p < topic->first + topic->count; p++)
	{
		const KafkaPosition *row = &rows[positions->outlook->partitions[p].number];

		any |= row->exists;
		if (positions->partitions[p].claim != KAFKA_CLAIM_HELD)
			keep_row(positions, p, row);
	}
	MemoryContextSwitchTo(old);
	if (state->placing != KAFKA_PLACED)
		state->placing = !any && positions->auto_offset_reset == KAFKA_RESET_LATEST ? KAFKA_PLACING : KAFKA_NOT_PLACING;
}

void
kfdw_positions_read(KafkaPositions *positions)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw positions", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	for (int t = 0; t < positions->outlook->ntopics; t++)
		read_topic(positions, &positions->outlook->topics[t], &positions->topics[t]);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Those of a topic. */
static void
give_up_moved(KafkaPositions *positions, const KafkaTopic *topic, const KafkaPositionKey *key, Snapshot snapshot)
{
	KafkaPosition *rows = kfdw_offsets_read_as_of(key, topic->npartitions, snapshot);

	for (int p = topic->first; p < topic->first + topic->count; p++)
	{
		KafkaPartitionPosition *partition = &positions->partitions[p];
		const KafkaPosition *stored = &partition->stored;
		const KafkaPosition *before = &rows[stored->partition];

		if (partition->claim != KAFKA_CLAIM_TAKEN || TransactionIdIsCurrentTransactionId(stored->writer) ||
			(before->exists == stored->exists && before->next_offset == stored->next_offset &&
			 before->generation == stored->generation))
			continue;
		kfdw_claim_give_up(key, stored->partition);
		partition->claim = KAFKA_CLAIM_MISSED;
	}
	pfree(rows);
}

void
kfdw_positions_give_up_moved(KafkaPositions *positions, Snapshot snapshot)
{
	for (int t = 0; t < positions->outlook->ntopics; t++)
		give_up_moved(positions, &positions->outlook->topics[t], &positions->topics[t].key, snapshot);
}

/* True when a position is past the end of its partition that a leader told last. */
static bool
is_past_end(const KafkaPositions *positions, const KafkaPartition *partition)
{
	const KafkaPartitionPosition *position = &positions->partitions[partition->index];

	return position->claim == KAFKA_CLAIM_TAKEN && position->stored.exists &&
		partition->end >= 0 && position->stored.next_offset > partition->end;
}

void
kfdw_positions_renew_ends(KafkaPositions *positions, KafkaConsumer *consumer)
{
	KafkaOutlook *outlook = positions->outlook;
	KafkaOutlook *newer = NULL;

	for (int p = 0; p < outlook->npartitions; p++)
	{
		KafkaPartition *partition = &outlook->partitions[p];
		const KafkaPartition *now;

		if (!is_past_end(positions, partition))
			continue;
		if (newer == NULL)
			newer = kfdw_consumer_outlook(consumer);
		now = kfdw_outlook_find(newer, partition->topic, partition->number);
		if (now == NULL)
			continue;
		partition->end = now->end;
		partition->trouble = now->trouble;
	}
}

/* True when a position is past an end, of what seems to be the same topic. */
static bool
is_any_past_end(const KafkaPositions *positions)
{
	const KafkaOutlook *outlook = positions->outlook;

	for (int p = 0; p < outlook->npartitions; p++)
		if (is_past_end(positions, &outlook->partitions[p]) && !positions->partitions[p].outlived)
			return true;
	return false;
}

/* Renews the ends, and believes that a topic ends before a position when it is told so for a while. */
static void
confirm_ends(KafkaPositions *positions, KafkaConsumer *consumer)
{
	TimestampTz began = kfdw_wait_now();

	kfdw_positions_renew_ends(positions, consumer);
	while (is_any_past_end(positions) && !TimestampDifferenceExceeds(began, kfdw_wait_now(), CONFIRM_MS))
	{
		kfdw_consumer_wait(consumer, CONFIRM_PAUSE_MS);
		kfdw_positions_renew_ends(positions, consumer);
	}
}

/* True when a position was written for another cluster, as far as is known. */
static bool
is_of_another_cluster(const KafkaPositions *positions, const KafkaPosition *stored)
{
	const char *cluster_id = positions->outlook->cluster_id;

	return stored->cluster_id != NULL && cluster_id != NULL && strcmp(stored->cluster_id, cluster_id) != 0;
}

bool
kfdw_positions_find_start(const KafkaPositions *positions, const KafkaPartition *partition,
						  const KafkaPosition *stored, int64 *start)
{
	bool		is_placing = kfdw_positions_placing(positions, partition->index) == KAFKA_PLACING;
	KafkaOffsetReset reset = stored->exists ? positions->on_offset_out_of_range : positions->auto_offset_reset;

	if (stored->exists && is_of_another_cluster(positions, stored))
		return false;
	if (stored->exists && stored->next_offset >= partition->low && stored->next_offset <= partition->end &&
		!is_of_another_topic(positions, partition->index, stored))
	{
		*start = stored->next_offset;
		return true;
	}

	/* a partition that came later is read from its beginning */
	*start = reset == KAFKA_RESET_LATEST && (stored->exists || is_placing) ? partition->end : partition->low;
	return reset != KAFKA_RESET_NONE;
}

bool
kfdw_positions_is_passed(const KafkaPositions *positions, const KafkaPartition *partition, const KafkaPosition *stored)
{
	return stored->exists && stored->next_offset < partition->low && !is_of_another_cluster(positions, stored) &&
		!is_of_another_topic(positions, partition->index, stored);
}

/* The broker does not have the records at a position. */
static void
report_out_of_range(const KafkaPositions *positions, const KafkaPartition *partition, const KafkaPosition *stored)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 is_of_another_topic(positions, partition->index, stored) ?
			 errmsg("position " INT64_FORMAT " of consumer group \"%s\" is one of an earlier topic \"%s\", partition %d",
					stored->next_offset, positions->group_id, partition->topic, partition->number) :
			 errmsg("position " INT64_FORMAT " of consumer group \"%s\" is out of range in topic \"%s\", partition %d",
					stored->next_offset, positions->group_id, partition->topic, partition->number),
			 errdetail("The topic has offsets " INT64_FORMAT " to " INT64_FORMAT ".", partition->low, partition->end),
			 stored->next_offset < partition->low && !is_of_another_topic(positions, partition->index, stored) ?
			 errhint("Retention removed records that were not read. Set the option \"on_offset_out_of_range\" to \"earliest\" or \"latest\" to go on.") :
			 errhint("The topic was recreated, or the position was reached with \"isolation_level\" \"read_uncommitted\". Set the option \"on_offset_out_of_range\" to \"earliest\" or \"latest\" to go on.")));
}

/* There is no place to begin at. */
static void
report_no_start(const KafkaPositions *positions, const KafkaPartition *partition, const KafkaPosition *stored)
{
	if (!stored->exists)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("consumer group \"%s\" has no position in topic \"%s\", partition %d",
						positions->group_id, partition->topic, partition->number),
				 errhint("Place it with kafka.seek(), that of a stream with kafka.reset_stream(), or set the option \"auto_offset_reset\" to \"earliest\" or \"latest\".")));
	if (is_of_another_cluster(positions, stored))
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the position of consumer group \"%s\" in topic \"%s\", partition %d is one of another Kafka cluster",
						positions->group_id, partition->topic, partition->number),
				 errdetail("It was written for cluster \"%s\"; server \"%s\" is now cluster \"%s\".",
						   stored->cluster_id, positions->server, positions->outlook->cluster_id),
				 errhint("Start anew with kafka.seek(), a stream with kafka.reset_stream().")));
	report_out_of_range(positions, partition, stored);
}

int64
kfdw_positions_start_offset(const KafkaPositions *positions, const KafkaPartition *partition,
							const KafkaPosition *stored)
{
	int64		start;

	if (!kfdw_positions_find_start(positions, partition, stored, &start))
		report_no_start(positions, partition, stored);
	return start;
}

/* For filters: the partitions that are to be started, and those that are to be placed. */
static bool
is_to_start(const void *argument, const KafkaPartition *partition)
{
	const KafkaPositions *positions = argument;

	return kfdw_positions_placing(positions, partition->index) == KAFKA_PLACING ||
		positions->partitions[partition->index].claim == KAFKA_CLAIM_TAKEN;
}

static bool
is_to_place(const void *argument, const KafkaPartition *partition)
{
	return kfdw_positions_placing(argument, partition->index) == KAFKA_PLACING;
}

void
kfdw_positions_start(KafkaPositions *positions, KafkaConsumer *consumer, KafkaPatience patience)
{
	KafkaPartitionFilter filter = {patience == KAFKA_NEED_ALL ? is_to_start : is_to_place, positions};
	KafkaOutlook *outlook = positions->outlook;

	confirm_ends(positions, consumer);
	kfdw_consumer_require(consumer, outlook, &filter);
	for (int p = 0; p < outlook->npartitions; p++)
	{
		KafkaPartitionPosition *position = &positions->partitions[p];

		if (!is_to_start(positions, &outlook->partitions[p]) || outlook->partitions[p].end < 0)
			continue;
		position->from = position->next = kfdw_positions_start_offset(positions, &outlook->partitions[p], &position->stored);
		if (position->claim == KAFKA_CLAIM_TAKEN)
			position->claim = KAFKA_CLAIM_HELD;
	}
	for (int t = 0; t < outlook->ntopics; t++)
		if (positions->topics[t].placing == KAFKA_PLACING)
			positions->topics[t].placing = KAFKA_PLACED;
}

int64
kfdw_positions_committed(const KafkaPartitionPosition *partition)
{
	return partition->stored.exists ? partition->stored.next_offset : partition->from;
}

bool
kfdw_positions_differ(const KafkaPositions *positions, int partition, int64 offset)
{
	return positions->partitions[partition].stored.next_offset != offset || positions->partitions[partition].outlived;
}

/*
 * Also downwards: a position that was out of range and was set back.  In another topic of
 * the name that may lead to the same offset, and the offset may be the same from the start.
 */
static bool
has_moved(const KafkaPositions *positions, int p)
{
	const KafkaPartitionPosition *partition = &positions->partitions[p];
	int64		committed = kfdw_positions_committed(partition);

	if (!partition->stored.exists && kfdw_positions_placing(positions, p) == KAFKA_PLACED)
		return true;
	return partition->claim == KAFKA_CLAIM_HELD &&
		(partition->next != committed || partition->from != committed || partition->outlived);
}

bool
kfdw_positions_have_moved(const KafkaPositions *positions)
{
	for (int p = 0; p < positions->outlook->npartitions; p++)
		if (has_moved(positions, p))
			return true;
	return false;
}

/* Writes where a partition is read next. */
static void
write_position(KafkaPositions *positions, int p, int64 next_offset, int64 generation)
{
	const KafkaOutlook *outlook = positions->outlook;
	KafkaPosition *stored = &positions->partitions[p].stored;
	KafkaPosition becomes = {
		.partition = stored->partition,
		.next_offset = next_offset,
		.generation = generation,
		.cluster_id = outlook->cluster_id,
		.topic_id = outlook->topics[outlook->partitions[p].topic_index].topic_id,
	};

	kfdw_offsets_write(kfdw_positions_key(positions, p), stored, &becomes);
}

/* True when a position of a topic is written that is one of less than the topic had. */
static bool
is_set_back(const KafkaPositions *positions, const KafkaTopic *topic)
{
	for (int p = topic->first; p < topic->first + topic->count; p++)
		if (has_moved(positions, p) && positions->partitions[p].from < kfdw_positions_committed(&positions->partitions[p]))
			return true;
	return false;
}

void
kfdw_positions_forget_missing(KafkaPositions *positions, int topic)
{
	const KafkaTopic *now = &positions->outlook->topics[topic];

	/* partitions that were just added may not be known to each broker yet: they are of the same topic */
	kfdw_offsets_delete_partitions(&positions->topics[topic].key, now->npartitions, now->topic_id);
}

bool
kfdw_positions_write(KafkaPositions *positions)
{
	bool		written = false;

	for (int t = 0; t < positions->outlook->ntopics; t++)
		if (is_set_back(positions, &positions->outlook->topics[t]))
			kfdw_positions_forget_missing(positions, t);

	for (int p = 0; p < positions->outlook->npartitions; p++)
	{
		if (!has_moved(positions, p))
			continue;
		write_position(positions, p, positions->partitions[p].next, positions->partitions[p].stored.generation);
		written = true;
	}
	return written;
}

void
kfdw_positions_move(KafkaPositions *positions, int partition, int64 next_offset)
{
	write_position(positions, partition, next_offset, positions->partitions[partition].stored.generation + 1);
}

void
kfdw_positions_confirm(KafkaPositions *positions)
{
	for (int p = 0; p < positions->outlook->npartitions; p++)
	{
		KafkaPartitionPosition *partition = &positions->partitions[p];

		if (has_moved(positions, p))
		{
			partition->stored.exists = true;
			partition->stored.next_offset = partition->next;
			partition->outlived = false;
		}
		partition->from = partition->next;
	}
	for (int t = 0; t < positions->outlook->ntopics; t++)
		positions->topics[t].placing = KAFKA_NOT_PLACING;
}
