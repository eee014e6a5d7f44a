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
#include "executor/executor.h"
#include "foreign/foreign.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "catalog/offsets.h"
#include "compat.h"
#include "source/claim.h"
#include "source/consumption.h"
#include "source/loop.h"
#include "source/poll_interval.h"
#include "source/report.h"
#include "source/source.h"
#include "xact.h"

static dlist_head consumptions = DLIST_STATIC_INIT(consumptions);
static ExecutorRun_hook_type previous_run_hook = NULL;

/* Nobody reads by it any more, and nothing is to be written. */
static void
forget(KafkaConsumption *consumption)
{
	dlist_delete(&consumption->node);
	if (consumption->dead_letters != NULL)
		kfdw_stored_records_end(consumption->dead_letters);
	MemoryContextDelete(consumption->context);
}

/* A consumption of other scans in this transaction that still reads a partition. */
static const KafkaConsumption *
find_reader(const KafkaPositionKey *key, int32 number)
{
	dlist_iter	iter;

	dlist_foreach(iter, &consumptions)
	{
		KafkaConsumption *other = dlist_container(KafkaConsumption, node, iter.cur);
		const KafkaPositions *positions = other->positions;

		const KafkaPartition *partition;

		if (dlist_is_empty(&other->scans) || strcmp(positions->group_id, key->group_id) != 0 ||
			strcmp(positions->server, key->server) != 0)
			continue;
		partition = kfdw_outlook_find(positions->outlook, key->topic, number);
		if (partition != NULL && positions->partitions[partition->index].claim == KAFKA_CLAIM_HELD)
			return other;
	}
	return NULL;
}

void
kfdw_consumption_check_unread(const KafkaPositionKey *key, int32 number)
{
	if (find_reader(key, number) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("partition %d of topic \"%s\" is being consumed by another query of this transaction",
						number, key->topic),
				 errhint("Close the cursor that reads it, or read the topic once, in a MATERIALIZED common table expression.")));
}

/* Sets the end of a partition that was just started. */
static void
add_held(KafkaConsumption *consumption, int partition)
{
	const KafkaPositions *positions = consumption->positions;
	int64		from = positions->partitions[partition].from;

	consumption->ends[partition] = Max(positions->outlook->partitions[partition].end, from);
	consumption->order[consumption->nheld++] = partition;
	for (KafkaProgressMark *mark = consumption->marks; mark != NULL; mark = mark->outer)
		mark->next[partition] = from;
}

bool
kfdw_consumption_add_held(KafkaConsumption *consumption)
{
	const KafkaPositions *positions = consumption->positions;
	int			before = consumption->nheld;

	for (int p = 0; p < positions->outlook->npartitions; p++)
		if (positions->partitions[p].claim == KAFKA_CLAIM_HELD && consumption->ends[p] < 0)
			add_held(consumption, p);
	return consumption->nheld > before;
}

/* Begins to consume a topic in a statement; nothing is claimed yet. */
static KafkaConsumption *
begin_consumption(const EState *statement, const KafkaTableOptions *options, KafkaConsumer *consumer)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext, "kafka_fdw consumption",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KafkaConsumption *consumption = palloc0(sizeof(KafkaConsumption));
	KafkaTableOptions current = *options;
	int			npartitions;

	kfdw_options_keep_server(options->serverid);
	current.server = GetForeignServer(options->serverid)->servername;
	consumption->context = context;
	dlist_init(&consumption->scans);
	consumption->statement = statement;
	consumption->relid = options->relid;
	consumption->max_partitions = options->max_partitions;
	consumption->level = GetCurrentTransactionNestLevel();
	consumption->positions = kfdw_positions_create(&current, kfdw_consumer_outlook(consumer));
	npartitions = consumption->positions->outlook->npartitions;
	consumption->ends = palloc(Max(npartitions, 1) * sizeof(int64));
	memset(consumption->ends, -1, npartitions * sizeof(int64));
	consumption->read = palloc(Max(npartitions, 1) * sizeof(int64));
	memset(consumption->read, -1, npartitions * sizeof(int64));
	consumption->order = palloc(Max(npartitions, 1) * sizeof(int));
	dlist_push_tail(&consumptions, &consumption->node);
	MemoryContextSwitchTo(old);
	return consumption;
}

