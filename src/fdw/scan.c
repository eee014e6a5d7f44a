/*
 * scan.c
 *	  Scanning a topic table: records of a source become rows.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "compat.h"
#include "fdw/fdw.h"
#include "fdw/scan.h"
#include "format/guard.h"
#include "stat/counts.h"
#include "stat/wait.h"

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

/* The columns to decode: all where whole records are judged, so that each query finds the same ones bad. */
static KafkaColumns *
read_columns(Relation relation, ForeignScan *plan, const KafkaSource *source)
{
	KafkaColumns *columns = kfdw_columns_create(RelationGetRelid(relation), RelationGetDescr(relation),
												false, needed_attributes(plan));
	const KafkaColumn *error = kfdw_columns_find(columns, KAFKA_COLUMN_ERROR);

	if (source->on_error != KAFKA_ON_ERROR_STOP || (error != NULL && error->needed))
		kfdw_columns_need_all(columns);
	return columns;
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
	scan->counts = &scan->own_counts;
	scan->rejected = &scan->own_rejected;
	pg_atomic_init_u64(scan->rejected, 0);
	scan->natts = RelationGetNumberOfAttributes(relation);
	scan->activity = kfdw_activity_create(KAFKA_ACTIVITY_SCAN, RelationGetRelid(relation));
	scan->table_counts = kfdw_counts_get(KAFKA_COUNTS_READING, RelationGetRelid(relation));
	scan->source = kfdw_source_begin(&request, scan->activity);
	columns = read_columns(relation, plan, scan->source);
	if (scan->source->kind->note_columns != NULL)
		scan->source->kind->note_columns(scan->source, columns);
	scan->codec = kfdw_codec_create(columns, &request.options->format);
	scan->bounds = kfdw_bounds_begin(list_nth(plan->fdw_private, KAFKA_SCAN_BOUNDS), plan->fdw_exprs,
									 &node->ss.ps);
	scan->bounds_context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw bounds",
												 ALLOCSET_SMALL_SIZES);
	node->fdw_state = scan;
}

/* The conditions admit a partition. */
static bool
admits_partition(const void *argument, const KafkaPartition *partition)
{
	return kfdw_bounds_admit(argument, partition);
}

/* Narrows a slice to what the conditions admit. */
static bool
narrow_slice(const void *argument, KafkaSlice *slice)
{
	return kfdw_bounds_narrow(argument, slice);
}

void
kfdw_scan_count_wait(KafkaScanState *scan, int64 since_us)
{
	int64		waited_us = kfdw_wait_total_us() - since_us;

	scan->counts->waited_us += waited_us;
	scan->table_counts[KAFKA_READING_WAIT_US] += waited_us;
}

KafkaSourceFilter *
kfdw_scan_evaluate(ForeignScanState *node, KafkaSourceFilter *filter)
{
	KafkaScanState *scan = node->fdw_state;
	MemoryContext old;

	if (scan->bounds == NULL)
		return NULL;
	*filter = (KafkaSourceFilter) {{admits_partition, scan->bounds}, narrow_slice};
	old = MemoryContextSwitchTo(scan->bounds_context);
	MemoryContextReset(scan->bounds_context);
	kfdw_bounds_evaluate(scan->bounds, node->ss.ps.ps_ExprContext);
	MemoryContextSwitchTo(old);
	return filter;
}

/* Decides what to read, from the conditions' present values, and starts to. */
static void
start_reading(ForeignScanState *node, KafkaScanState *scan)
{
	KafkaSourceFilter *filter = NULL;
	KafkaSourceFilter wanted;
	int64		waited_us = kfdw_wait_total_us();

	/* what processes share was decided on when it was made */
	if (scan->parallel == NULL)
	{
		filter = kfdw_scan_evaluate(node, &wanted);
		pg_atomic_write_u64(scan->rejected, 0);
	}
	kfdw_activity_end(scan->activity);
	kfdw_activity_begin(scan->activity);
	scan->source->kind->read(scan->source, filter);
	kfdw_scan_count_wait(scan, waited_us);
	scan->table_counts[KAFKA_READING_SCANS]++;
	scan->reading = true;
	scan->taken = 0;
}

