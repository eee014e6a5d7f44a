/*
 * choice.c
 *	  What a scan reads of the partitions that its statement takes for its group.
 */
#include "postgres.h"

#include "source/choice.h"
#include "source/take.h"

/* Says so when a scan wanted partitions and all of them are others'. */
static void
report_idle(const KafkaConsumingScan *scan)
{
	const KafkaPositions *positions = scan->consumption->positions;
	int			wanted = 0;
	int			missed = 0;

	/* one that was left as it has nothing to read is free */
	for (int p = 0; p < positions->outlook->npartitions; p++)
	{
		wanted += scan->wanted[p];
		missed += positions->partitions[p].claim == KAFKA_CLAIM_MISSED && scan->wanted[p];
	}
	if (missed > 0 && missed == wanted)
		ereport(NOTICE,
				(errmsg("no partition of topic \"%s\" is free for this consumer", positions->topic),
				 missed == 1 ?
				 errdetail("Another consumer of group \"%s\" holds the one that is read, or moved it since the query began.",
						   positions->group_id) :
				 errdetail("Other consumers of group \"%s\" hold all %d of them, or moved them since the query began.",
						   positions->group_id, missed)));
}

/* For filters: the partitions that a scan wants. */
static bool
is_wanted(const void *argument, const KafkaPartition *partition)
{
	return ((const KafkaConsumingScan *) argument)->wanted[partition->index];
}

/* Takes one or all of the partitions that a scan wants; true when that were some. */
static bool
take_partitions(KafkaConsumingScan *scan, KafkaConsumer *consumer, KafkaGreed greed)
{
	KafkaConsumption *consumption = scan->consumption;
	KafkaTaker	taker = {
		.positions = consumption->positions,
		.consumer = consumer,
		.snapshot = consumption->statement->es_snapshot,
		.wanted = {is_wanted, scan},
		.check = kfdw_consumption_check_unread,
	};

	if (greed == KAFKA_TAKE_ALL)
		kfdw_take_all(&taker);
	else
		(void) kfdw_take_one(&taker);
	return kfdw_consumption_add_held(consumption);
}

/* True when a scan is to read a partition already. */
static bool
has_slice(const KafkaConsumingScan *scan, int partition)
{
	for (int i = 0; i < scan->nslices; i++)
		if (scan->slices[i].partition->index == partition)
			return true;
	return false;
}

/* Adds what was claimed and a scan wants to what it reads, in the order of the claims; at most so many. */
static void
add_slices(KafkaConsumingScan *scan, int count)
{
	const KafkaConsumption *consumption = scan->consumption;

	for (int i = 0; i < consumption->nheld && count > 0; i++)
	{
		int			p = consumption->order[i];
		const KafkaPositions *positions = consumption->positions;
		KafkaSlice	slice = {&positions->outlook->partitions[p], positions->partitions[p].from, consumption->ends[p]};

		if (!scan->wanted[p] || has_slice(scan, p))
			continue;
		scan->slices[scan->nslices++] = slice;
		if (scan->next[p] < 0)
			scan->next[p] = slice.from;
		count--;
	}
}

/* True when the statement may take another partition. */
static bool
may_take(const KafkaConsumption *consumption)
{
	return consumption->max_partitions == 0 || consumption->nheld < consumption->max_partitions;
}

bool
kfdw_choice_extend(KafkaConsumingScan *scan, KafkaConsumer *consumer)
{
	int			before = scan->nslices;

	add_slices(scan, 1);
	if (scan->nslices == before && may_take(scan->consumption) && take_partitions(scan, consumer, KAFKA_TAKE_ONE))
		add_slices(scan, 1);
	return scan->nslices > before;
}

void
kfdw_choice_make(KafkaConsumingScan *scan, KafkaConsumer *consumer, const KafkaPartitionFilter *filter,
				 KafkaGreed greed)
{
	const KafkaOutlook *outlook = scan->consumption->positions->outlook;

	for (int p = 0; p < outlook->npartitions; p++)
		scan->wanted[p] = filter == NULL || filter->admits(filter->argument, &outlook->partitions[p]);
	scan->nslices = 0;
	if (greed == KAFKA_TAKE_ALL)
	{
		(void) take_partitions(scan, consumer, greed);
		add_slices(scan, outlook->npartitions);
	}
	else
		(void) kfdw_choice_extend(scan, consumer);
	if (scan->nslices == 0)
		report_idle(scan);
}

void
kfdw_choice_repeat(KafkaConsumingScan *scan)
{
	for (int i = 0; i < scan->nslices; i++)
		scan->slices[i].end = scan->next[scan->slices[i].partition->index];
}