/* The consumption that another scan of the statement began, NULL when this is the first. */
static KafkaConsumption *
find_consumption(const EState *statement, Oid relid)
{
	dlist_iter	iter;

	dlist_foreach(iter, &consumptions)
	{
		KafkaConsumption *other = dlist_container(KafkaConsumption, node, iter.cur);

		if (other->statement == statement && other->relid == relid && !dlist_is_empty(&other->scans))
			return other;
	}
	return NULL;
}

/* A scan reads no more; what was begun in vain is forgotten with its last one. */
static void
leave(KafkaConsumingScan *scan)
{
	KafkaConsumption *consumption = scan->consumption;

	dlist_delete(&scan->node);
	scan->consumption = NULL;
	if (consumption->undone && dlist_is_empty(&consumption->scans))
		forget(consumption);
}

/* A scan went away with its memory and was never ended: its query failed. */
static void
abandon_scan(void *argument)
{
	KafkaConsumingScan *scan = argument;

	if (scan->consumption != NULL)
		leave(scan);
}

KafkaConsumingScan *
kfdw_consumption_begin(const EState *query, const KafkaTableOptions *options, KafkaConsumer *consumer)
{
	const EState *statement = kfdw_source_statement(query);
	KafkaConsumingScan *scan = palloc0(sizeof(KafkaConsumingScan));
	KafkaConsumption *consumption = find_consumption(statement, options->relid);
	int			npartitions;

	if (consumption == NULL)
	{
		KafkaPermit permit;

		kfdw_consumption_write_pending();
		permit = kfdw_permit_check(options);
		consumption = begin_consumption(statement, options, consumer);
		consumption->permit = permit;
		kfdw_poll_interval_begin(options->max_poll_interval_ms);
		kfdw_report_at_commit(options, consumer);
	}
	npartitions = consumption->positions->outlook->npartitions;
	scan->is_recheck = query != statement;
	scan->wanted = palloc0(npartitions * sizeof(bool));
	scan->slices = palloc(Max(npartitions, 1) * sizeof(KafkaSlice));
	scan->next = palloc(Max(npartitions, 1) * sizeof(int64));
	memset(scan->next, -1, npartitions * sizeof(int64));
	scan->callback.func = abandon_scan;
	scan->callback.arg = scan;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &scan->callback);
	scan->consumption = consumption;
	dlist_push_tail(&consumption->scans, &scan->node);
	return scan;
}

/* Saves how far was read before the current subtransaction reads its first record. */
static void
mark_progress(KafkaConsumption *consumption)
{
	int			level = GetCurrentTransactionNestLevel();
	int			marked = consumption->marks ? consumption->marks->level : consumption->level;
	KafkaProgressMark *mark;
	int			npartitions = consumption->positions->outlook->npartitions;

	if (level <= marked)
		return;
	mark = MemoryContextAlloc(consumption->context, sizeof(KafkaProgressMark));
	mark->level = level;
	mark->next = MemoryContextAlloc(consumption->context, npartitions * sizeof(int64));
	for (int p = 0; p < npartitions; p++)
		mark->next[p] = consumption->positions->partitions[p].next;
	mark->letters = kfdw_stored_records_position(consumption->dead_letters);
	mark->outer = consumption->marks;
	consumption->marks = mark;
}

/* Forgets what was saved last: a cursor may be read in many subtransactions. */
static void
drop_mark(KafkaConsumption *consumption)
{
	KafkaProgressMark *mark = consumption->marks;

	consumption->marks = mark->outer;
	pfree(mark->next);
	pfree(mark);
}