/* Counts a record that cannot be decoded; too many are an error. */
static void
count_rejected(KafkaScanState *scan, const KafkaRecord *record, const ErrorData *error)
{
	int			limit = scan->source->reject_limit;

	scan->counts->rejected++;
	scan->table_counts[KAFKA_READING_BAD_RECORDS]++;
	if (pg_atomic_add_fetch_u64(scan->rejected, 1) > limit && limit > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("more than %d records of topic \"%s\" could not be decoded", limit, record->topic),
				 errdetail("The last one is partition %d, offset " INT64_FORMAT ": %s",
						   record->partition, record->offset, kfdw_guard_describe(error)),
				 errhint("The limit is \"reject_limit\".")));
}

/* What becomes of a record that cannot be decoded; true for a row. */
static bool
reject(KafkaScanState *scan, KafkaRecord *record, const ErrorData *error, TupleTableSlot *slot)
{
	count_rejected(scan, record, error);
	switch (scan->source->on_error)
	{
		case KAFKA_ON_ERROR_SET_NULL:
			kfdw_codec_decode_rejected(scan->codec, record, error, slot->tts_values, slot->tts_isnull);
			return true;
		case KAFKA_ON_ERROR_DEAD_LETTER:
			scan->source->kind->set_aside(scan->source, record, error);
			return false;
		case KAFKA_ON_ERROR_IGNORE:
		case KAFKA_ON_ERROR_STOP:
			break;
	}
	return false;
}

/* Decodes a record; false for one that is left out. */
static bool
decode(KafkaScanState *scan, KafkaRecord *record, TupleTableSlot *slot)
{
	ErrorData  *error;

	if (scan->source->on_error == KAFKA_ON_ERROR_STOP)
	{
		kfdw_codec_decode(scan->codec, record, slot->tts_values, slot->tts_isnull);
		return true;
	}
	error = kfdw_codec_try_decode(scan->codec, record, slot->tts_values, slot->tts_isnull);
	return error == NULL || reject(scan, record, error, slot);
}

/* Counts a record that was read. */
static void
count_record(KafkaScanState *scan, const KafkaRecord *record)
{
	int64		bytes = record->key_len + record->value_len;

	scan->counts->records++;
	scan->counts->bytes += bytes;
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

	if (scan->excluded)
		return NULL;
	if (!scan->reading)
		start_reading(node, scan);
	waited_us = kfdw_wait_total_us();
	record = scan->source->kind->next(scan->source);
	kfdw_scan_count_wait(scan, waited_us);
	if (record == NULL)
		kfdw_activity_end(scan->activity);
	else
		scan->taken++;
	return record;
}

/* Decodes the next record that becomes a row; false at the end. */
static bool
next_row(ForeignScanState *node, KafkaScanState *scan, TupleTableSlot *slot)
{
	KafkaRecord *record;

	while ((record = next_record(node, scan)) != NULL)
	{
		count_record(scan, record);
		if (decode(scan, record, slot))
			return true;

		/* what a row is made of is in this context */
		ResetExprContext(node->ss.ps.ps_ExprContext);
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

TupleTableSlot *
kafkaIterateForeignScan(ForeignScanState *node)
{
	KafkaScanState *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, scan->natts * sizeof(bool));
	if (!next_row(node, scan, slot))
		return slot;
	ExecStoreVirtualTuple(slot);
	kfdw_source_set_tid(&slot->tts_tid, scan->taken - 1);
	return slot;
}

void
kafkaReScanForeignScan(ForeignScanState *node)
{
	KafkaScanState *scan = node->fdw_state;

	/* what processes share is decided on later */
	if (scan->parallel != NULL)
		scan->reading = false;
	else if (scan->reading)
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
