/*
 * tail.c
 *	  The newest records of each partition.
 *
 * How far back they reach is found out first, by windows that grow, as nobody knows how
 * many records stand between two offsets.  Then all of them are read.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "source/tail.h"

/* The first window is so much larger than the number of records, for a marker or two; each one before is larger. */
#define FIRST_SURPLUS 16
#define WINDOW_GROWTH 4

typedef struct KafkaPartitionTail
{
	int64		from;			/* everything behind was counted */
	int64		window;			/* offsets to look at next */
	int64		found;
	int64		surplus;		/* records behind "from" that are too many: the first ones */
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
	}
	return nslices;
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
			tail->partitions[record->index].found++;
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

		state->surplus = Max(state->found - count, 0);
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
	tail->outlook = kfdw_consumer_outlook(tail->fetch.consumer);
	kfdw_consumer_require(tail->fetch.consumer, tail->outlook, NULL);
	npartitions = Max(tail->outlook->npartitions, 1);
	tail->partitions = palloc0(npartitions * sizeof(KafkaPartitionTail));
	tail->slices = palloc(npartitions * sizeof(KafkaSlice));
	for (int p = 0; p < tail->outlook->npartitions; p++)
	{
		tail->partitions[p].from = tail->outlook->partitions[p].end;
		tail->partitions[p].window = (int64) count + FIRST_SURPLUS;
	}
	find_begins(tail, count);
	start(tail, count);
	return tail;
}

KafkaRecord *
kfdw_tail_next(KafkaTail *tail)
{
	for (;;)
	{
		KafkaRecord *record = kfdw_fetch_next(&tail->fetch);

		CHECK_FOR_INTERRUPTS();
		if (record == NULL || tail->partitions[record->index].surplus == 0)
			return record;
		tail->partitions[record->index].surplus--;
	}
}

void
kfdw_tail_close(KafkaTail *tail)
{
	kfdw_fetch_close(&tail->fetch);
}
