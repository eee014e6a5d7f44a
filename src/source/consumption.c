/*
 * consumption.c
 *	  The scans that consume: who reads which partitions of a consumer group in
 *	  this transaction, and how far.
 *
 * How far a partition was read is kept in memory until the statement ends, and
 * then written to kafka.offsets, where rollback needs no code.  Three things do
 * need code, all about cursors that live longer than a subtransaction:
 *
 * - What a cursor read in a subtransaction that rolls back counts as unread, but
 *	 the cursor cannot go back: its next FETCH is an error.  For this, progress is
 *	 saved when the first record is read in a deeper subtransaction.
 * - A cursor that is closed in a subtransaction that rolls back stays closed, but
 *	 its position's row goes back too far: what was read outside is written again,
 *	 at the latest before the commit.
 * - A cursor whose FETCH failed never ends; what it read before the
 *	 subtransaction of the failure is written like that, too.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "catalog/offsets.h"
#include "catalog/streams.h"
#include "source/consumption.h"
#include "source/start_offset.h"
#include "xact.h"

/* How far each partition was read when a subtransaction first read records. */
typedef struct KafkaProgressMark
{
	int			level;
	int64	   *next;
	struct KafkaProgressMark *outer;
} KafkaProgressMark;

typedef enum KafkaClaim
{
	CLAIM_UNTRIED,				/* no scan wanted it so far */
	CLAIM_HELD,
	CLAIM_MISSED				/* another consumer of the group has it */
} KafkaClaim;

/* Lives in TopTransactionContext, as positions may be written after its statement. */
struct KafkaConsumption
{
	dlist_node	node;
	const void *statement;
	Oid			relid;
	KafkaPositionKey key;

	/* all by partition */
	KafkaTopicState *state;
	KafkaClaim *claims;
	KafkaSlice *slices;			/* of what is claimed */
	KafkaPosition *was;			/* the positions as they were read */
	int64	   *next;			/* how far they are read now */
	bool		place;			/* write also what did not move: a first "latest" */

	int			open_scans;
	int			level;			/* the nest level it was begun in */
	int			written_level;	/* the one its positions were written in, 0: not yet */
	bool		rolled_back;	/* a subtransaction took records back: no more reading */
	bool		uneven;			/* scans of one statement did not read the same */
	KafkaProgressMark *marks;	/* the innermost first */
};

struct KafkaConsumingScan
{
	KafkaConsumption *consumption;	/* NULL after its end */
	KafkaSlice *slices;			/* what it reads */
	int			nslices;
	int64	   *next;			/* how far it read, by partition; -1: not at all */
	MemoryContextCallback callback;
};

static dlist_head consumptions = DLIST_STATIC_INIT(consumptions);

/* A consumption of other scans in this transaction that still reads a partition. */
static KafkaConsumption *
find_reader(const KafkaPositionKey *key, int32 partition)
{
	dlist_iter	iter;

	dlist_foreach(iter, &consumptions)
	{
		KafkaConsumption *other = dlist_container(KafkaConsumption, node, iter.cur);

		if (other->open_scans > 0 && strcmp(other->key.group_id, key->group_id) == 0 &&
			strcmp(other->key.server, key->server) == 0 && strcmp(other->key.topic, key->topic) == 0 &&
			partition < other->state->npartitions && other->claims[partition] == CLAIM_HELD)
			return other;
	}
	return NULL;
}

/* Tries to claim a partition; never waits. */
static bool
claim_partition(KafkaConsumption *consumption, int32 partition)
{
	if (find_reader(&consumption->key, partition) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("partition %d of topic \"%s\" is being consumed by another query of this transaction",
						partition, consumption->key.topic),
				 errhint("Close the cursor that reads it, or read the topic once, in a MATERIALIZED common table expression.")));
	return kfdw_offsets_claim(&consumption->key, partition, false);
}

/* Sets the bounds of a partition that was just claimed. */
static void
set_slice(KafkaConsumption *consumption, const KafkaTableOptions *options, const KafkaPosition *was,
		  bool first_use)
{
	int32		p = was->partition;

	consumption->claims[p] = CLAIM_HELD;
	consumption->was[p] = *was;
	consumption->slices[p].partition = p;
	consumption->slices[p].from = kfdw_start_offset(options, consumption->state, was, first_use);
	consumption->slices[p].end = Max(consumption->state->end[p], consumption->slices[p].from);
	consumption->next[p] = consumption->slices[p].from;
	for (KafkaProgressMark *mark = consumption->marks; mark != NULL; mark = mark->outer)
		mark->next[p] = consumption->slices[p].from;
}

