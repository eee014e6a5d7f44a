/*
 * publication.c
 *	  Publishing a set of records in one Kafka transaction, and finding those that Kafka
 *	  refuses.
 *
 * A broker refuses a batch, and the library says so of all its records.  Which of them
 * are meant, trials tell: transactions of fewer and fewer records that are aborted.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "delivery/publication.h"
#include "kafka/fault.h"

/* A partition that the topic does not have would be waited for. */
static void
check_partition(KafkaProducerTopic *topic, const KafkaRecord *record)
{
	int			count;

	if (record->partition == KAFKA_PARTITION_ANY)
		return;
	count = kfdw_producer_partition_count(topic);
	if (record->partition >= count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic \"%s\" has no partition %d", record->topic, record->partition),
				 errdetail("It has partitions 0 to %d.", count - 1)));
}

/* Begins a transaction and sends some of the records in it. */
static KafkaProducer *
begin_and_send(const KafkaPublication *publication, int from, int to, bool one_by_one)
{
	KafkaProducer *producer = kfdw_producer_get(publication->producer);
	KafkaProducerTopic *topic = NULL;
	const char *name = NULL;

	kfdw_transaction_begin(producer);
	for (int i = from; i < to; i++)
	{
		const KafkaRecord *record = &publication->records[i];

		if (name == NULL || strcmp(name, record->topic) != 0)
			topic = kfdw_producer_topic(publication->producer, record->topic, InvalidOid);
		name = record->topic;
		check_partition(topic, record);
		kfdw_producer_send(topic, record);
		if (one_by_one)
			kfdw_producer_flush(topic);
	}
	if (topic != NULL)
		kfdw_producer_flush(topic);
	return producer;
}

/* True when it is the records, or one of them, that Kafka does not take. */
static bool
is_refusal(const KafkaPublication *publication, const ErrorData *error)
{
	switch (error->sqlerrcode)
	{
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_INVALID_PARAMETER_VALUE:
			return true;
		case ERRCODE_FDW_TABLE_NOT_FOUND:
		case ERRCODE_INSUFFICIENT_PRIVILEGE:
			return !publication->patient;
		default:
			return kfdw_fault_judge(error) == KAFKA_GIVE_UP;
	}
}

/*
 * Sends some of the records in a transaction; NULL when all of them were taken, else the
 * refusal.  Other errors go on.
 */
static ErrorData *
try_to_send(const KafkaPublication *publication, int from, int to, KafkaProducer **producer)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile refusal = NULL;

	/* that a producer cannot be had is no fault of the records */
	kfdw_transaction_prepare(kfdw_producer_get(publication->producer));
	PG_TRY();
	{
		*producer = begin_and_send(publication, from, to, false);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		refusal = CopyErrorData();
		if (!is_refusal(publication, refusal))
			PG_RE_THROW();
		FlushErrorState();
		kfdw_producer_end_transaction();
	}
	PG_END_TRY();
	return refusal;
}

bool
kfdw_publication_send(const KafkaPublication *publication)
{
	KafkaProducer *producer;

	if (try_to_send(publication, 0, publication->nrecords, &producer) != NULL)
		return false;
	kfdw_transaction_move_position(producer, publication->position);
	kfdw_transaction_commit(producer);
	return true;
}

/* Adds the refusals of some of the records to a list. */
static void
find_refused(const KafkaPublication *publication, int from, int to, List **refusals)
{
	KafkaProducer *producer;
	ErrorData  *error = try_to_send(publication, from, to, &producer);
	KafkaRefusal *refusal;

	check_stack_depth();
	if (error == NULL)
	{
		kfdw_transaction_abort(producer);
		return;
	}
	if (to - from > 1)
	{
		int			middle = from + (to - from) / 2;

		find_refused(publication, from, middle, refusals);
		find_refused(publication, middle, to, refusals);
		return;
	}
	refusal = palloc(sizeof(KafkaRefusal));
	refusal->index = from;
	refusal->error = error;
	*refusals = lappend(*refusals, refusal);
}

List *
kfdw_publication_find_refused(const KafkaPublication *publication)
{
	List	   *refusals = NIL;

	find_refused(publication, 0, publication->nrecords, &refusals);
	return refusals;
}

void
kfdw_publication_send_one_by_one(const KafkaPublication *publication)
{
	KafkaProducer *producer = begin_and_send(publication, 0, publication->nrecords, true);

	kfdw_transaction_move_position(producer, publication->position);
	kfdw_transaction_commit(producer);
}
