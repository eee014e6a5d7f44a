/*
 * delivery.c
 *	  The ways in which records are delivered, and what all of them check.
 */
#include "postgres.h"

#include "delivery/delivery.h"

/*
 * What a record takes beside its key, value and headers: a batch of its own and all
 * lengths at their longest, which is how Kafka's clients and brokers count.
 */
#define RECORD_OVERHEAD (61 + 36)
#define HEADER_OVERHEAD 10

/* In the order in which they send when the transaction commits. */
static const KafkaDelivery *const deliveries[] = {
	&kfdw_delivery_sync,
};

KafkaDestination *
kfdw_delivery_begin(const KafkaTableOptions *options, Oid userid)
{
	for (size_t i = 0; i < lengthof(deliveries); i++)
		if (strcmp(deliveries[i]->name, options->delivery) == 0)
			return deliveries[i]->begin(options, userid);
	elog(ERROR, "delivery \"%s\" is missing", options->delivery);
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

void
kfdw_delivery_add(KafkaDestination *destination, const KafkaRecord *record)
{
	check_size(destination, record);
	destination->delivery->add(destination, record);
}

void
kfdw_delivery_send_now(KafkaDestination *destination, KafkaRecord *record)
{
	check_size(destination, record);
	destination->delivery->send_now(destination, record);
	record->topic = destination->topic;
}

void
kfdw_delivery_init(void)
{
	for (size_t i = 0; i < lengthof(deliveries); i++)
		kfdw_xact_register(&deliveries[i]->participant);
}