/*
 * Another consumer may have moved a position past the ends, which were taken before
 * the claim.  Then newer ends hold for what is claimed now.
 */
static void
renew_ends(KafkaConsumption *consumption, KafkaConsumer *consumer, const KafkaPosition *positions, const bool *claimed)
{
	KafkaTopicState *state = consumption->state;
	KafkaTopicState *newer = NULL;

	for (int p = 0; p < state->npartitions; p++)
	{
		if (!claimed[p] || !positions[p].exists || positions[p].next_offset <= state->end[p])
			continue;
		if (newer == NULL)
			newer = kfdw_consumer_topic_state(consumer);
		if (p < newer->npartitions)
			state->end[p] = newer->end[p];
	}
}

/* Claims the partitions that a scan wants and none of its statement wanted before. */
static void
claim_wanted(KafkaConsumption *consumption, const KafkaTableOptions *options, KafkaConsumer *consumer,
			 const KafkaPartitionFilter *filter)
{
	int			npartitions = consumption->state->npartitions;
	bool	   *claimed = palloc0(npartitions * sizeof(bool));
	int			nclaimed = 0;
	int			nrows;
	KafkaPosition *positions;

	/* the first use of a group that starts at the ends places all partitions there */
	bool		places_all = options->auto_offset_reset == KAFKA_RESET_LATEST;

	for (int p = 0; p < npartitions; p++)
	{
		if (consumption->claims[p] != CLAIM_UNTRIED ||
			(filter && !places_all && !filter->admits(filter->argument, p)))
			continue;
		claimed[p] = claim_partition(consumption, p);
		if (!claimed[p])
			consumption->claims[p] = CLAIM_MISSED;
		nclaimed += claimed[p];
	}
	if (nclaimed == 0)
		return;
	positions = kfdw_offsets_read(&consumption->key, npartitions, &nrows);
	if (places_all && nrows == 0 && nclaimed < npartitions)
	{
		/* another consumer is placing them, or gives up and leaves it to the next one */
		for (int p = 0; p < npartitions; p++)
			consumption->claims[p] = CLAIM_MISSED;
		return;
	}
	consumption->place = nrows == 0 && places_all;
	renew_ends(consumption, consumer, positions, claimed);
	for (int p = 0; p < npartitions; p++)
		if (claimed[p])
			set_slice(consumption, options, &positions[p], nrows == 0);
}

/* Nobody but its workers consumes in the name of a stream. */
static void
check_group(const KafkaTableOptions *options)
{
	if (kfdw_streams_owns_group(options->group_id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("consumer group \"%s\" belongs to the stream of that name", options->group_id),
				 errhint("Use another \"group_id\", or drop the stream.")));
}

/* Begins to consume a topic in a statement; nothing is claimed yet. */
static KafkaConsumption *
begin_consumption(const void *statement, const KafkaTableOptions *options, KafkaConsumer *consumer)
{
	KafkaConsumption *consumption;
	int			size;

	kfdw_consuming_write_pending();
	check_group(options);
	consumption = palloc0(sizeof(KafkaConsumption));
	consumption->statement = statement;
	consumption->relid = options->relid;
	consumption->level = GetCurrentTransactionNestLevel();
	consumption->key.server = pstrdup(options->server);
	consumption->key.group_id = pstrdup(options->group_id);
	consumption->key.topic = pstrdup(options->topic);
	consumption->state = kfdw_consumer_topic_state(consumer);
	size = consumption->state->npartitions;
	consumption->claims = palloc0(size * sizeof(KafkaClaim));
	consumption->slices = palloc0(size * sizeof(KafkaSlice));
	consumption->was = palloc0(size * sizeof(KafkaPosition));
	consumption->next = palloc0(size * sizeof(int64));
	return consumption;
}

/* The consumption that another scan of the statement began, NULL when this is the first. */
static KafkaConsumption *
find_consumption(const void *statement, Oid relid)
{
	dlist_iter	iter;

	dlist_foreach(iter, &consumptions)
	{
		KafkaConsumption *other = dlist_container(KafkaConsumption, node, iter.cur);

		if (other->statement == statement && other->relid == relid && other->open_scans > 0)
			return other;
	}
	return NULL;
}

/* A scan went away with its memory and was never ended: its query failed. */
static void
abandon_scan(void *argument)
{
	KafkaConsumingScan *scan = argument;

	if (scan->consumption != NULL)
		scan->consumption->open_scans--;
	scan->consumption = NULL;
}