/* A scan has come so far. */
static void
advance(KafkaConsumingScan *scan, int partition, int64 next)
{
	KafkaConsumption *consumption = scan->consumption;
	int64	   *position = &consumption->positions->partitions[partition].next;

	scan->next[partition] = Max(scan->next[partition], next);
	*position = Max(*position, next);
	if (!scan->is_recheck)
		consumption->read[partition] = Max(consumption->read[partition], next);
}

bool
kfdw_consumption_delivered(KafkaConsumingScan *scan, int partition, int64 offset)
{
	bool		is_first = offset >= scan->consumption->positions->partitions[partition].next;

	mark_progress(scan->consumption);
	advance(scan, partition, offset + 1);
	return is_first;
}

/* Begins to collect what cannot be decoded. */
static void
begin_dead_letters(KafkaConsumption *consumption)
{
	MemoryContext old = MemoryContextSwitchTo(consumption->context);

	consumption->set_aside = palloc0(consumption->positions->outlook->npartitions * sizeof(int64));
	consumption->dead_letters = kfdw_dead_letters_begin();
	MemoryContextSwitchTo(old);
}

/* Two scans of a statement, and rescans, come to the same record. */
void
kfdw_consumption_set_aside(KafkaConsumingScan *scan, const KafkaRecord *record, const ErrorData *error)
{
	KafkaConsumption *consumption = scan->consumption;

	if (consumption->dead_letters == NULL)
		begin_dead_letters(consumption);
	if (record->offset < consumption->set_aside[record->index])
		return;
	kfdw_dead_letters_add(consumption->dead_letters, record, KAFKA_STAGE_DECODE, error);
	consumption->set_aside[record->index] = record->offset + 1;
}

void
kfdw_consumption_finished(KafkaConsumingScan *scan)
{
	mark_progress(scan->consumption);
	for (int i = 0; i < scan->nslices; i++)
		advance(scan, scan->slices[i].partition->index, scan->slices[i].end);
}

/* Writes the positions that moved, and what was set aside of the records before. */
static void
write_positions(KafkaConsumption *consumption)
{
	const KafkaPositions *positions = consumption->positions;
	KafkaReader reader = {NULL, positions->server, positions->group_id};
	bool		was_read_only = kfdw_xact_allow_writes();

	consumption->written_level = GetCurrentTransactionNestLevel();
	if (consumption->dead_letters != NULL)
		kfdw_dead_letters_write(consumption->dead_letters, &reader);
	if (kfdw_positions_write(consumption->positions))
		kfdw_permit_use(&consumption->permit, positions->server, positions->group_id);
	kfdw_xact_restore_writes(was_read_only);
}

/* Notes when a scan did not read what others of its statement, rechecks apart, read of the partitions that it wanted. */
static void
compare(const KafkaConsumingScan *scan)
{
	KafkaConsumption *consumption = scan->consumption;

	for (int i = 0; i < consumption->nheld; i++)
	{
		int			p = consumption->order[i];
		int64		from = consumption->positions->partitions[p].from;

		if (scan->next[p] >= 0 || scan->wanted[p])
			consumption->uneven |= Max(scan->next[p], from) != Max(consumption->read[p], from);
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
						consumption->positions->topic),
				 errhint("Read the consuming table once, in a MATERIALIZED common table expression.")));
}

void
kfdw_consumption_end(KafkaConsumingScan *scan)
{
	KafkaConsumption *consumption = scan->consumption;

	if (consumption == NULL)
		return;
	if (consumption->undone)
	{
		leave(scan);
		return;
	}
	if (!consumption->rolled_back && !scan->is_recheck)
		compare(scan);
	leave(scan);
	if (!dlist_is_empty(&consumption->scans))
		return;
	check_even(consumption);
	write_positions(consumption);

	/* begun and ended at one level: whatever undoes the one undoes the other */
	if (consumption->written_level == consumption->level && consumption->marks == NULL)
		forget(consumption);
}

/* Writes what was read by scans that are gone and whose writing never was, or was rolled back. */
void
kfdw_consumption_write_pending(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &consumptions)
	{
		KafkaConsumption *consumption = dlist_container(KafkaConsumption, node, iter.cur);

		if (dlist_is_empty(&consumption->scans) && consumption->written_level == 0)
		{
			check_even(consumption);
			write_positions(consumption);
		}
	}
}

