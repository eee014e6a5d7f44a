/*
 * group.c
 *	  A topic as a consumer group reads it.
 *
 * Who reads what, and how far, is kept by consumption.c.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/portal.h"
#include "utils/rel.h"

#include "source/choice.h"
#include "source/consumed.h"
#include "source/consumption.h"
#include "source/fetch.h"
#include "source/loop.h"
#include "source/source.h"

typedef struct KafkaGroupSource
{
	KafkaSource source;
	KafkaScanRequest request;
	KafkaFetch	fetch;
	KafkaConsumingScan *scan;	/* NULL: not open */
	KafkaGreed	greed;
	int64		returned;		/* since reading began: records, bytes */
	int64		returned_bytes;
	bool		full;			/* it handed out as much as one read may */
	bool		repeats;		/* since then: it hands out the same, and no more */
	KafkaConsumed *consumed;	/* of the transaction */
} KafkaGroupSource;

/* Consuming writes: it needs a transaction that may, and the right to. */
static void
check_may_consume(const KafkaScanRequest *request)
{
	const char *name = RelationGetRelationName(request->relation);
	Portal		portal = ActivePortal;
	AclResult	result;

	PreventCommandIfReadOnly("reading a consuming Kafka table");
	PreventCommandIfParallelMode("reading a consuming Kafka table");
	result = pg_class_aclcheck(RelationGetRelid(request->relation), request->userid, ACL_UPDATE);
	if (result != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to consume from foreign table \"%s\"", name),
				 errdetail("Reading a table with a \"group_id\" moves its position, which takes the UPDATE privilege as SELECT ... FOR UPDATE does.")));

	/* a portal that is being started has no query yet */
	if (portal != NULL && portal->queryDesc == NULL && (portal->cursorOptions & CURSOR_OPT_HOLD))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot declare a holdable cursor on consuming table \"%s\"", name),
				 errhint("Declare the cursor without HOLD: its position moves with the transaction.")));
}

/* True when it may stop before it has everything. */
static bool
is_bounded(const KafkaScanRequest *request)
{
	const KafkaTableOptions *options = request->options;

	return request->limited || options->max_poll_records > 0 || options->max_poll_bytes > 0 ||
		options->max_partitions > 0;
}

static KafkaSource *
begin_group(const KafkaScanRequest *request)
{
	KafkaGroupSource *source;

	if (request->options->group_id == NULL)
		return NULL;
	check_may_consume(request);

	/* beside parallel workers it could not be done any more */
	kfdw_consumption_write_pending();
	source = palloc0(sizeof(KafkaGroupSource));
	source->request = *request;
	kfdw_source_take_options(&source->source, request->options);
	source->greed = is_bounded(request) ? KAFKA_TAKE_ONE : KAFKA_TAKE_ALL;
	return &source->source;
}

/* Not before the first fetch, so that a plan that never reads a topic consumes nothing. */
static void
open_group(KafkaGroupSource *source)
{
	const KafkaScanRequest *request = &source->request;
	MemoryContext old = MemoryContextSwitchTo(request->estate->es_query_cxt);

	kfdw_loop_consume(RelationGetRelationName(request->relation));
	kfdw_fetch_open(&source->fetch, request->options, source->source.activity);
	source->scan = kfdw_consumption_begin(request->estate, request->options, source->fetch.consumer);
	source->consumed = kfdw_consumed_get(RelationGetRelid(request->relation));
	MemoryContextSwitchTo(old);
}

/* Counts a record that is to be handed out; false when it would be too much, unless it is the first. */
static bool
count_record(KafkaGroupSource *source, const KafkaRecord *record)
{
	const KafkaTableOptions *options = source->request.options;
	int64		bytes = source->returned_bytes + record->key_len + record->value_len;

	if (options->max_poll_bytes > 0 && bytes > options->max_poll_bytes && source->returned > 0)
	{
		source->full = true;
		return false;
	}
	source->returned++;
	source->returned_bytes = bytes;
	source->full = source->returned == options->max_poll_records;
	return true;
}

/* Tells what is read. */
static void
show_slices(KafkaGroupSource *source)
{
	source->source.slices = source->scan->slices;
	source->source.nslices = source->scan->nslices;
}

/* Reads what it can claim of the partitions that are wanted. */
static void
read_group(KafkaSource *base, const KafkaSourceFilter *filter)
{
	KafkaGroupSource *source = (KafkaGroupSource *) base;

	if (source->scan == NULL)
		open_group(source);
	source->repeats |= source->full;
	if (source->repeats)
		kfdw_choice_repeat(source->scan);
	else
		kfdw_choice_make(source->scan, source->fetch.consumer, filter ? &filter->partitions : NULL,
						 source->greed);
	show_slices(source);
	kfdw_fetch_start(&source->fetch, base->slices, base->nslices);
	source->returned = source->returned_bytes = 0;
	source->full = false;
}

/* Goes on with one partition more, where they are taken one by one; false at the end of all. */
static bool
read_next_partition(KafkaGroupSource *source)
{
	kfdw_consumption_finished(source->scan);
	if (source->greed == KAFKA_TAKE_ALL || source->repeats ||
		!kfdw_choice_extend(source->scan, source->fetch.consumer))
		return false;
	show_slices(source);
	kfdw_fetch_start(&source->fetch, &source->scan->slices[source->scan->nslices - 1], 1);
	return true;
}

static KafkaRecord *
next_record(KafkaSource *base)
{
	KafkaGroupSource *source = (KafkaGroupSource *) base;
	KafkaRecord *record;

	if (source->full)
		return NULL;
	record = kfdw_fetch_next(&source->fetch);
	while (record == NULL && read_next_partition(source))
		record = kfdw_fetch_next(&source->fetch);
	if (record == NULL || !count_record(source, record))
		return NULL;
	if (kfdw_consumption_delivered(source->scan, record->index, record->offset))
		kfdw_consumed_add(source->consumed, record);
	return record;
}

static void
set_aside(KafkaSource *base, const KafkaRecord *record, const ErrorData *error)
{
	kfdw_consumption_set_aside(((KafkaGroupSource *) base)->scan, record, error);
}

static void
end_group(KafkaSource *base)
{
	KafkaGroupSource *source = (KafkaGroupSource *) base;

	kfdw_fetch_close(&source->fetch);
	if (source->scan != NULL)
		kfdw_consumption_end(source->scan);
}

const KafkaSourceKind kfdw_source_group = {
	.begin = begin_group,
	.read = read_group,
	.next = next_record,
	.set_aside = set_aside,
	.end = end_group,
};
