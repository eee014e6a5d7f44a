/*
 * publication.c
 *	  Publishing a set of records in one Kafka transaction.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "delivery/publication.h"
#include "kafka/fault.h"
#include "stat/wait.h"

/* Who waited for a topic in vain does not wait for it again so soon. */
#define GIVEN_UP_MS	(10 * 60 * 1000)

/* Marks the error of a partition that the topic does not have, so that it is known again. */
static const char domain_no_partition[] = "kafka_fdw-no-partition";

/* A topic that was waited for in vain. */
typedef struct GivenUp
{
	char	   *topic;
	TimestampTz at;
} GivenUp;

static List *given_up = NIL;

/* A partition that the topic does not have would be waited for. */
static void
check_partition(KafkaProducerTopic *topic, const KafkaRecord *record)
{
	int			count;

	if (record->partition == KAFKA_PARTITION_ANY)
		return;
	count = kfdw_producer_partition_count(topic);
	if (record->partition >= count)
		kfdw_fault_no_partition(domain_no_partition, record->topic, record->partition, count, NULL);
}

bool
kfdw_publication_lacks_partition(const ErrorData *error)
{
	return strcmp(error->domain, domain_no_partition) == 0;
}

/* Begins a transaction and sends some of the records in it, but for those that are left out. */
static KafkaProducer *
begin_and_send(const KafkaPublication *publication, int from, int to, const bool *left_out)
{
	KafkaProducer *producer = kfdw_producer_get(publication->producer);
	KafkaProducerTopic *topic = NULL;
	const char *name = NULL;

	kfdw_transaction_begin(producer);
	for (int i = from; i < to; i++)
	{
		const KafkaRecord *record = &publication->records[i];

		if (left_out != NULL && left_out[i])
			continue;
		if (name == NULL || strcmp(name, record->topic) != 0)
			topic = kfdw_producer_topic(publication->producer, record->topic, InvalidOid);
		name = record->topic;
		check_partition(topic, record);
		kfdw_producer_send(topic, record);
	}
	if (topic != NULL)
		kfdw_producer_flush(topic);
	return producer;
}

/* The entry of a topic; NULL: it was never waited for in vain. */
static GivenUp *
find_given_up(const char *topic)
{
	ListCell   *lc;

	foreach(lc, given_up)
		if (strcmp(((GivenUp *) lfirst(lc))->topic, topic) == 0)
			return lfirst(lc);
	return NULL;
}

void
kfdw_publication_give_up(const char *topic)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	GivenUp    *entry = find_given_up(topic);

	if (entry == NULL)
	{
		entry = palloc(sizeof(GivenUp));
		entry->topic = pstrdup(topic);
		given_up = lappend(given_up, entry);
	}
	entry->at = kfdw_wait_now();
	MemoryContextSwitchTo(old);
}

/* False when one of the topics of some records is not waited for again. */
static bool
is_patient(const KafkaPublication *publication, int from, int to)
{
	for (int i = from; publication->patient && i < to; i++)
	{
		const char *topic = publication->records[i].topic;
		const GivenUp *entry;

		if (i > from && strcmp(topic, publication->records[i - 1].topic) == 0)
			continue;
		entry = find_given_up(topic);
		if (entry != NULL && !TimestampDifferenceExceeds(entry->at, kfdw_wait_now(), GIVEN_UP_MS))
			return false;
	}
	return publication->patient;
}

bool
kfdw_publication_is_of_topic(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_FDW_TABLE_NOT_FOUND || error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE;
}

/* True when it is some of the records, or one of them, that Kafka does not take. */
static bool
is_refusal(const KafkaPublication *publication, int from, int to, const ErrorData *error)
{
	if (kfdw_publication_is_of_topic(error))
		return !is_patient(publication, from, to);
	return error->sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED || error->sqlerrcode == ERRCODE_INVALID_PARAMETER_VALUE ||
		error->sqlerrcode == ERRCODE_DATETIME_VALUE_OUT_OF_RANGE ||
		kfdw_fault_judge(error) == KAFKA_GIVE_UP;
}

ErrorData *
kfdw_publication_try(const KafkaPublication *publication, int from, int to, const bool *left_out,
					 KafkaProducer **producer)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile refusal = NULL;

	/* that a producer cannot be had is no fault of the records */
	kfdw_transaction_prepare(kfdw_producer_get(publication->producer));
	PG_TRY();
	{
		*producer = begin_and_send(publication, from, to, left_out);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		refusal = CopyErrorData();
		if (!is_refusal(publication, from, to, refusal))
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

	if (kfdw_publication_try(publication, 0, publication->nrecords, NULL, &producer) != NULL)
		return false;
	kfdw_transaction_move_position(producer, publication->position);
	kfdw_transaction_commit(producer);
	return true;
}
