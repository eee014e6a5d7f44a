/*
 * take.c
 *	  Which partitions a statement takes for its consumer group.
 *
 * Whoever reads everything takes all that are free.  Whoever may stop before the end
 * takes one after the other, so that another consumer finds work beside him, and the
 * longest unread first, so that none starves.
 */
#include "postgres.h"

#include "access/xact.h"

#include "source/claim.h"
#include "source/take.h"

/* True when the statement wants a partition and nobody tried to claim it. */
static bool
is_open(const KafkaTaker *taker, int32 partition)
{
	return taker->positions->partitions[partition].claim == KAFKA_CLAIM_UNTRIED &&
		taker->wanted.admits(taker->wanted.argument, partition);
}

/* Tries to claim a partition; never waits.  True when it is ours. */
static bool
claim(const KafkaTaker *taker, int32 partition)
{
	KafkaPositions *positions = taker->positions;
	bool		ours;

	taker->check(&positions->key, partition);
	ours = kfdw_claim_for_transaction(&positions->key, partition);
	positions->partitions[partition].claim = ours ? KAFKA_CLAIM_TAKEN : KAFKA_CLAIM_MISSED;
	return ours;
}

/* Lets a partition that was claimed but not started go. */
static void
give_up(const KafkaTaker *taker, int32 partition, KafkaClaim becomes)
{
	KafkaPartitionPosition *position = &taker->positions->partitions[partition];

	if (position->claim == KAFKA_CLAIM_TAKEN)
		kfdw_claim_give_up(&taker->positions->key, partition);
	position->claim = becomes;
}

/* Reads where the partitions stand that were just claimed. */
static void
read_claimed(const KafkaTaker *taker)
{
	kfdw_positions_read(taker->positions);

	/* at higher isolation levels a position that moved is a serialization failure */
	if (!IsolationUsesXactSnapshot())
		kfdw_positions_give_up_moved(taker->positions, taker->snapshot);
}

/*
 * The first use of a group that begins at the ends: all partitions are placed there at
 * once.  Where another consumer holds some he does that, or leaves it to the next one.
 */
static void
take_to_place(const KafkaTaker *taker)
{
	KafkaPositions *positions = taker->positions;
	int			npartitions = positions->topic->npartitions;
	bool		complete = true;

	for (int p = 0; p < npartitions; p++)
		if (positions->partitions[p].claim == KAFKA_CLAIM_UNTRIED)
			(void) claim(taker, p);
	read_claimed(taker);
	for (int p = 0; p < npartitions; p++)
		complete &= positions->partitions[p].claim == KAFKA_CLAIM_TAKEN;
	if (positions->placing && complete)
		return;

	/* also when another one placed them before all were claimed here */
	for (int p = 0; p < npartitions; p++)
	{
		if (positions->placing)
			give_up(taker, p, KAFKA_CLAIM_MISSED);
		else if (positions->partitions[p].claim == KAFKA_CLAIM_TAKEN &&
				 !taker->wanted.admits(taker->wanted.argument, p))
			give_up(taker, p, KAFKA_CLAIM_UNTRIED);
	}
	positions->placing = false;
}

void
kfdw_take_all(const KafkaTaker *taker)
{
	KafkaPositions *positions = taker->positions;
	int			taken = 0;

	for (int p = 0; p < positions->topic->npartitions; p++)
		if (is_open(taker, p))
			taken += claim(taker, p);
	if (taken == 0)
		return;
	read_claimed(taker);
	if (positions->placing)
		take_to_place(taker);
	kfdw_positions_start(positions, taker->consumer, KAFKA_NEED_ALL);
}

/* True when a partition may have something to read, as far as is known. */
static bool
has_unread(const KafkaPositions *positions, int32 partition)
{
	const KafkaPosition *stored = &positions->partitions[partition].stored;
	int64		end = positions->topic->end[partition];

	if (end < 0)
		return true;
	if (stored->exists)
		return stored->next_offset != end;
	return positions->auto_offset_reset == KAFKA_RESET_NONE || positions->topic->low[partition] < end;
}

/* True when a is to be read before b: who does not answer last, who was never read first. */
static bool
comes_before(const KafkaPositions *positions, int32 a, int32 b)
{
	const KafkaPosition *left = &positions->partitions[a].stored;
	const KafkaPosition *right = &positions->partitions[b].stored;
	bool		left_answers = positions->topic->end[a] >= 0;

	if (left_answers != (positions->topic->end[b] >= 0))
		return left_answers;
	if (left->exists != right->exists)
		return right->exists;
	return left->exists && left->updated_at < right->updated_at;
}

/* The partition that was not read for the longest time, -1 where none has anything to read. */
static int32
find_longest_unread(const KafkaTaker *taker)
{
	int32		found = -1;

	for (int p = 0; p < taker->positions->topic->npartitions; p++)
		if (is_open(taker, p) && has_unread(taker->positions, p) &&
			(found < 0 || comes_before(taker->positions, p, found)))
			found = p;
	return found;
}

int32
kfdw_take_one(const KafkaTaker *taker)
{
	KafkaPositions *positions = taker->positions;
	int32		partition;

	kfdw_positions_read(positions);
	if (positions->placing)
	{
		kfdw_take_all(taker);	/* it begins at the ends: there is nothing to read */
		return -1;
	}
	for (partition = find_longest_unread(taker); partition >= 0; partition = find_longest_unread(taker))
	{
		if (!claim(taker, partition))
			continue;
		read_claimed(taker);
		if (positions->partitions[partition].claim == KAFKA_CLAIM_TAKEN)
			break;				/* else it had moved */
	}
	if (partition >= 0)
		kfdw_positions_start(positions, taker->consumer, KAFKA_NEED_ALL);
	return partition;
}
