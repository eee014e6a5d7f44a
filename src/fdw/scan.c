/*
 * scan.c
 *	  Scanning a topic table: records of a source become rows.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "executor/executor.h"
#include "utils/rel.h"

#include "compat.h"
#include "fdw/bounds.h"
#include "fdw/fdw.h"
#include "format/codec.h"
#include "source/source.h"
#include "stat/counts.h"
#include "stat/wait.h"

/* Records to a block of the synthetic ctid that tells their order in a batch. */
#define RECORDS_PER_BLOCK	1024

typedef struct KafkaScanState
{
	KafkaSource *source;
	bool		reading;		/* since the first fetch */
	KafkaRowCodec *codec;
	int			natts;

	KafkaBounds *bounds;		/* what the conditions admit; NULL: everything */
	MemoryContext bounds_context;	/* reset when they are evaluated */

	int64		returned;		/* since the last rescan */
	KafkaScanCounts counts;
	KafkaActivity *activity;	/* from the first fetch to the last */
	int64	   *table_counts;	/* KafkaReadingCount */
} KafkaScanState;

/* The attributes that the plan lists, as kfdw_columns_create() takes them. */
static Bitmapset *
needed_attributes(ForeignScan *plan)
{
	Bitmapset  *needed = NULL;
	ListCell   *cell;

	foreach(cell, (List *) list_nth(plan->fdw_private, KAFKA_SCAN_ATTRIBUTES))
		needed = bms_add_member(needed, lfirst_int(cell) - FirstLowInvalidHeapAttributeNumber);
	return needed;
}

void
kafkaBeginForeignScan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	Relation	relation = node->ss.ss_currentRelation;
	KafkaScanRequest request = {node->ss.ps.state, relation, kfdw_scan_userid(node)};
	KafkaScanState *scan;
	KafkaColumns *columns;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	scan = palloc0(sizeof(KafkaScanState));
	request.limited = boolVal(list_nth(plan->fdw_private, KAFKA_SCAN_LIMITED));
	request.options = kfdw_options_table(RelationGetRelid(relation), request.userid);
	scan->natts = RelationGetNumberOfAttributes(relation);
	columns = kfdw_columns_create(RelationGetRelid(relation), RelationGetDescr(relation),
								  false, needed_attributes(plan));
	scan->codec = kfdw_codec_create(columns, &request.options->format);
	scan->bounds = kfdw_bounds_begin(list_nth(plan->fdw_private, KAFKA_SCAN_BOUNDS), plan->fdw_exprs,
									 &node->ss.ps);
	scan->bounds_context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw bounds",
												 ALLOCSET_SMALL_SIZES);
	scan->activity = kfdw_activity_create(KAFKA_ACTIVITY_SCAN, RelationGetRelid(relation));
	scan->table_counts = kfdw_counts_get(KAFKA_COUNTS_READING, RelationGetRelid(relation));
	scan->source = kfdw_source_begin(&request, scan->activity);
	node->fdw_state = scan;
}

/* The conditions admit a partition. */
static bool
admits_partition(const void *argument, int32 partition)
{
	return kfdw_bounds_admit(argument, partition);
}

/* Narrows a slice to what the conditions admit. */
static bool
narrow_slice(const void *argument, KafkaSlice *slice)
{
	return kfdw_bounds_narrow(argument, slice);
}

/* Counts what was waited since. */
static void
count_wait(KafkaScanState *scan, int64 since_us)
{
	int64		waited_us = kfdw_wait_total_us() - since_us;

	scan->counts.waited_us += waited_us;
	scan->table_counts[KAFKA_READING_WAIT_US] += waited_us;
}

/* Decides what to read, from the conditions' present values, and starts to. */
static void
start_reading(ForeignScanState *node, KafkaScanState *scan)
{
	KafkaSourceFilter filter = {{admits_partition, scan->bounds}, narrow_slice};
	int64		waited_us = kfdw_wait_total_us();

	if (scan->bounds != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(scan->bounds_context);

		MemoryContextReset(scan->bounds_context);
		kfdw_bounds_evaluate(scan->bounds, node->ss.ps.ps_ExprContext);
		MemoryContextSwitchTo(old);
	}
	kfdw_activity_end(scan->activity);
	kfdw_activity_begin(scan->activity);
	scan->source->kind->read(scan->source, scan->bounds ? &filter : NULL);
	count_wait(scan, waited_us);
	scan->counts.partitions = scan->source->partitions;
	scan->table_counts[KAFKA_READING_SCANS]++;
	scan->reading = true;
	scan->returned = 0;
}

/* Counts a record that was read. */
static void
count_record(KafkaScanState *scan, const KafkaRecord *record)
{
	int64		bytes = record->key_len + record->value_len;

	scan->returned++;
	scan->counts.records++;
	scan->counts.bytes += bytes;
	scan->table_counts[KAFKA_READING_RECORDS]++;
	scan->table_counts[KAFKA_READING_BYTES] += bytes;
	kfdw_activity_add(scan->activity, KAFKA_PROGRESS_RECORDS, 1);
	kfdw_activity_add(scan->activity, KAFKA_PROGRESS_BYTES, bytes);
}

/* The next record, NULL at the end. */
static KafkaRecord *
next_record(ForeignScanState *node, KafkaScanState *scan)
{
	int64		waited_us;
	KafkaRecord *record;

	if (!scan->reading)
		start_reading(node, scan);
	waited_us = kfdw_wait_total_us();
	record = scan->source->kind->next(scan->source);
	count_wait(scan, waited_us);
	if (record == NULL)
		kfdw_activity_end(scan->activity);
	return record;
}

TupleTableSlot *
kafkaIterateForeignScan(ForeignScanState *node)
{
	KafkaScanState *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	KafkaRecord *record = next_record(node, scan);

	ExecClearTuple(slot);
	if (record == NULL)
		return slot;
	memset(slot->tts_isnull, true, scan->natts * sizeof(bool));
	kfdw_codec_decode(scan->codec, record, slot->tts_values, slot->tts_isnull);
	ExecStoreVirtualTuple(slot);
	ItemPointerSet(&slot->tts_tid, scan->returned / RECORDS_PER_BLOCK,
				   scan->returned % RECORDS_PER_BLOCK + 1);
	count_record(scan, record);
	return slot;
}

void
kafkaReScanForeignScan(ForeignScanState *node)
{
	KafkaScanState *scan = node->fdw_state;

	if (scan->reading)
		start_reading(node, scan);
}

void
kafkaEndForeignScan(ForeignScanState *node)
{
	KafkaScanState *scan = node->fdw_state;

	if (scan == NULL)
		return;
	scan->source->kind->end(scan->source);
	kfdw_activity_end(scan->activity);
	kfdw_counts_flush();
}

bool
kfdw_scan_counts(ForeignScanState *node, KafkaScanCounts *counts)
{
	KafkaScanState *scan = node->fdw_state;

	if (scan == NULL)
		return false;
	*counts = scan->counts;
	return true;
}
