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

/* True when the statement wants a partition. */
static bool
is_wanted(const KafkaTaker *taker, int partition)
{
	return taker->wanted.admits(taker->wanted.argument, &taker->positions->outlook->partitions[partition]);
}

/* True when it does and nobody tried to claim it. */
static bool
is_open(const KafkaTaker *taker, int partition)
{
	return taker->positions->partitions[partition].claim == KAFKA_CLAIM_UNTRIED && is_wanted(taker, partition);
}

/* Tries to claim a partition; never waits.  True when it is ours. */
static bool
claim(const KafkaTaker *taker, int partition)
{
	KafkaPartitionPosition *position = &taker->positions->partitions[partition];
	const KafkaPositionKey *key = kfdw_positions_key(taker->positions, partition);
	bool		ours;

	taker->check(key, position->stored.partition);
	ours = kfdw_claim_for_transaction(key, position->stored.partition);
	position->claim = ours ? KAFKA_CLAIM_TAKEN : KAFKA_CLAIM_MISSED;
	return ours;
}

/* Lets a partition that was claimed but not started go. */
static void
give_up(const KafkaTaker *taker, int partition, KafkaClaim becomes)
{
	KafkaPartitionPosition *position = &taker->positions->partitions[partition];

	if (position->claim == KAFKA_CLAIM_TAKEN)
		kfdw_claim_give_up(kfdw_positions_key(taker->positions, partition), position->stored.partition);
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

/* How many partitions of a topic have come to that. */
static int
count_claims(const KafkaPositions *positions, const KafkaTopic *topic, KafkaClaim claim)
{
	int			count = 0;

	for (int p = topic->first; p < topic->first + topic->count; p++)
		count += positions->partitions[p].claim == claim;
	return count;
}

/* Claims the rest of a topic that is to be placed; true when it is. */
static bool
claim_to_place(const KafkaTaker *taker, const KafkaTopic *topic)
{
	const KafkaPositions *positions = taker->positions;

	if (kfdw_positions_placing(positions, topic->first) != KAFKA_PLACING ||
		count_claims(positions, topic, KAFKA_CLAIM_TAKEN) == 0)
		return false;
	for (int p = topic->first; p < topic->first + topic->count; p++)
		if (positions->partitions[p].claim == KAFKA_CLAIM_UNTRIED)
			(void) claim(taker, p);
	return true;
}

/* Judges whether a topic is placed here. */
static void
settle_placing(const KafkaTaker *taker, const KafkaTopic *topic, KafkaPlacing *placing)
{
	const KafkaPositions *positions = taker->positions;

	if (*placing == KAFKA_PLACED ||
		(*placing == KAFKA_PLACING && count_claims(positions, topic, KAFKA_CLAIM_TAKEN) == topic->count))
		return;

	/* also when another one placed them before all were claimed here */
	for (int p = topic->first; p < topic->first + topic->count; p++)
	{
		if (positions->partitions[p].claim != KAFKA_CLAIM_TAKEN)
			continue;
		if (*placing == KAFKA_PLACING)
			give_up(taker, p, KAFKA_CLAIM_MISSED);
		else if (!is_wanted(taker, p))
			give_up(taker, p, KAFKA_CLAIM_UNTRIED);
	}
	*placing = KAFKA_NOT_PLACING;
}

/*
 * Starts what was claimed and read.  The first use of a group that begins at the ends
 * places all partitions of a topic there at once.  Where another consumer holds some he
 * does that, or leaves it to the next one.
 */
static void
start_claimed(const KafkaTaker *taker)
{
	KafkaPositions *positions = taker->positions;
	const KafkaOutlook *outlook = positions->outlook;
	bool		any = false;

	for (int t = 0; t < outlook->ntopics; t++)
		any |= outlook->topics[t].count > 0 && claim_to_place(taker, &outlook->topics[t]);
	if (any)
		read_claimed(taker);
	for (int t = 0; t < outlook->ntopics; t++)
		settle_placing(taker, &outlook->topics[t], &positions->topics[t].placing);
	kfdw_positions_start(positions, taker->consumer, KAFKA_NEED_ALL);
}

/* Which partitions are taken together. */
typedef enum KafkaTakeScope
{
	TAKE_OPEN,
	TAKE_TO_PLACE				/* only those of topics that begin at the ends */
} KafkaTakeScope;

/* Claims and starts those that are open. */
static void
take_open(const KafkaTaker *taker, KafkaTakeScope scope)
{
	int			taken = 0;

	for (int p = 0; p < taker->positions->outlook->npartitions; p++)
		if (is_open(taker, p) &&
			(scope == TAKE_OPEN || kfdw_positions_placing(taker->positions, p) == KAFKA_PLACING))
			taken += claim(taker, p);
	if (taken == 0)
		return;
	read_claimed(taker);
	start_claimed(taker);
}

void
kfdw_take_all(const KafkaTaker *taker)
{
	take_open(taker, TAKE_OPEN);
}

/* True when a partition may have something to read, as far as is known. */
static bool
has_unread(const KafkaPositions *positions, int partition)
{
	const KafkaPosition *stored = &positions->partitions[partition].stored;
	int64		end = positions->outlook->partitions[partition].end;

	if (end < 0)
		return true;
	if (stored->exists)
		return kfdw_positions_differ(positions, partition, end);
	return positions->auto_offset_reset == KAFKA_RESET_NONE || positions->outlook->partitions[partition].low < end;
}

/* True when a is to be read before b: who does not answer last, who was never read first. */
static bool
comes_before(const KafkaPositions *positions, int a, int b)
{
	const KafkaPosition *left = &positions->partitions[a].stored;
	const KafkaPosition *right = &positions->partitions[b].stored;
	bool		left_answers = positions->outlook->partitions[a].end >= 0;

	if (left_answers != (positions->outlook->partitions[b].end >= 0))
		return left_answers;
	if (left->exists != right->exists)
		return right->exists;
	return left->exists && left->updated_at < right->updated_at;
}

/* The partition that was not read for the longest time, -1 where none has anything to read. */
static int
find_longest_unread(const KafkaTaker *taker)
{
	int			found = -1;

	for (int p = 0; p < taker->positions->outlook->npartitions; p++)
		if (is_open(taker, p) && has_unread(taker->positions, p) &&
			(found < 0 || comes_before(taker->positions, p, found)))
			found = p;
	return found;
}

bool
kfdw_take_one(const KafkaTaker *taker)
{
	KafkaPositions *positions = taker->positions;
	int			partition;

	kfdw_positions_read(positions);
	take_open(taker, TAKE_TO_PLACE);	/* there is nothing to read in these */
	for (partition = find_longest_unread(taker); partition >= 0; partition = find_longest_unread(taker))
	{
		if (!claim(taker, partition))
			continue;
		read_claimed(taker);
		if (positions->partitions[partition].claim == KAFKA_CLAIM_TAKEN)
			break;				/* else it had moved */
	}
	if (partition >= 0)
		start_claimed(taker);
	return partition >= 0;
}