/* Says so when a scan wanted partitions and others hold them all. */
static void
report_idle(const KafkaConsumption *consumption, const KafkaPartitionFilter *filter)
{
	int			missed = 0;

	for (int p = 0; p < consumption->state->npartitions; p++)
		missed += consumption->claims[p] == CLAIM_MISSED && (!filter || filter->admits(filter->argument, p));
	if (missed > 0)
		ereport(NOTICE,
				(errmsg("no partition of topic \"%s\" is free for this consumer", consumption->key.topic),
				 errdetail("Other consumers of group \"%s\" hold all %d of them.",
						   consumption->key.group_id, missed)));
}

/* Takes a scan's part of what its statement claimed. */
static void
set_scan_slices(KafkaConsumingScan *scan, const KafkaPartitionFilter *filter)
{
	const KafkaConsumption *consumption = scan->consumption;

	scan->nslices = 0;
	for (int p = 0; p < consumption->state->npartitions; p++)
	{
		if (consumption->claims[p] != CLAIM_HELD || (filter && !filter->admits(filter->argument, p)))
			continue;
		scan->slices[scan->nslices++] = consumption->slices[p];
		if (scan->next[p] < 0)
			scan->next[p] = consumption->slices[p].from;
	}
	if (scan->nslices == 0)
		report_idle(consumption, filter);
}

void
kfdw_consuming_choose(KafkaConsumingScan *scan, const KafkaTableOptions *options, KafkaConsumer *consumer,
					  const KafkaPartitionFilter *filter)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	claim_wanted(scan->consumption, options, consumer, filter);
	MemoryContextSwitchTo(old);
	set_scan_slices(scan, filter);
}

KafkaConsumingScan *
kfdw_consuming_begin(const void *statement, const KafkaTableOptions *options, KafkaConsumer *consumer)
{
	KafkaConsumingScan *scan = palloc0(sizeof(KafkaConsumingScan));
	KafkaConsumption *consumption = find_consumption(statement, options->relid);
	int			npartitions;

	if (consumption == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

		consumption = begin_consumption(statement, options, consumer);
		dlist_push_tail(&consumptions, &consumption->node);
		MemoryContextSwitchTo(old);
	}
	npartitions = consumption->state->npartitions;
	scan->slices = palloc(npartitions * sizeof(KafkaSlice));
	scan->next = palloc(npartitions * sizeof(int64));
	memset(scan->next, -1, npartitions * sizeof(int64));
	scan->callback.func = abandon_scan;
	scan->callback.arg = scan;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &scan->callback);
	scan->consumption = consumption;
	consumption->open_scans++;
	return scan;
}

const KafkaSlice *
kfdw_consuming_slices(const KafkaConsumingScan *scan, int *nslices)
{
	*nslices = scan->nslices;
	return scan->slices;
}

void
kfdw_consuming_check(const KafkaConsumingScan *scan)
{
	if (scan->consumption->rolled_back)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_CURSOR_STATE),
				 errmsg("cannot go on reading topic \"%s\": records that this cursor read were rolled back with a savepoint",
						scan->consumption->key.topic),
				 errhint("Close the cursor and open it again; it starts with the records that were taken back.")));
}

/* Saves how far was read before the current subtransaction reads its first record. */
static void
mark_progress(KafkaConsumption *consumption)
{
	int			level = GetCurrentTransactionNestLevel();
	int			marked = consumption->marks ? consumption->marks->level : consumption->level;
	KafkaProgressMark *mark;
	size_t		size = consumption->state->npartitions * sizeof(int64);

	if (level <= marked)
		return;
	mark = MemoryContextAlloc(TopTransactionContext, sizeof(KafkaProgressMark));
	mark->level = level;
	mark->next = MemoryContextAlloc(TopTransactionContext, size);
	memcpy(mark->next, consumption->next, size);
	mark->outer = consumption->marks;
	consumption->marks = mark;
}

void
kfdw_consuming_delivered(KafkaConsumingScan *scan, int32 partition, int64 offset)
{
	int64	   *next = scan->consumption->next;

	mark_progress(scan->consumption);
	scan->next[partition] = Max(scan->next[partition], offset + 1);
	next[partition] = Max(next[partition], offset + 1);
}

void
kfdw_consuming_finished(KafkaConsumingScan *scan)
{
	mark_progress(scan->consumption);
	for (int i = 0; i < scan->nslices; i++)
	{
		int32		p = scan->slices[i].partition;

		scan->next[p] = scan->consumption->next[p] = scan->slices[i].end;
	}
}

