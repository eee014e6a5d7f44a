/*
 * producer.c
 *	  Sending records and waiting until every one of them is acknowledged.
 *
 * A backend keeps one producer for each set of properties.  The first report of a
 * failure is kept until the flush raises it.  After any failure the producer is
 * destroyed with all that it still holds, so that nothing is sent later.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "kafka/error.h"
#include "kafka/fault.h"
#include "kafka/producer.h"
#include "kafka/sender.h"
#include "stat/wait.h"

/* Producers that a backend keeps open between transactions. */
#define MAX_PRODUCERS	8

typedef struct ReportingSender
{
	KafkaSender sender;
	KafkaRecord *sent_now;		/* the report on it is kept in it; NULL: none */
	int64		failed;			/* reports of failures; the transaction's abort destroys the producer */
	rd_kafka_resp_err_t error;	/* of the first failure that is not only another one's */
	int32		error_partition;
	char		error_topic[256];	/* empty: it is the transaction's */
	char		error_reason[256];
} ReportingSender;

static KafkaSender *producers = NULL;

/* Where a record is now. */
static void
keep_receipt(KafkaRecord *record, const rd_kafka_message_t *message)
{
	rd_kafka_timestamp_type_t type;

	record->partition = message->partition;
	record->offset = message->offset;
	record->timestamp = rd_kafka_message_timestamp(message, &type);
	record->timestamp_type = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ?
		KAFKA_TIMESTAMP_LOG_APPEND_TIME : KAFKA_TIMESTAMP_CREATE_TIME;
}

/* The report on a record. */
static void
take_report(KafkaSenderTopic *topic, const rd_kafka_message_t *message)
{
	KafkaSender *sender = topic->sender;
	ReportingSender *producer = (ReportingSender *) sender;

	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		if (producer->sent_now != NULL)
			keep_receipt(producer->sent_now, message);
		return;
	}
	sender->broken = true;
	if (producer->failed++ > 0 && producer->error != KFDW_ERROR_OTHER_RECORD)
		return;
	producer->error = kfdw_sender_error(sender, message);
	producer->error_partition = message->partition;
	strlcpy(producer->error_topic, rd_kafka_topic_name(message->rkt), sizeof(producer->error_topic));

	/* not rd_kafka_message_errstr(): it returns the payload of a record that was to be sent */
	strlcpy(producer->error_reason, rd_kafka_err2str(producer->error), sizeof(producer->error_reason));
}

