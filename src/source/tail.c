/*
 * tail.c
 *	  The newest records of each partition.
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
	int64		from;			/* everything behind was counted */
	int64		window;			/* offsets to look at next */
	int64		found;			/* records there */

	/* of the window that is looked at */
	int64		wanted;			/* records */
	int64		seen;
	int64	   *newest;			/* the offsets of so many of them as are wanted, in a ring */
	int64		room;			/* in it, so far */
} KafkaPartitionTail;

struct KafkaTail
{
	KafkaFetch	fetch;
	KafkaOutlook *outlook;
	KafkaPartitionTail *partitions;
	KafkaSlice *slices;
};

/* The next windows of those partitions that have too few records so far; returns how many there are. */
static int
choose_windows(KafkaTail *tail, int count)
{
	int			nslices = 0;

	for (int p = 0; p < tail->outlook->npartitions; p++)
	{
		const KafkaPartition *partition = &tail->outlook->partitions[p];
		KafkaPartitionTail *state = &tail->partitions[p];
		int64		from = Max(partition->low, state->from - state->window);

		if (state->found >= count || from == state->from)
			continue;
		tail->slices[nslices++] = (KafkaSlice) {partition, from, state->from};
		state->from = from;
		state->window *= WINDOW_GROWTH;
		state->wanted = count - state->found;
		state->seen = 0;
	}
	return nslices;
}

/* Counts a record of a window. */
static void
count_record(KafkaPartitionTail *state, int64 offset)
{
	if (state->seen == state->room && state->room < state->wanted)
	{
		state->room = Min(state->wanted, 2 * state->room);
		state->newest = repalloc_huge(state->newest, state->room * sizeof(int64));
	}
	state->newest[state->seen++ % state->wanted] = offset;
	state->found++;
}

/* Finds where the newest records begin. */
static void
find_begins(KafkaTail *tail, int count)
{
	KafkaRecord *record;
	int			nslices;

	while ((nslices = choose_windows(tail, count)) > 0)
	{
		kfdw_fetch_start(&tail->fetch, tail->slices, nslices);
		while ((record = kfdw_fetch_next(&tail->fetch)) != NULL)
		{
			CHECK_FOR_INTERRUPTS();
			count_record(&tail->partitions[record->index], record->offset);
		}
	}
}

/* Begins to read from there to the ends. */
static void
start(KafkaTail *tail, int count)
{
	int			nslices = 0;

	for (int p = 0; p < tail->outlook->npartitions; p++)
	{
		const KafkaPartition *partition = &tail->outlook->partitions[p];
		KafkaPartitionTail *state = &tail->partitions[p];

		/* the oldest one in the ring is the first of those that are wanted */
		if (state->found > count)
			state->from = state->newest[state->seen % state->wanted];
		if (state->found > 0)
			tail->slices[nslices++] = (KafkaSlice) {partition, state->from, partition->end};
	}
	kfdw_fetch_start(&tail->fetch, tail->slices, nslices);
}

KafkaTail *
kfdw_tail_open(const KafkaTableOptions *options, int count, KafkaActivity *activity)
{
	KafkaTail  *tail = palloc0(sizeof(KafkaTail));
	int			npartitions;

	kfdw_fetch_open(&tail->fetch, options, activity);
	kfdw_consumer_skip_lost(tail->fetch.consumer);
	tail->outlook = kfdw_consumer_outlook(tail->fetch.consumer);
	kfdw_consumer_require(tail->fetch.consumer, tail->outlook, NULL);
	npartitions = Max(tail->outlook->npartitions, 1);
	tail->partitions = palloc0(npartitions * sizeof(KafkaPartitionTail));
	tail->slices = palloc(npartitions * sizeof(KafkaSlice));
	for (int p = 0; p < tail->outlook->npartitions; p++)
	{
		tail->partitions[p].from = tail->outlook->partitions[p].end;
		tail->partitions[p].window = (int64) count + FIRST_SURPLUS;
		tail->partitions[p].newest = palloc(FIRST_ROOM * sizeof(int64));
		tail->partitions[p].room = FIRST_ROOM;
	}
	find_begins(tail, count);
	start(tail, count);
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
