/*
 * consuming.c
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
#include "consuming.h"

/* How far each partition was read when a subtransaction first read records. */
typedef struct KafkaProgressMark
{
	int			level;
	int64	   *next;
	struct KafkaProgressMark *outer;
} KafkaProgressMark;

/* Lives in TopTransactionContext, as positions may be written after its statement. */
struct KafkaConsumption
{
	dlist_node	node;
	const void *statement;
	Oid			relid;
	KafkaPositionKey key;
	char	   *cluster_id;
	char	   *topic_id;

	int			nslices;		/* what was claimed, ascending by partition */
	KafkaSlice *slices;
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
	int64	   *next;			/* how far this scan read, by slice */
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

		if (other->open_scans == 0 || strcmp(other->key.group_id, key->group_id) != 0 ||
			strcmp(other->key.server, key->server) != 0 || strcmp(other->key.topic, key->topic) != 0)
			continue;
		for (int i = 0; i < other->nslices; i++)
			if (other->slices[i].partition == partition)
				return other;
	}
	return NULL;
}

/* Where a partition without a position starts. */
static int64
first_offset(const KafkaTableOptions *options, const KafkaTopicState *state, int32 partition, bool first_use)
{
	switch (options->auto_offset_reset)
	{
		case KAFKA_RESET_EARLIEST:
			return state->low[partition];
		case KAFKA_RESET_LATEST:
			/* a partition that came later is read from its beginning */
			return first_use ? state->end[partition] : state->low[partition];
		case KAFKA_RESET_NONE:
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("consumer group \"%s\" has no position in topic \"%s\", partition %d",
					options->group_id, options->topic, partition),
			 errhint("Set the option \"auto_offset_reset\" to \"earliest\" or \"latest\".")));
}

/* The broker does not have the records at a position: an error, or what replaces it. */
static int64
replace_position(const KafkaTableOptions *options, const KafkaTopicState *state, const KafkaPosition *was)
{
	int64		low = state->low[was->partition];
	int64		end = state->end[was->partition];

	if (options->on_offset_out_of_range == KAFKA_RESET_EARLIEST)
		return low;
	if (options->on_offset_out_of_range == KAFKA_RESET_LATEST)
		return end;
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("position " INT64_FORMAT " of consumer group \"%s\" is out of range in topic \"%s\", partition %d",
					was->next_offset, options->group_id, options->topic, was->partition),
			 errdetail("The topic has offsets " INT64_FORMAT " to " INT64_FORMAT ".", low, end),
			 was->next_offset < low ?
			 errhint("Retention removed records that were not read. Set the option \"on_offset_out_of_range\" to \"earliest\" or \"latest\" to go on.") :
			 errhint("The topic was probably recreated. Set the option \"on_offset_out_of_range\" to \"earliest\" or \"latest\" to go on.")));
}

int64
kfdw_consuming_start_offset(const KafkaTableOptions *options, const KafkaTopicState *state,
							const KafkaPosition *was, bool first_use)
{
	if (!was->exists)
		return first_offset(options, state, was->partition, first_use);
	if (was->cluster_id != NULL && state->cluster_id != NULL &&
		strcmp(was->cluster_id, state->cluster_id) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the position of consumer group \"%s\" in topic \"%s\", partition %d is one of another Kafka cluster",
						options->group_id, options->topic, was->partition),
				 errdetail("It was written for cluster \"%s\"; server \"%s\" is now cluster \"%s\".",
						   was->cluster_id, options->server, state->cluster_id),
				 errhint("Delete the group's rows from kafka.offsets to start anew.")));
	if (was->next_offset < state->low[was->partition] || was->next_offset > state->end[was->partition])
		return replace_position(options, state, was);
	return was->next_offset;
}

/* Claims the partitions that are free into the consumption's slices. */
static int
claim_partitions(KafkaConsumption *consumption, int npartitions)
{
	consumption->slices = palloc0((npartitions + 1) * sizeof(KafkaSlice));
	for (int32 p = 0; p < npartitions; p++)
	{
		if (find_reader(&consumption->key, p) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("partition %d of topic \"%s\" is being consumed by another query of this transaction",
							p, consumption->key.topic),
					 errhint("Close the cursor that reads it, or read the topic once, in a MATERIALIZED common table expression.")));
		if (kfdw_offsets_claim(&consumption->key, p, false))
			consumption->slices[consumption->nslices++].partition = p;
	}
	return consumption->nslices;
}

/* True when another consumer moved a position past the ends that were taken before the claim. */
static bool
ends_are_old(const KafkaConsumption *consumption, const KafkaPosition *positions, const KafkaTopicState *state)
{
	for (int i = 0; i < consumption->nslices; i++)
	{
		int32		p = consumption->slices[i].partition;

		if (positions[p].exists && positions[p].next_offset > state->end[p])
			return true;
	}
	return false;
}

