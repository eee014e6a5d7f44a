/*
 * tail.c
 *	  The newest records of each partition, or of all of them together.
 *
 * How far back they reach is found out first, by windows that grow, as nobody knows how
 * many records stand between two offsets.  Then all of them are read.  What retention
 * removes meanwhile is done without.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "source/tail.h"

/* The first window is so much larger than the number of records, for a marker or two; each one before is larger. */
#define FIRST_SURPLUS 16
#define WINDOW_GROWTH 4

/* Offsets that there is room for at first. */
#define FIRST_ROOM 64

typedef struct KafkaPartitionTail
{
	int64		wanted;			/* records */
	int64		from;			/* everything behind was counted */
	int64		window;			/* offsets to look at next, at least */
	int64		found;			/* records there */

	/* of the window that is looked at */
	int64		behind;			/* records that were found behind it */
	int64		seen;
	int64	   *newest;			/* the offsets of so many of them as may be wanted, in a ring */
	int64		room;			/* in it, so far */
} KafkaPartitionTail;

struct KafkaTail
{
	KafkaFetch	fetch;
	KafkaOutlook *outlook;
	int64		most;			/* records that may be wanted of a partition */
	KafkaPartitionTail *partitions;
	KafkaSlice *slices;
};

/* The next windows of those partitions that have too few records so far; returns how many there are. */
static int
choose_windows(KafkaTail *tail)
{
	int			nslices = 0;

	for (int p = 0; p < tail->outlook->npartitions; p++)
	{
		const KafkaPartition *partition = &tail->outlook->partitions[p];
		KafkaPartitionTail *state = &tail->partitions[p];
		int64		window = Max(state->window, state->wanted - state->found + FIRST_SURPLUS);
		int64		from = Max(partition->low, state->from - window);

		if (state->found >= state->wanted || from == state->from)
			continue;
		tail->slices[nslices++] = (KafkaSlice) {partition, from, state->from};
		state->from = from;
		state->window = Min(window, PG_INT64_MAX / WINDOW_GROWTH) * WINDOW_GROWTH;
		state->behind = state->found;
		state->seen = 0;
	}
	return nslices;
}

/* Counts a record of a window. */
static void
count_record(const KafkaTail *tail, KafkaPartitionTail *state, int64 offset)
{
	int64		size = tail->most - state->behind;

	if (state->seen == state->room && state->room < size)
	{
		state->room = Min(size, 2 * state->room);
		state->newest = repalloc_huge(state->newest, state->room * sizeof(int64));
	}
	state->newest[state->seen++ % size] = offset;
	state->found++;
}

/* Finds where the newest records begin, so many as are wanted. */
static void
find_begins(KafkaTail *tail)
{
	KafkaRecord *record;
	int			nslices;

	while ((nslices = choose_windows(tail)) > 0)
	{
		kfdw_fetch_start(&tail->fetch, tail->slices, nslices);
		while ((record = kfdw_fetch_next(&tail->fetch)) != NULL)
		{
			CHECK_FOR_INTERRUPTS();
			count_record(tail, &tail->partitions[record->index], record->offset);
		}
	}
}

/* True when a partition may have more records than are wanted of it. */
static bool
may_have_more(const KafkaTail *tail, int p)
{
	const KafkaPartitionTail *state = &tail->partitions[p];

	return state->found > state->wanted || state->from > tail->outlook->partitions[p].low;
}

/* Wants what some partitions lack of others, in equal shares; false when nothing is lacking, or no others have more. */
static bool
spread_rest(KafkaTail *tail)
{
	int64		rest = tail->most;
	int			others = 0;

	for (int p = 0; p < tail->outlook->npartitions; p++)
	{
		rest -= Min(tail->partitions[p].found, tail->partitions[p].wanted);
		others += may_have_more(tail, p);
	}
	if (rest <= 0 || others == 0)
		return false;
	for (int p = 0; p < tail->outlook->npartitions; p++)
		if (may_have_more(tail, p))
		{
			int64		share = (rest + others - 1) / others;

			tail->partitions[p].wanted += share;
			rest -= share;
			others--;
		}
	return true;
}

/* Begins to read from there to the ends. */
static void
start(KafkaTail *tail)
{
	int			nslices = 0;

	for (int p = 0; p < tail->outlook->npartitions; p++)
	{
		const KafkaPartition *partition = &tail->outlook->partitions[p];
		KafkaPartitionTail *state = &tail->partitions[p];

		/* they begin in the window that was looked at last */
		if (state->found > state->wanted)
			state->from = state->newest[(state->found - state->wanted) % (tail->most - state->behind)];
		if (state->found > 0)
			tail->slices[nslices++] = (KafkaSlice) {partition, state->from, partition->end};
	}
	kfdw_fetch_start(&tail->fetch, tail->slices, nslices);
}

/* Opens a tail that wants so many records of each partition, and at most so many of one in the end. */
static KafkaTail *
open_tail(const KafkaTableOptions *options, int64 most, KafkaActivity *activity)
{
	KafkaTail  *tail = palloc0(sizeof(KafkaTail));
	int			npartitions;

	kfdw_fetch_open(&tail->fetch, options, activity);
	kfdw_consumer_skip_lost(tail->fetch.consumer);
	tail->outlook = kfdw_consumer_outlook(tail->fetch.consumer);
	kfdw_consumer_require(tail->fetch.consumer, tail->outlook, NULL);
	tail->most = most;
	npartitions = Max(tail->outlook->npartitions, 1);
	tail->partitions = palloc0(npartitions * sizeof(KafkaPartitionTail));
	tail->slices = palloc(npartitions * sizeof(KafkaSlice));
	for (int p = 0; p < tail->outlook->npartitions; p++)
	{
		tail->partitions[p].from = tail->outlook->partitions[p].end;
		tail->partitions[p].newest = palloc(FIRST_ROOM * sizeof(int64));
		tail->partitions[p].room = FIRST_ROOM;
	}
	return tail;
}

KafkaTail *
kfdw_tail_open(const KafkaTableOptions *options, int count, KafkaActivity *activity)
{
	KafkaTail  *tail = open_tail(options, count, activity);

	for (int p = 0; p < tail->outlook->npartitions; p++)
		tail->partitions[p].wanted = count;
	find_begins(tail);
	start(tail);
	return tail;
}

KafkaTail *
kfdw_tail_open_together(const KafkaTableOptions *options, int count, KafkaActivity *activity)
{
	KafkaTail  *tail = open_tail(options, count, activity);

	while (spread_rest(tail))
		find_begins(tail);
	start(tail);
	return tail;
}

KafkaRecord *
kfdw_tail_next(KafkaTail *tail)
{
	CHECK_FOR_INTERRUPTS();
	return kfdw_fetch_next(&tail->fetch);
}

void
kfdw_tail_close(KafkaTail *tail)
{
	kfdw_fetch_close(&tail->fetch);
}