void
kfdw_consuming_repeat(KafkaConsumingScan *scan)
{
	for (int i = 0; i < scan->nslices; i++)
		scan->slices[i].end = scan->next[scan->slices[i].partition];
}

/* Writes the positions that moved. */
static void
write_positions(KafkaConsumption *consumption)
{
	const KafkaTopicState *state = consumption->state;

	consumption->written_level = GetCurrentTransactionNestLevel();
	for (int p = 0; p < state->npartitions; p++)
	{
		KafkaPosition *was = &consumption->was[p];
		bool		moved = was->exists ? consumption->next[p] != was->next_offset :
			consumption->next[p] != consumption->slices[p].from;

		if (consumption->claims[p] == CLAIM_HELD && (moved || (consumption->place && !was->exists)))
			kfdw_offsets_write(&consumption->key, was, consumption->next[p],
							   state->cluster_id, state->topic_id);
	}
}

/* All scans of a statement must have read the same records. */
static void
check_even(const KafkaConsumption *consumption)
{
	if (consumption->uneven)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("two scans of topic \"%s\" in one statement did not read the same records",
						consumption->key.topic),
				 errhint("Read the consuming table once, in a MATERIALIZED common table expression.")));
}

void
kfdw_consuming_end(KafkaConsumingScan *scan)
{
	KafkaConsumption *consumption = scan->consumption;

	if (consumption == NULL)
		return;
	scan->consumption = NULL;
	for (int p = 0; p < consumption->state->npartitions && !consumption->rolled_back; p++)
		consumption->uneven |= scan->next[p] >= 0 && scan->next[p] != consumption->next[p];
	if (--consumption->open_scans > 0)
		return;
	check_even(consumption);
	write_positions(consumption);

	/* begun and ended at one level: whatever undoes the one undoes the other */
	if (consumption->written_level == consumption->level && consumption->marks == NULL)
		dlist_delete(&consumption->node);
}

/* Writes what was read by scans that are gone and whose writing never was, or was rolled back. */
void
kfdw_consuming_write_pending(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &consumptions)
	{
		KafkaConsumption *consumption = dlist_container(KafkaConsumption, node, iter.cur);

		if (consumption->open_scans == 0 && consumption->written_level == 0)
		{
			check_even(consumption);
			write_positions(consumption);
		}
	}
}

/* The transaction is over; its memory context frees everything. */
static void
forget_consumptions(bool committed)
{
	dlist_init(&consumptions);
}

/* A consumption was begun in what is rolled back: it never was. */
static void
undo_begin(KafkaConsumption *consumption)
{
	if (consumption->open_scans == 0)
	{
		dlist_delete(&consumption->node);
		return;
	}

	/* an older cursor may have fetched its first row here; it lives on */
	for (int p = 0; p < consumption->state->npartitions; p++)
		consumption->next[p] = consumption->slices[p].from;
	consumption->level = 1;
	consumption->marks = NULL;
	consumption->written_level = 1;
	consumption->rolled_back = true;
}

/* A subtransaction rolls back: what was read in it is unread again. */
static void
roll_back(KafkaConsumption *consumption, int level)
{
	if (consumption->level >= level)
	{
		undo_begin(consumption);
		return;
	}
	while (consumption->marks != NULL && consumption->marks->level >= level)
	{
		consumption->next = consumption->marks->next;
		consumption->marks = consumption->marks->outer;
		consumption->rolled_back = true;
	}
	if (consumption->written_level >= level)
		consumption->written_level = 0;
}

/* A subtransaction commits: what it did is its parent's. */
static void
merge_into_parent(KafkaConsumption *consumption, int level)
{
	KafkaProgressMark *mark = consumption->marks;

	if (consumption->level == level)
		consumption->level = level - 1;
	if (consumption->written_level == level)
		consumption->written_level = level - 1;
	if (mark == NULL || mark->level != level)
		return;
	mark->level = level - 1;
	if (mark->level <= (mark->outer ? mark->outer->level : consumption->level))
		consumption->marks = mark->outer;
}

static void
end_subtransaction(int level, bool committed)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &consumptions)
	{
		KafkaConsumption *consumption = dlist_container(KafkaConsumption, node, iter.cur);

		if (committed)
			merge_into_parent(consumption, level);
		else
			roll_back(consumption, level);
	}
}

static const KafkaParticipant participant = {
	.write = kfdw_consuming_write_pending,
	.end = forget_consumptions,
	.end_subtransaction = end_subtransaction,
};

void
kfdw_consuming_init(void)
{
	kfdw_xact_register(&participant);
}
