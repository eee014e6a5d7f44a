/*
 * scan.c
 *	  Reading a topic: as a bounded, repeatable read, as a consumer, or as the batch
 *	  of a stream.
 *
 * The first fetch opens the scan, not the executor's start, so that a plan that
 * never reads a topic never asks for it.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/rel.h"

#include "compat.h"
#include "fdw/bounds.h"
#include "fdw/fdw.h"
#include "format/codec.h"
#include "source/batch.h"
#include "source/consumption.h"
#include "source/topic_range.h"

/* Records in hand at a time; the client fetches ahead by itself. */
#define SCAN_BUFFER_RECORDS 1000
#define SCAN_BUFFER_BYTES	(32 * 1024 * 1024)

/* Records to a block of the synthetic ctid that tells their order in a batch. */
#define RECORDS_PER_BLOCK	1024

typedef struct KafkaScanState
{
	KafkaTableOptions *options;
	KafkaRowCodec *codec;
	int			natts;

	KafkaBuffer *buffer;		/* of a stream's batch, or our own */
	bool		is_batch;

	/* NULL while not open, and in a stream's batch */
	KafkaConsumer *consumer;
	KafkaConsumingScan *consuming;	/* NULL for a topic table */
	KafkaTopicState *topic;		/* of a topic table: what all scans of it see */

	KafkaBounds *bounds;		/* what the conditions admit; NULL: everything */
	MemoryContext bounds_context;	/* reset when they are evaluated */
	const KafkaSlice *slices;
	int			nslices;

	int64		returned;		/* since the last rescan */
	KafkaScanCounts counts;
} KafkaScanState;

/* A consuming scan writes: it needs a transaction that may, and the right to. */
static void
check_may_consume(ForeignScanState *node, Oid userid)
{
	Relation	relation = node->ss.ss_currentRelation;
	Portal		portal = ActivePortal;
	AclResult	result;

	PreventCommandIfReadOnly("reading a consuming Kafka table");
	PreventCommandIfParallelMode("reading a consuming Kafka table");
	result = pg_class_aclcheck(RelationGetRelid(relation), userid, ACL_UPDATE);
	if (result != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to consume from foreign table \"%s\"",
						RelationGetRelationName(relation)),
				 errdetail("Reading a table with a \"group_id\" moves its position, which takes the UPDATE privilege as SELECT ... FOR UPDATE does.")));

	/* a portal that is being started has no query yet */
	if (portal != NULL && portal->queryDesc == NULL && (portal->cursorOptions & CURSOR_OPT_HOLD))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot declare a holdable cursor on consuming table \"%s\"",
						RelationGetRelationName(relation)),
				 errhint("Declare the cursor without HOLD: its position moves with the transaction.")));
}

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
	Oid			userid = kfdw_scan_userid(node);
	KafkaScanState *scan;
	KafkaColumns *columns;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	scan = palloc0(sizeof(KafkaScanState));
	scan->options = kfdw_options_table(RelationGetRelid(relation), userid);
	scan->natts = RelationGetNumberOfAttributes(relation);
	columns = kfdw_columns_create(RelationGetRelid(relation), RelationGetDescr(relation),
								  false, needed_attributes(plan));
	scan->codec = kfdw_codec_create(columns, &scan->options->format);
	scan->buffer = kfdw_batch_bound(RelationGetRelid(relation));
	scan->is_batch = scan->buffer != NULL;
	if (!scan->is_batch)
		scan->buffer = kfdw_buffer_create(SCAN_BUFFER_RECORDS, SCAN_BUFFER_BYTES);
	scan->bounds = kfdw_bounds_begin(list_nth(plan->fdw_private, KAFKA_SCAN_BOUNDS), plan->fdw_exprs,
									 &node->ss.ps);
	scan->bounds_context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw bounds",
												 ALLOCSET_SMALL_SIZES);
	if (scan->options->group_id != NULL)
	{
		check_may_consume(node, userid);

		/* beside parallel workers it could not be done any more */
		kfdw_consuming_write_pending();
	}
	node->fdw_state = scan;
}

/* For filters: the conditions admit a partition. */
static bool
admits_partition(const void *argument, int32 partition)
{
	return kfdw_bounds_admit(argument, partition);
}

/* A plain scan reads every partition from its first offset to its end, as far as the conditions admit. */
static void
set_topic_slices(KafkaScanState *scan)
{
	KafkaTopicState *topic = scan->topic;
	KafkaPartitionFilter filter = {admits_partition, scan->bounds};
	KafkaSlice *slices = palloc((topic->npartitions + 1) * sizeof(KafkaSlice));

	kfdw_consumer_require(scan->consumer, topic, scan->bounds ? &filter : NULL);
	scan->slices = slices;
	scan->nslices = 0;
	for (int p = 0; p < topic->npartitions; p++)
	{
		KafkaSlice	slice = {p, topic->low[p], topic->end[p]};

		if (scan->bounds == NULL || kfdw_bounds_narrow(scan->bounds, &slice))
			slices[scan->nslices++] = slice;
	}
}

