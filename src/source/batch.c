/*
 * batch.c
 *	  The batch of a stream as a source.
 */
#include "postgres.h"

#include "utils/rel.h"

#include "source/batch.h"
#include "source/source.h"
#include "xact.h"

typedef struct KafkaBatchSource
{
	KafkaSource source;
	Relation	relation;
	const KafkaBatch *batch;
	uint64		number;			/* the batch's, see bound_number */
	int			next;			/* from the batch's first record */
} KafkaBatchSource;

static Oid	bound_relid = InvalidOid;
static KafkaBatch bound_batch;

/* Tells the batch that is bound from those before it, which scans of open cursors may have begun. */
static uint64 bound_number = 0;

void
kfdw_batch_bind(Oid relid, KafkaBatch batch)
{
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
}

static const KafkaParticipant participant = {.end = end_transaction};

void
kfdw_batch_init(void)
{
	kfdw_xact_register(&participant);
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

	/* where the table does not get over a bad record, its stream says what becomes of it */
	if (source->source.on_error == KAFKA_ON_ERROR_STOP || source->source.on_error == KAFKA_ON_ERROR_DEAD_LETTER)
		source->source.on_error = batch->set_aside != NULL ? KAFKA_ON_ERROR_DEAD_LETTER : KAFKA_ON_ERROR_STOP;
	return &source->source;
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
	while (source->next < batch->count && is_passed_over(batch, batch->first + source->next))
		source->next++;
	if (source->next == batch->count)
		return NULL;
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
	.read = read_batch,
	.next = next_record,
	.set_aside = set_aside,
	.end = end_batch,
};