/* What helps; brokers refuse a batch as a whole. */
static const char *
describe_way_out(const ReportingSender *producer)
{
	if (kfdw_error_is_fence(producer->sender.client, producer->error))
		return " " KFDW_CHECK_FENCE;
	if (producer->sent_now != NULL || producer->error != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
		return "";
	return " Where no record is larger than the topic's \"max.message.bytes\", a batch of them is: set \"batch_size\" to no more than that.";
}

/* What becomes of the records after a failure. */
static const char *
describe_rest(const ReportingSender *producer)
{
	if (producer->sent_now != NULL)
		return "The record may be in the topic all the same.";
	if (producer->sender.client->transaction_timeout_ms > 0)
		return "The transaction is rolled back, in Kafka too.";
	return "The transaction is rolled back; records of it that were delivered before may be in the topic.";
}

/*
 * When a Kafka transaction has failed, because brokers refuse a partition for example, the
 * library purges all of its records, and says no more of them.  What failed is the answer
 * to any function that needs a sound transaction; to begin another one does nothing else.
 */
static void
explain_purge(ReportingSender *producer)
{
	const KafkaClient *client = producer->sender.client;
	rd_kafka_error_t *error;

	if (!client->in_transaction || (producer->error != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
									producer->error != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT))
		return;
	error = rd_kafka_begin_transaction(client->rk);
	if (error != NULL && rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__STATE)
	{
		producer->error = rd_kafka_error_code(error);
		producer->error_topic[0] = '\0';
		strlcpy(producer->error_reason, rd_kafka_error_string(error), sizeof(producer->error_reason));
	}
	if (error != NULL)
		rd_kafka_error_destroy(error);
}

/* Raises the first failure that the delivery reports told. */
static void
check_reports(KafkaSender *sender)
{
	ReportingSender *producer = (ReportingSender *) sender;
	rd_kafka_resp_err_t error;

	if (producer->failed == 0)
		return;
	explain_purge(producer);
	error = producer->error;
	ereport_domain(ERROR, kfdw_fault_domain(error),
				   (errcode(kfdw_fault_sqlstate(error)),
					producer->error_topic[0] == '\0' ?
					errmsg("could not deliver records in a Kafka transaction: %s", producer->error_reason) :
					producer->error_partition >= 0 ?
					errmsg("could not deliver a record to topic \"%s\", partition %d: %s",
						   producer->error_topic, producer->error_partition, producer->error_reason) :
					errmsg("could not deliver a record to topic \"%s\": %s",
						   producer->error_topic, producer->error_reason),
					sender->client->error ?
					errdetail_internal("%s", sender->client->reason) : 0,
					errhint("%s%s", describe_rest(producer), describe_way_out(producer))));
}

/* Waits until a producer's records, or those for one of its topics, are reported on; a failure is an error. */
static void
await_reports(KafkaSender *sender, const int64 *outstanding)
{
	TimestampTz since = kfdw_wait_now();

	while (*outstanding > 0)
	{
		kfdw_sender_wait(sender, since);
		check_reports(sender);
		CHECK_FOR_INTERRUPTS();
	}
	check_reports(sender);
}

static const KafkaReports reports = {
	.size = sizeof(ReportingSender),
	.delicate = true,
	.take = take_report,
	.await = await_reports,
	.check = check_reports,
};

/* The end of the process; the clients were made before, so their own end comes after. */
static void
close_producers_at_exit(int code, Datum argument)
{
	while (producers != NULL)
		kfdw_sender_destroy(&producers, producers);
}

/* One producer at a time can use a transactional id: one of other settings goes. */
static void
close_transactional(const KafkaSender *kept)
{
	for (KafkaSender *sender = producers; sender != NULL; sender = sender->next)
		if (sender != kept && sender->client->transaction_timeout_ms > 0)
		{
			kfdw_sender_destroy(&producers, sender);
			return;
		}
}

/* The sender for these settings; one that failed before it was given records makes way for another. */
static KafkaSender *
get_sender(const KafkaConfig *config)
{
	KafkaSender *sender = kfdw_sender_get(&producers, &reports, config);

	if (!sender->broken || sender->outstanding > 0 || ((ReportingSender *) sender)->failed > 0)
		return sender;
	kfdw_sender_destroy(&producers, sender);
	return kfdw_sender_get(&producers, &reports, config);
}

KafkaProducer *
kfdw_producer_get(const KafkaConfig *config)
{
	static bool exit_callback_registered = false;
	KafkaSender *sender = get_sender(config);

	if (config->transaction_timeout_ms > 0)
		close_transactional(sender);
	if (!exit_callback_registered)
		on_proc_exit(close_producers_at_exit, 0);
	exit_callback_registered = true;
	return sender;
}

KafkaProducerTopic *
kfdw_producer_topic(const KafkaConfig *config, const char *name, Oid relid)
{
	return kfdw_sender_topic(kfdw_producer_get(config), name, relid);
}

int
kfdw_producer_partition_count(KafkaProducerTopic *topic)
{
	if (kfdw_sender_is_outdated(topic))
		kfdw_sender_ask_topic(topic);
	return topic->npartitions;
}

void
kfdw_producer_send(KafkaProducerTopic *topic, const KafkaRecord *record)
{
	KafkaSender *sender = topic->sender;

	kfdw_sender_take_turn(topic);
	if (!topic->in_use && kfdw_sender_is_outdated(topic))
		kfdw_sender_renew_topic(topic);
	kfdw_sender_hand_over(topic, record);

	/* reports come in the hundreds of thousands: take them while sending */
	if ((sender->outstanding & 0x3ff) == 0)
	{
		CHECK_FOR_INTERRUPTS();
		rd_kafka_poll(sender->client->rk, 0);
		check_reports(sender);
	}
}

/* All records are acknowledged, so their topics are there. */
static void
confirm_topics(KafkaSender *sender)
{
	for (KafkaProducerTopic *topic = sender->topics; topic != NULL; topic = topic->next)
		if (topic->in_use)
		{
			topic->in_use = false;
			topic->known_at = kfdw_wait_now();
		}
}

void
kfdw_producer_flush(KafkaProducerTopic *topic)
{
	KafkaSender *sender = topic->sender;

	await_reports(sender, &sender->outstanding);
	confirm_topics(sender);
	sender->silent = false;
	sender->client->error = RD_KAFKA_RESP_ERR_NO_ERROR;
}

void
kfdw_producer_send_now(KafkaProducerTopic *topic, KafkaRecord *record)
{
	ReportingSender *producer = (ReportingSender *) topic->sender;

	record->offset = KAFKA_NO_OFFSET;
	producer->sent_now = record;
	PG_TRY();
	{
		kfdw_producer_send(topic, record);
		kfdw_producer_flush(topic);
	}
	PG_CATCH();
	{
		/* the error may be caught, and what this one still holds is not to be sent later */
		kfdw_sender_destroy(&producers, &producer->sender);
		PG_RE_THROW();
	}
	PG_END_TRY();
	producer->sent_now = NULL;
}

/*
 * Only here, and not when one is asked for: while a transaction sends its records it
 * holds on to several producers.
 */
void
kfdw_producer_end_transaction(void)
{
	KafkaSender *next;
	int			kept = 0;

	for (KafkaSender *sender = producers; sender != NULL; sender = next)
	{
		next = sender->next;
		if (sender->outstanding > 0 || kfdw_sender_is_done_for(sender) || ++kept > MAX_PRODUCERS)
			kfdw_sender_destroy(&producers, sender);
	}
}
