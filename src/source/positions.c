/*
 * positions.c
 *	  Where a consumer group stands in a topic: claimed, read, placed, moved.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "source/claim.h"
#include "source/positions.h"

KafkaPositions *
kfdw_positions_create(const KafkaTableOptions *options, KafkaTopicState *topic)
{
	KafkaPositions *positions = palloc0(sizeof(KafkaPositions));

	positions->key.server = pstrdup(options->server);
	positions->key.group_id = pstrdup(options->group_id);
	positions->key.topic = pstrdup(options->topic);
	positions->auto_offset_reset = options->auto_offset_reset;
	positions->on_offset_out_of_range = options->on_offset_out_of_range;
	positions->topic = topic;
	positions->partitions = palloc0(Max(topic->npartitions, 1) * sizeof(KafkaPartitionPosition));
	for (int p = 0; p < topic->npartitions; p++)
		positions->partitions[p].stored.partition = p;
	return positions;
}

/* Takes a row over; of a partition that is not ours nobody needs to know the cluster. */
static void
keep_row(KafkaPartitionPosition *partition, const KafkaPosition *row)
{
	bool		ours = partition->claim == KAFKA_CLAIM_TAKEN;

	partition->stored = *row;
	partition->stored.cluster_id = ours && row->cluster_id ? pstrdup(row->cluster_id) : NULL;
	partition->stored.topic_id = ours && row->topic_id ? pstrdup(row->topic_id) : NULL;
}

void
kfdw_positions_read(KafkaPositions *positions)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw positions", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int			npartitions = positions->topic->npartitions;
	int			nrows;
	KafkaPosition *rows = kfdw_offsets_read(&positions->key, npartitions, &nrows);

	positions->placing = nrows == 0 && positions->auto_offset_reset == KAFKA_RESET_LATEST;
	MemoryContextSwitchTo(GetMemoryChunkContext(positions));
	for (int p = 0; p < npartitions; p++)
		if (positions->partitions[p].claim != KAFKA_CLAIM_HELD)
			keep_row(&positions->partitions[p], &rows[p]);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
kfdw_positions_give_up_moved(KafkaPositions *positions, Snapshot snapshot)
{
	KafkaPosition *before = kfdw_offsets_read_as_of(&positions->key, positions->topic->npartitions, snapshot);

	for (int p = 0; p < positions->topic->npartitions; p++)
	{
		KafkaPartitionPosition *partition = &positions->partitions[p];
		const KafkaPosition *stored = &partition->stored;

		if (partition->claim != KAFKA_CLAIM_TAKEN || TransactionIdIsCurrentTransactionId(stored->writer) ||
			(before[p].exists == stored->exists && before[p].next_offset == stored->next_offset &&
			 before[p].generation == stored->generation))
			continue;
		kfdw_claim_give_up(&positions->key, p);
		partition->claim = KAFKA_CLAIM_MISSED;
	}
	pfree(before);
}

/*
 * Another consumer may have moved a position past the ends, which were taken before
 * the claim.  Then newer ends hold for what is claimed now.
 */
static void
renew_ends(KafkaPositions *positions, KafkaConsumer *consumer)
{
	KafkaTopicState *topic = positions->topic;
	KafkaTopicState *newer = NULL;

	for (int p = 0; p < topic->npartitions; p++)
	{
		const KafkaPartitionPosition *partition = &positions->partitions[p];

		if (partition->claim != KAFKA_CLAIM_TAKEN || !partition->stored.exists ||
			partition->stored.next_offset <= topic->end[p])
			continue;
		if (newer == NULL)
			newer = kfdw_consumer_topic_outlook(consumer);
		if (p >= newer->npartitions)
			continue;
		topic->end[p] = newer->end[p];
		topic->trouble[p] = newer->trouble[p];
	}
}

/* Where a partition without a position starts. */
static int64
first_offset(const KafkaPositions *positions, int32 partition)
{
	const KafkaTopicState *topic = positions->topic;

	switch (positions->auto_offset_reset)
	{
		case KAFKA_RESET_EARLIEST:
			return topic->low[partition];
		case KAFKA_RESET_LATEST:
			/* a partition that came later is read from its beginning */
			return positions->placing ? topic->end[partition] : topic->low[partition];
		case KAFKA_RESET_NONE:
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("consumer group \"%s\" has no position in topic \"%s\", partition %d",
					positions->key.group_id, positions->key.topic, partition),
			 errhint("Set the option \"auto_offset_reset\" to \"earliest\" or \"latest\".")));
}

