/*
 * batch.c
 *	  The batch of a stream as a source.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "source/batch.h"
#include "source/source.h"
#include "xact.h"

/* Scans that decode the same columns, and how far the one came that came farthest. */
typedef struct KafkaBatchView
{
	Bitmapset  *attributes;		/* their numbers */
	int			level;			/* the lowest nest level of transactions in which one began; 0: that was rolled back */
	int			decoded;		/* so many records, from the batch's first */
} KafkaBatchView;

typedef struct KafkaBatchSource
{
	KafkaSource source;
	Relation	relation;
	const KafkaBatch *batch;
	uint64		number;			/* the batch's, see bound_number */
	int			next;			/* from the batch's first record */
	KafkaBatchView *view;
} KafkaBatchSource;

static Oid	bound_relid = InvalidOid;
static KafkaBatch bound_batch;

/* Tells the batch that is bound from those before it, which scans of open cursors may have begun. */
static uint64 bound_number = 0;

static List *bound_views = NIL;
static MemoryContext view_context = NULL;	/* holds them; the transaction's */

void
kfdw_batch_bind(Oid relid, KafkaBatch batch)
{
	if (view_context == NULL)
		view_context = AllocSetContextCreate(TopTransactionContext, "kafka_fdw batch", ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(view_context);
	bound_views = NIL;
	bound_number++;
	bound_relid = relid;
	bound_batch = batch;
}

bool
kfdw_batch_is_bound(void)
{
	return OidIsValid(bound_relid);
}

const KafkaBatch *
kfdw_batch_bound(Oid relid)
{
	return OidIsValid(bound_relid) && relid == bound_relid ? &bound_batch : NULL;
}

void
kfdw_batch_unbind(void)
{
	bound_relid = InvalidOid;
}

/* Not before: triggers that are deferred read the batch, too. */
static void
end_transaction(bool committed)
{
	kfdw_batch_unbind();
	view_context = NULL;
}

/* What is rolled back has used no column. */
static void
end_subtransaction(int level, bool committed)
{
	ListCell   *lc;

	if (!kfdw_batch_is_bound())
		return;
	foreach(lc, bound_views)
	{
		KafkaBatchView *view = lfirst(lc);

		if (view->level >= level)
			view->level = committed ? level - 1 : 0;
	}
}

static const KafkaParticipant participant = {.end = end_transaction,.end_subtransaction = end_subtransaction};

void
kfdw_batch_init(void)
{
	kfdw_xact_register(&participant);
}

KafkaOnError
kfdw_batch_on_error(const KafkaBatch *batch, KafkaOnError of_table)
{
	if (of_table != KAFKA_ON_ERROR_STOP && of_table != KAFKA_ON_ERROR_DEAD_LETTER)
		return of_table;
	return batch->set_aside != NULL ? KAFKA_ON_ERROR_DEAD_LETTER : KAFKA_ON_ERROR_STOP;
}

static KafkaSource *
begin_batch(const KafkaScanRequest *request)
{
	const KafkaBatch *batch = kfdw_batch_bound(RelationGetRelid(request->relation));
	KafkaBatchSource *source;

	if (batch == NULL)
		return NULL;
	source = palloc0(sizeof(KafkaBatchSource));
	source->relation = request->relation;
	source->number = bound_number;
	source->batch = batch;
	kfdw_source_take_options(&source->source, request->options);

	source->source.on_error = kfdw_batch_on_error(batch, request->options->on_error);
	return &source->source;
}

/* The view of these columns, which is made where there is none. */
static KafkaBatchView *
get_view(Bitmapset *attributes)
{
	KafkaBatchView *view;
	ListCell   *lc;

	foreach(lc, bound_views)
	{
		view = lfirst(lc);
		if (bms_equal(view->attributes, attributes))
			return view;
	}
	view = palloc0(sizeof(KafkaBatchView));
	view->attributes = bms_copy(attributes);
	bound_views = lappend(bound_views, view);
	return view;
}

/* Notes that they are used, even if the scan never reads. */
static void
note_columns(KafkaSource *base, const KafkaColumns *columns)
{
	KafkaBatchSource *source = (KafkaBatchSource *) base;
	MemoryContext old = MemoryContextSwitchTo(view_context);
	int			level = GetCurrentTransactionNestLevel();
	Bitmapset  *attributes = NULL;

	for (int i = 0; i < columns->natts; i++)
		if (columns->column[i].attnum != 0 && columns->column[i].needed)
			attributes = bms_add_member(attributes, columns->column[i].attnum);
	source->view = get_view(attributes);
	source->view->level = source->view->level == 0 ? level : Min(source->view->level, level);
	bms_free(attributes);
	MemoryContextSwitchTo(old);
}

/* How many records, from the batch's first, had a column decoded. */
static int
decoded(int attribute)
{
	int			most = 0;
	ListCell   *lc;

	foreach(lc, bound_views)
	{
		const KafkaBatchView *view = lfirst(lc);

		if (bms_is_member(attribute, view->attributes))
			most = Max(most, view->decoded);
	}
	return most;
}

/* What is left of the columns that scans use. */
static KafkaBatchRest
rest_of_columns(void)
{
	KafkaBatchRest rest = {.first = bound_batch.count};
	Bitmapset  *used = NULL;
	int			attribute = -1;
	ListCell   *lc;

	foreach(lc, bound_views)
	{
		const KafkaBatchView *view = lfirst(lc);

		if (view->level > 0)
			used = bms_add_members(used, view->attributes);
	}
	while ((attribute = bms_next_member(used, attribute)) >= 0)
	{
		int			first = decoded(attribute);

		if (first < bound_batch.count)
			rest.attributes = bms_add_member(rest.attributes, attribute);
		rest.first = Min(rest.first, first);
	}
	return rest;
}

KafkaBatchRest
kfdw_batch_rest(void)
{
	KafkaBatchRest rest = {.all = true};
	ListCell   *lc;

	if (bound_batch.set_aside == NULL)
		return rest_of_columns();
	foreach(lc, bound_views)
		rest.first = Max(rest.first, ((const KafkaBatchView *) lfirst(lc))->decoded);
	return rest;
}

/* A cursor outlives what it reads: where the statement has left it open, another piece of the batch is bound, or none. */
static void
check_not_over(const KafkaBatchSource *source)
{
	if (!kfdw_batch_is_bound() || source->number != bound_number)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_CURSOR_STATE),
				 errmsg("cannot go on reading \"%s\": the batch that this scan reads is over",
						RelationGetRelationName(source->relation)),
				 errhint("Close the cursor in the statement of the stream that opened it.")));
}