void
kfdw_consumption_release_name(const char *server)
{
	dlist_iter	iter;

	kfdw_consumption_write_pending();
	dlist_foreach(iter, &consumptions)
	{
		KafkaConsumption *consumption = dlist_container(KafkaConsumption, node, iter.cur);

		if (!dlist_is_empty(&consumption->scans) && !consumption->undone &&
			strcmp(consumption->positions->server, server) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("cannot rename server \"%s\": topic \"%s\" is being consumed by another query of this transaction",
							server, consumption->positions->topic),
					 errhint("Close the cursor that reads it, or end the transaction, and rename the server after that.")));
	}
}

/*
 * What a savepoint took back of a cursor may wait in a sort or a hash above the scan:
 * so each run of a query is looked at, not each record of a scan.
 */
static void
check_run(const EState *statement)
{
	dlist_iter	iter;

	dlist_foreach(iter, &consumptions)
	{
		KafkaConsumption *consumption = dlist_container(KafkaConsumption, node, iter.cur);

		if (consumption->statement == statement && consumption->rolled_back && !dlist_is_empty(&consumption->scans))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_CURSOR_STATE),
					 errmsg("cannot go on reading topic \"%s\": records that this cursor read were rolled back with a savepoint",
							consumption->positions->topic),
					 errhint("Close the cursor and open it again; it starts with the records that were taken back.")));
	}
}

static void
run_query(KFDW_EXECUTOR_RUN_PARAMETERS)
{
	check_run(query->estate);
	if (previous_run_hook != NULL)
		previous_run_hook(KFDW_EXECUTOR_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(KFDW_EXECUTOR_RUN_ARGUMENTS);
	kfdw_poll_interval_keep();
}

/* The transaction is over; its memory goes away, that of open scans perhaps later. */
static void
forget_consumptions(bool committed)
{
	dlist_iter	iter;

	dlist_foreach(iter, &consumptions)
	{
		KafkaConsumption *consumption = dlist_container(KafkaConsumption, node, iter.cur);
		dlist_iter	inner;

		dlist_foreach(inner, &consumption->scans)
			dlist_container(KafkaConsumingScan, node, inner.cur)->consumption = NULL;
		if (consumption->dead_letters != NULL)
			kfdw_stored_records_end(consumption->dead_letters);
	}
	dlist_init(&consumptions);
}

/* A consumption was begun in what is rolled back: it never was. */
static void
undo_begin(KafkaConsumption *consumption)
{
	if (dlist_is_empty(&consumption->scans))
	{
		forget(consumption);
		return;
	}

	/* an older cursor may have fetched its first row here; it lives on, and reads no more */
	consumption->undone = true;
	consumption->rolled_back = true;
}

/* A subtransaction rolls back: what was read in it is unread again. */
static void
roll_back(KafkaConsumption *consumption, int level)
{
	if (consumption->undone)
		return;
	if (consumption->level >= level)
	{
		undo_begin(consumption);
		return;
	}
	while (consumption->marks != NULL && consumption->marks->level >= level)
	{
		for (int p = 0; p < consumption->positions->outlook->npartitions; p++)
			consumption->positions->partitions[p].next = consumption->marks->next[p];
		if (consumption->dead_letters != NULL)
			kfdw_stored_records_cut(consumption->dead_letters, consumption->marks->letters);
		drop_mark(consumption);
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
		drop_mark(consumption);
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
	.write = kfdw_consumption_write_pending,
	.end = forget_consumptions,
	.end_subtransaction = end_subtransaction,
};

void
kfdw_consumption_init(void)
{
	kfdw_xact_register(&participant);
	kfdw_permit_init();
	kfdw_poll_interval_init();
	kfdw_loop_init();
	previous_run_hook = ExecutorRun_hook;
	ExecutorRun_hook = run_query;
}