/* True when a consuming scan handed out as many records as one read may. */
static bool
is_poll_full(const KafkaScanState *scan)
{
	return scan->consuming != NULL && scan->options->max_poll_records > 0 &&
		scan->returned >= scan->options->max_poll_records;
}

/* A consuming scan reads what it can claim of the partitions that the conditions admit. */
static void
set_consuming_slices(KafkaScanState *scan)
{
	KafkaPartitionFilter filter = {admits_partition, scan->bounds};

	if (is_poll_full(scan))
		kfdw_consuming_repeat(scan->consuming);
	else
		kfdw_consuming_choose(scan->consuming, scan->consumer,
							  scan->bounds ? &filter : NULL);
	scan->slices = kfdw_consuming_slices(scan->consuming, &scan->nslices);
}

/* Decides what to read, from the conditions' present values, and starts to. */
static void
start_reading(ForeignScanState *node, KafkaScanState *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->bounds_context);

	MemoryContextReset(scan->bounds_context);
	if (scan->bounds != NULL)
		kfdw_bounds_evaluate(scan->bounds, node->ss.ps.ps_ExprContext);
	if (scan->consuming != NULL)
		set_consuming_slices(scan);
	else
		set_topic_slices(scan);
	kfdw_consumer_start(scan->consumer, scan->slices, scan->nslices);
	scan->counts.partitions = scan->nslices;
	scan->returned = 0;
	MemoryContextSwitchTo(old);
}

/* Opens the consumer. */
static void
open_scan(ForeignScanState *node, KafkaScanState *scan)
{
	EState	   *estate = node->ss.ps.state;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);

	scan->consumer = kfdw_consumer_open(&scan->options->consumer, scan->options->topic);
	if (scan->options->group_id == NULL)
		scan->topic = kfdw_ends_get(estate, scan->options, scan->consumer);
	else
		scan->consuming = kfdw_consuming_begin(estate, scan->options, scan->consumer);
	MemoryContextSwitchTo(old);
	start_reading(node, scan);
}

/* A COMMIT must not read the rest of a consuming cursor into a held one. */
static void
refuse_holding(ForeignScanState *node)
{
	Portal		portal = ActivePortal;

	if (portal != NULL && portal->holdStore != NULL && portal->strategy == PORTAL_ONE_SELECT &&
		portal->queryDesc != NULL && portal->queryDesc->estate == node->ss.ps.state)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot commit while a loop or cursor reads consuming table \"%s\"",
						RelationGetRelationName(node->ss.ss_currentRelation)),
				 errhint("Read a bounded batch first, with \"max_poll_records\" or LIMIT, and commit after it.")));
}

/* The next record from the broker; NULL at the end of the slices. */
static KafkaRecord *
fetch_record(KafkaScanState *scan)
{
	for (;;)
	{
		KafkaRecord *record = kfdw_buffer_next(scan->buffer);

		if (record != NULL)
			return record;
		kfdw_buffer_clear(scan->buffer);
		if (kfdw_consumer_fill(scan->consumer, scan->buffer) > 0)
			continue;
		if (kfdw_consumer_finished(scan->consumer))
			return NULL;
		kfdw_consumer_wait(scan->consumer, 100);
	}
}

/* The next record of the scan, whatever it reads; NULL at its end. */
static KafkaRecord *
next_record(ForeignScanState *node, KafkaScanState *scan)
{
	KafkaRecord *record;

	if (scan->is_batch)
		return kfdw_buffer_get(scan->buffer, scan->returned);
	if (scan->consumer == NULL)
		open_scan(node, scan);
	if (scan->consuming == NULL)
		return fetch_record(scan);

	refuse_holding(node);
	kfdw_consuming_check(scan->consuming);
	if (is_poll_full(scan))
		return NULL;
	record = fetch_record(scan);
	if (record == NULL)
		kfdw_consuming_finished(scan->consuming);
	else
		kfdw_consuming_delivered(scan->consuming, record->partition, record->offset);
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
	scan->returned++;
	scan->counts.records++;
	scan->counts.bytes += record->key_len + record->value_len;
	return slot;
}

void
kafkaReScanForeignScan(ForeignScanState *node)
{
	KafkaScanState *scan = node->fdw_state;

	if (scan->is_batch)
		scan->returned = 0;
	else if (scan->consumer != NULL)
	{
		kfdw_buffer_clear(scan->buffer);
		start_reading(node, scan);
	}
}

void
kafkaEndForeignScan(ForeignScanState *node)
{
	KafkaScanState *scan = node->fdw_state;

	if (scan == NULL || scan->is_batch || scan->consumer == NULL)
		return;
	kfdw_buffer_clear(scan->buffer);
	kfdw_consumer_close(scan->consumer);
	if (scan->consuming != NULL)
		kfdw_consuming_end(scan->consuming);
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