/* Reads the positions of what was claimed and sets the slices' bounds. */
static void
set_slices(KafkaConsumption *consumption, const KafkaTableOptions *options, KafkaConsumer *consumer,
		   KafkaTopicState *state)
{
	int			nrows;
	KafkaPosition *positions = kfdw_offsets_read(&consumption->key, state->npartitions, &nrows);

	if (ends_are_old(consumption, positions, state))
	{
		KafkaTopicState *newer = kfdw_consumer_topic_state(consumer);

		if (newer->npartitions >= state->npartitions)
			*state = *newer;
	}
	consumption->was = palloc0((consumption->nslices + 1) * sizeof(KafkaPosition));
	consumption->next = palloc0((consumption->nslices + 1) * sizeof(int64));
	for (int i = 0; i < consumption->nslices; i++)
	{
		KafkaSlice *slice = &consumption->slices[i];

		consumption->was[i] = positions[slice->partition];
		slice->from = kfdw_consuming_start_offset(options, state, &consumption->was[i], nrows == 0);
		slice->end = state->end[slice->partition];
		consumption->next[i] = slice->from;
	}
	consumption->place = nrows == 0 && options->auto_offset_reset == KAFKA_RESET_LATEST;
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

/* Begins to consume a topic in a statement: claims, positions, ends. */
static KafkaConsumption *
begin_consumption(const void *statement, const KafkaTableOptions *options, KafkaConsumer *consumer)
{
	MemoryContext old;
	KafkaConsumption *consumption;
	KafkaTopicState *state;

	kfdw_consuming_write_pending();
	check_group(options);
	old = MemoryContextSwitchTo(TopTransactionContext);
	state = kfdw_consumer_topic_state(consumer);
	consumption = palloc0(sizeof(KafkaConsumption));
	consumption->statement = statement;
	consumption->relid = options->relid;
	consumption->level = GetCurrentTransactionNestLevel();
	consumption->key.server = pstrdup(options->server);
	consumption->key.group_id = pstrdup(options->group_id);
	consumption->key.topic = pstrdup(options->topic);
	consumption->cluster_id = state->cluster_id;
	consumption->topic_id = state->topic_id;
	if (claim_partitions(consumption, state->npartitions) == 0)
		ereport(NOTICE,
				(errmsg("no partition of topic \"%s\" is free for this consumer", options->topic),
				 errdetail("Other consumers of group \"%s\" hold all %d of them.",
						   options->group_id, state->npartitions)));
	set_slices(consumption, options, consumer, state);
	MemoryContextSwitchTo(old);
	dlist_push_tail(&consumptions, &consumption->node);
	return consumption;
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

KafkaConsumingScan *
kfdw_consuming_begin(const void *statement, const KafkaTableOptions *options, KafkaConsumer *consumer)
{
	KafkaConsumption *consumption = NULL;
	KafkaConsumingScan *scan = palloc0(sizeof(KafkaConsumingScan));
	dlist_iter	iter;

	dlist_foreach(iter, &consumptions)
	{
		KafkaConsumption *other = dlist_container(KafkaConsumption, node, iter.cur);

		if (other->statement == statement && other->relid == options->relid && other->open_scans > 0)
			consumption = other;
	}
	if (consumption == NULL)
		consumption = begin_consumption(statement, options, consumer);
	scan->next = palloc((consumption->nslices + 1) * sizeof(int64));
	for (int i = 0; i < consumption->nslices; i++)
		scan->next[i] = consumption->slices[i].from;
	scan->consumption = consumption;
	scan->callback.func = abandon_scan;
	scan->callback.arg = scan;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &scan->callback);
	consumption->open_scans++;
	return scan;
}

const KafkaSlice *
kfdw_consuming_slices(const KafkaConsumingScan *scan, int *nslices)
{
	*nslices = scan->consumption->nslices;
	return scan->consumption->slices;
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
	size_t		size = (consumption->nslices + 1) * sizeof(int64);

	if (level <= marked)
		return;
	mark = MemoryContextAlloc(TopTransactionContext, sizeof(KafkaProgressMark));
	mark->level = level;
	mark->next = MemoryContextAlloc(TopTransactionContext, size);
	memcpy(mark->next, consumption->next, size);
	mark->outer = consumption->marks;
	consumption->marks = mark;
}

/* The slice of a partition that was claimed. */
static int
slice_of(const KafkaConsumption *consumption, int32 partition)
{
	int			low = 0,
				high = consumption->nslices - 1;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (consumption->slices[middle].partition < partition)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void
kfdw_consuming_delivered(KafkaConsumingScan *scan, int32 partition, int64 offset)
{
	KafkaConsumption *consumption = scan->consumption;
	int			i = slice_of(consumption, partition);

	mark_progress(consumption);
	scan->next[i] = Max(scan->next[i], offset + 1);
	consumption->next[i] = Max(consumption->next[i], offset + 1);
}

void
kfdw_consuming_finished(KafkaConsumingScan *scan)
{
	KafkaConsumption *consumption = scan->consumption;

	mark_progress(consumption);
	for (int i = 0; i < consumption->nslices; i++)
		scan->next[i] = consumption->next[i] = consumption->slices[i].end;
}

/* Writes the positions that moved. */
static void
write_positions(KafkaConsumption *consumption)
{
	consumption->written_level = GetCurrentTransactionNestLevel();
	for (int i = 0; i < consumption->nslices; i++)
	{
		KafkaPosition *was = &consumption->was[i];
		bool		moved = was->exists ? consumption->next[i] != was->next_offset :
			consumption->next[i] != consumption->slices[i].from;

		if (moved || (consumption->place && !was->exists))
			kfdw_offsets_write(&consumption->key, was, consumption->next[i],
							   consumption->cluster_id, consumption->topic_id);
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
	for (int i = 0; i < consumption->nslices && !consumption->rolled_back; i++)
		consumption->uneven |= scan->next[i] != consumption->next[i];
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
void
kfdw_consuming_forget(void)
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
	for (int i = 0; i < consumption->nslices; i++)
		consumption->next[i] = consumption->slices[i].from;
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

void
kfdw_consuming_end_subtransaction(int level, bool committed)
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
