/*
 * delivery.c
 *	  The ways in which records are delivered, and what all of them check.
 */
#include "postgres.h"

#include "utils/lsyscache.h"

#include "delivery/delivery.h"
#include "delivery/partitioner.h"
#include "kafka/fault.h"

/*
 * What a record takes beside its key, value and headers: a batch of its own and all
 * lengths at their longest, which is how Kafka's clients and brokers count.
 */
#define RECORD_OVERHEAD (61 + 36)
#define HEADER_OVERHEAD 10

/* In the order in which they send when the transaction commits. */
static const KafkaDelivery *const deliveries[] = {
	&kfdw_delivery_async,
	&kfdw_delivery_sync,
	&kfdw_delivery_transactional,
	&kfdw_delivery_outbox,
};

struct KafkaWriter
{
	KafkaDestination *destination;
	KafkaPartitioner *partitioner;	/* NULL: the client's own */
};

/* The way in which records of a table are delivered. */
static const KafkaDelivery *
find_delivery(const char *name)
{
	for (size_t i = 0; i < lengthof(deliveries); i++)
		if (strcmp(deliveries[i]->name, name) == 0)
			return deliveries[i];
	elog(ERROR, "delivery \"%s\" is missing", name);
}

void
kfdw_delivery_check(const KafkaTableOptions *options)
{
	if (options->selection.ntopics > 1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot write to foreign table \"%s\", which reads several topics", get_rel_name(options->relid)),
				 errdetail("Its option \"topic\" is \"%s\".", options->topic),
				 errhint("Write to a foreign table of one of the topics.")));
}

KafkaWriter *
kfdw_delivery_begin(const KafkaTableOptions *options, Oid userid)
{
	KafkaWriter *writer = palloc(sizeof(KafkaWriter));

	kfdw_delivery_check(options);
	writer->partitioner = kfdw_partitioner_begin(options);
	writer->destination = find_delivery(options->delivery)->begin(options, userid);
	writer->destination->npartitions = writer->destination->delivery->count_partitions(writer->destination);
	return writer;
}

/* A record that is too large for Kafka is an error where it is inserted. */
static void
check_size(const KafkaDestination *destination, const KafkaRecord *record)
{
	size_t		size = RECORD_OVERHEAD + record->key_len + record->value_len;

	for (int i = 0; i < record->nheaders; i++)
		size += HEADER_OVERHEAD + strlen(record->headers[i].key) + record->headers[i].value_len;
	if (size > (size_t) destination->max_request_size)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("record for topic \"%s\" is too large", destination->topic),
				 errdetail("With key, value and headers it has up to %zu bytes; the option \"max_request_size\" allows %d.",
						   size, destination->max_request_size)));
}

/* A partition that the topic does not have is an error where its record is inserted. */
static void
check_partition(KafkaDestination *destination, const KafkaRecord *record)
{
	/* the topic may have grown */
	if (record->partition >= destination->npartitions)
		destination->npartitions = destination->delivery->count_partitions(destination);

	if (record->partition >= destination->npartitions && destination->npartitions > 0)
		kfdw_fault_no_partition(NULL, destination->topic, record->partition, destination->npartitions, NULL);
}

/* Checks what can be checked of a record before it is sent, and gives it a partition. */
static void
prepare_record(KafkaWriter *writer, KafkaRecord *record)
{
	KafkaDestination *destination = writer->destination;

	check_size(destination, record);
	if (record->partition != KAFKA_PARTITION_ANY)
		check_partition(destination, record);
	else if (writer->partitioner != NULL)
		record->partition = kfdw_partitioner_choose(writer->partitioner, record, destination->npartitions);
}

void
kfdw_delivery_add(KafkaWriter *writer, KafkaRecord *record)
{
	prepare_record(writer, record);
	writer->destination->delivery->add(writer->destination, record);
}

void
kfdw_delivery_send_now(KafkaWriter *writer, KafkaRecord *record)
{
	if (writer->destination->delivery->send_now == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("delivery \"%s\" cannot send a record at once", writer->destination->delivery->name),
				 errdetail("Where a record is will be known after COMMIT only."),
				 errhint("RETURNING of what the broker says, and kafka.produce(), need a table with delivery \"sync\" or \"async\".")));
	prepare_record(writer, record);
	writer->destination->delivery->send_now(writer->destination, record);
	record->topic = writer->destination->topic;
}

void
kfdw_delivery_init(void)
{
	for (size_t i = 0; i < lengthof(deliveries); i++)
		kfdw_xact_register(&deliveries[i]->participant);
}