/* All of it: conditions filter, what they leave counts as read all the same. */
static void
read_batch(KafkaSource *base, const KafkaSourceFilter *filter)
{
	KafkaBatchSource *source = (KafkaBatchSource *) base;

	check_not_over(source);
	source->next = 0;
	kfdw_activity_set(base->activity, KAFKA_PROGRESS_RANGE, source->batch->count);
}

static bool
is_passed_over(const KafkaBatch *batch, int index)
{
	return batch->passed_over != NULL && batch->passed_over[index];
}

static KafkaRecord *
next_record(KafkaSource *base)
{
	KafkaBatchSource *source = (KafkaBatchSource *) base;
	const KafkaBatch *batch = source->batch;

	check_not_over(source);
	source->view->decoded = Max(source->view->decoded, source->next);
	while (source->next < batch->count && is_passed_over(batch, batch->first + source->next))
		source->next++;
	if (source->next == batch->count)
	{
		source->view->decoded = batch->count;
		return NULL;
	}
	kfdw_activity_set(base->activity, KAFKA_PROGRESS_DONE, source->next + 1);
	return kfdw_buffer_get(batch->buffer, batch->first + source->next++);
}

static void
set_aside(KafkaSource *base, const KafkaRecord *record, const ErrorData *error)
{
	KafkaBatchSource *source = (KafkaBatchSource *) base;
	const KafkaBatch *batch = source->batch;

	batch->set_aside(batch->argument, batch->first + source->next - 1, error);
}

/* The buffer is the worker's. */
static void
end_batch(KafkaSource *base)
{
}

const KafkaSourceKind kfdw_source_batch = {
	.begin = begin_batch,
	.note_columns = note_columns,
	.read = read_batch,
	.next = next_record,
	.set_aside = set_aside,
	.end = end_batch,
};