/* The broker does not have the records at a position: an error, or what replaces it. */
static int64
replace_position(const KafkaPositions *positions, const KafkaPosition *stored)
{
	int64		low = positions->topic->low[stored->partition];
	int64		end = positions->topic->end[stored->partition];

	if (positions->on_offset_out_of_range == KAFKA_RESET_EARLIEST)
		return low;
	if (positions->on_offset_out_of_range == KAFKA_RESET_LATEST)
		return end;
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("position " INT64_FORMAT " of consumer group \"%s\" is out of range in topic \"%s\", partition %d",
					stored->next_offset, positions->key.group_id, positions->key.topic, stored->partition),
			 errdetail("The topic has offsets " INT64_FORMAT " to " INT64_FORMAT ".", low, end),
			 stored->next_offset < low ?
			 errhint("Retention removed records that were not read. Set the option \"on_offset_out_of_range\" to \"earliest\" or \"latest\" to go on.") :
			 errhint("The topic was recreated, or the position was reached with \"isolation_level\" \"read_uncommitted\". Set the option \"on_offset_out_of_range\" to \"earliest\" or \"latest\" to go on.")));
}

/* The offset at which reading begins, from a position (or the lack of one) and what the topic has. */
static int64
start_offset(const KafkaPositions *positions, const KafkaPosition *stored)
{
	const KafkaTopicState *topic = positions->topic;

	if (!stored->exists)
		return first_offset(positions, stored->partition);
	if (stored->cluster_id != NULL && topic->cluster_id != NULL &&
		strcmp(stored->cluster_id, topic->cluster_id) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the position of consumer group \"%s\" in topic \"%s\", partition %d is one of another Kafka cluster",
						positions->key.group_id, positions->key.topic, stored->partition),
				 errdetail("It was written for cluster \"%s\"; server \"%s\" is now cluster \"%s\".",
						   stored->cluster_id, positions->key.server, topic->cluster_id),
				 errhint("Delete the group's rows from kafka.offsets to start anew.")));
	if (stored->next_offset < topic->low[stored->partition] || stored->next_offset > topic->end[stored->partition])
		return replace_position(positions, stored);
	return stored->next_offset;
}

/* For filters: the partitions that are to be started. */
static bool
is_to_start(const void *argument, int32 partition)
{
	const KafkaPositions *positions = argument;

	return positions->placing || positions->partitions[partition].claim == KAFKA_CLAIM_TAKEN;
}

void
kfdw_positions_start(KafkaPositions *positions, KafkaConsumer *consumer, KafkaPatience patience)
{
	KafkaPartitionFilter filter = {is_to_start, positions};

	renew_ends(positions, consumer);
	if (patience == KAFKA_NEED_ALL || positions->placing)
		kfdw_consumer_require(consumer, positions->topic, &filter);
	for (int p = 0; p < positions->topic->npartitions; p++)
	{
		KafkaPartitionPosition *partition = &positions->partitions[p];

		if (!is_to_start(positions, p) || positions->topic->end[p] < 0)
			continue;
		partition->from = partition->next = start_offset(positions, &partition->stored);
		if (partition->claim == KAFKA_CLAIM_TAKEN)
			partition->claim = KAFKA_CLAIM_HELD;
	}
}

int64
kfdw_positions_committed(const KafkaPartitionPosition *partition)
{
	return partition->stored.exists ? partition->stored.next_offset : partition->from;
}

/* Also downwards: a position that was out of range and was set back. */
static bool
has_moved(const KafkaPositions *positions, const KafkaPartitionPosition *partition)
{
	if (positions->placing && !partition->stored.exists)
		return true;
	return partition->claim == KAFKA_CLAIM_HELD && partition->next != kfdw_positions_committed(partition);
}

bool
kfdw_positions_have_moved(const KafkaPositions *positions)
{
	for (int p = 0; p < positions->topic->npartitions; p++)
		if (has_moved(positions, &positions->partitions[p]))
			return true;
	return false;
}

bool
kfdw_positions_write(KafkaPositions *positions)
{
	bool		written = false;

	for (int p = 0; p < positions->topic->npartitions; p++)
	{
		const KafkaPartitionPosition *partition = &positions->partitions[p];

		if (!has_moved(positions, partition))
			continue;
		kfdw_offsets_write(&positions->key, &partition->stored, partition->next,
						   positions->topic->cluster_id, positions->topic->topic_id);
		written = true;
	}
	return written;
}

void
kfdw_positions_confirm(KafkaPositions *positions)
{
	for (int p = 0; p < positions->topic->npartitions; p++)
	{
		KafkaPartitionPosition *partition = &positions->partitions[p];

		if (has_moved(positions, partition))
		{
			partition->stored.exists = true;
			partition->stored.next_offset = partition->next;
		}
		partition->from = partition->next;
	}
	positions->placing = false;
}
