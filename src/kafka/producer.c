/*
 * producer.c
 *	  Sending records and waiting until every one of them is acknowledged.
 *
 * A backend keeps one producer for each set of properties.  Records are counted
 * when they are handed over and when their delivery report comes; the first report
 * of a failure is kept until the flush raises it.  After any failure the producer
 * is destroyed with all that it still holds, so that nothing is sent later.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kafka/client.h"
#include "kafka/error.h"
#include "kafka/fault.h"
#include "kafka/producer.h"
#include "kafka/topic.h"

/* What is known of a topic is believed for less than it takes to delete and create it. */
#define TOPIC_AGE_MS	20

/* How long sending waits at most until that is renewed. */
#define RENEWAL_MS		1000

/* Producers that a backend keeps open between transactions. */
#define MAX_PRODUCERS	8

/* The longest wait without a look at interrupts. */
#define SLICE_MS		50

/* The library fails a late record some time after its timeout; by then we do it. */
#define EXPIRY_SLACK_MS	250

/* produceva() takes its arguments as an array: these, and one for each header. */
#define FIXED_ARGUMENTS 6

typedef struct KafkaProducer KafkaProducer;

struct KafkaProducerTopic
{
	KafkaProducer *producer;
	char	   *name;
	rd_kafka_topic_t *topic;
	int			npartitions;
	TimestampTz known_at;		/* when the brokers last confirmed that it is there */
	bool		in_use;			/* records were sent since the last flush */
	struct KafkaProducerTopic *next;
};

struct KafkaProducer
{
	KafkaClient *client;
	KafkaProducerTopic *topics;
	struct KafkaProducer *next;

	bool		broken;			/* something failed: not to be used again */
	int			delivery_timeout_ms;
	bool		silent;			/* the last question had no answer: ask no more while sending */
	bool		purged;			/* what is reported as purged was too late */

	KafkaRecord *sent_now;		/* the report on it is kept in it; NULL: none */
	int64		outstanding;	/* sent, but no delivery report yet */
	int64		failed;			/* reports of failures; the transaction's abort destroys the producer */
	rd_kafka_resp_err_t error;	/* of the first failure */
	int32		error_partition;
	char		error_topic[256];
	char		error_reason[256];
};

static KafkaProducer *producers = NULL;

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

/* The library's report on a record, from inside our own rd_kafka_poll() or rd_kafka_flush(). */
static void
take_report(void *owner, const rd_kafka_message_t *message)
{
	KafkaProducer *producer = owner;

	producer->outstanding--;
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		if (producer->sent_now != NULL)
			keep_receipt(producer->sent_now, message);
		return;
	}
	producer->broken = true;
	if (producer->failed++ > 0)
		return;
	producer->error = producer->purged ? RD_KAFKA_RESP_ERR__MSG_TIMED_OUT : message->err;
	producer->error_partition = message->partition;
	strlcpy(producer->error_topic, rd_kafka_topic_name(message->rkt), sizeof(producer->error_topic));

	/* not rd_kafka_message_errstr(): it returns the payload of a record that was to be sent */
	strlcpy(producer->error_reason, rd_kafka_err2str(producer->error), sizeof(producer->error_reason));
}

/* Takes a producer off the list and destroys it with everything that it holds. */
static void
destroy_producer(KafkaProducer *producer)
{
	KafkaProducer **link = &producers;

	while (*link != producer)
		link = &(*link)->next;
	*link = producer->next;

	producer->client->owner = NULL;
	rd_kafka_purge(producer->client->rk,
				   RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	while (producer->topics != NULL)
	{
		KafkaProducerTopic *topic = producer->topics;

		producer->topics = topic->next;
		rd_kafka_topic_destroy(topic->topic);
		pfree(topic->name);
		pfree(topic);
	}
	kfdw_client_discard(producer->client);
	pfree(producer);
}

/* True when a producer is not to be used again: it failed, or its settings changed. */
static bool
is_useless(const KafkaProducer *producer)
{
	char		reason[256];

	return producer->broken || producer->outstanding > 0 || kfdw_client_is_stale(producer->client) ||
		rd_kafka_fatal_error(producer->client->rk, reason, sizeof(reason)) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* The end of the process; the clients were made before, so their own end comes after. */
static void
close_producers_at_exit(int code, Datum argument)
{
	while (producers != NULL)
		destroy_producer(producers);
}

/* Opens a producer and puts it on the list. */
static KafkaProducer *
open_producer(const KafkaConfig *config)
{
	static bool exit_callback_registered = false;
	KafkaProducer *producer = MemoryContextAllocZero(TopMemoryContext, sizeof(KafkaProducer));

	PG_TRY();
	{
		producer->client = kfdw_client_acquire(config);
	}
	PG_CATCH();
	{
		pfree(producer);
		PG_RE_THROW();
	}
	PG_END_TRY();
	producer->client->report = take_report;
	producer->client->owner = producer;
	producer->delivery_timeout_ms = config->delivery_timeout_ms;
	producer->next = producers;
	producers = producer;
	if (!exit_callback_registered)
		on_proc_exit(close_producers_at_exit, 0);
	exit_callback_registered = true;
	return producer;
}

/* The backend's producer for these settings, opened when there is none yet. */
static KafkaProducer *
get_producer(const KafkaConfig *config)
{
	char	   *key = kfdw_config_key(config);
	KafkaProducer *producer;

	for (producer = producers; producer != NULL; producer = producer->next)
		if (strcmp(producer->client->key, key) == 0)
			break;
	if (producer == NULL)
		producer = open_producer(config);
	pfree(key);
	return producer;
}

KafkaProducerTopic *
kfdw_producer_topic(const KafkaConfig *config, const char *name)
{
	KafkaProducer *producer = get_producer(config);
	KafkaProducerTopic *topic;

	for (topic = producer->topics; topic != NULL; topic = topic->next)
		if (strcmp(topic->name, name) == 0)
			return topic;
	topic = MemoryContextAllocZero(TopMemoryContext, sizeof(KafkaProducerTopic));
	topic->producer = producer;
	topic->name = MemoryContextStrdup(TopMemoryContext, name);
	topic->topic = rd_kafka_topic_new(producer->client->rk, name, NULL);
	if (topic->topic == NULL)
		kfdw_error_topic(producer->client, name, -1, rd_kafka_last_error(),
						 rd_kafka_err2str(rd_kafka_last_error()));
	topic->next = producer->topics;
	producer->topics = topic;
	return topic;
}

/* What the brokers have said of the topic. */
static void
take_answer(KafkaProducerTopic *topic, KafkaTopicCall *call)
{
	if (!call->error)
	{
		topic->npartitions = call->npartitions;
		topic->known_at = GetCurrentTimestamp();
	}
	topic->producer->silent = call->error != RD_KAFKA_RESP_ERR_NO_ERROR;
	kfdw_topic_done(call);
}

/* Asks the brokers for the topic, with the patience of a statement. */
static void
ask_topic(KafkaProducerTopic *topic)
{
	PG_TRY();
	{
		take_answer(topic, kfdw_topic_count(topic->producer->client, topic->name));
	}
	PG_CATCH();
	{
		/* a thread may go on using the client */
		topic->producer->broken = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * Renews what the library knows of the topic before records are sent: it refuses them
 * for a topic that was created again until it learns of that.  Where nobody answers
 * soon, sending tells.
 */
static void
renew_topic(KafkaProducerTopic *topic)
{
	int			timeout_ms = Min(RENEWAL_MS, Max(topic->producer->delivery_timeout_ms / 4, 1));

	if (topic->producer->silent)
		return;
	PG_TRY();
	{
		take_answer(topic, kfdw_topic_renew(topic->producer->client, topic->name, timeout_ms));
	}
	PG_CATCH();
	{
		topic->producer->broken = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* True when the topic may be another one by now. */
static bool
is_outdated(const KafkaProducerTopic *topic)
{
	return TimestampDifferenceExceeds(topic->known_at, GetCurrentTimestamp(), TOPIC_AGE_MS);
}

int
kfdw_producer_partition_count(KafkaProducerTopic *topic)
{
	if (is_outdated(topic))
		ask_topic(topic);
	return topic->npartitions;
}

/* Fills the arguments of produceva() for a record; returns their number. */
static size_t
fill_arguments(rd_kafka_vu_t *arguments, const KafkaProducerTopic *topic, const KafkaRecord *record)
{
	size_t		n = 0;

	arguments[n].vtype = RD_KAFKA_VTYPE_RKT;
	arguments[n++].u.rkt = topic->topic;
	arguments[n].vtype = RD_KAFKA_VTYPE_PARTITION;
	arguments[n++].u.i32 = record->partition == KAFKA_PARTITION_ANY ? RD_KAFKA_PARTITION_UA : record->partition;
	arguments[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
	arguments[n++].u.i = RD_KAFKA_MSG_F_COPY;
	arguments[n].vtype = RD_KAFKA_VTYPE_KEY;
	arguments[n].u.mem.ptr = unconstify(char *, record->key);
	arguments[n++].u.mem.size = record->key ? record->key_len : 0;
	arguments[n].vtype = RD_KAFKA_VTYPE_VALUE;
	arguments[n].u.mem.ptr = unconstify(char *, record->value);
	arguments[n++].u.mem.size = record->value ? record->value_len : 0;
	if (record->timestamp != KAFKA_NO_TIMESTAMP)
	{
		arguments[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
		arguments[n++].u.i64 = record->timestamp;
	}
	for (int i = 0; i < record->nheaders; i++)
	{
		const KafkaHeader *header = &record->headers[i];

		arguments[n].vtype = RD_KAFKA_VTYPE_HEADER;
		arguments[n].u.header.name = header->key;
		arguments[n].u.header.val = header->value;
		arguments[n++].u.header.size = header->value ? (ssize_t) header->value_len : 0;
	}
	return n;
}

/* Hands a record over once; the library's error code. */
static rd_kafka_resp_err_t
produce(const KafkaProducerTopic *topic, const KafkaRecord *record)
{
	rd_kafka_vu_t fixed[FIXED_ARGUMENTS + 8];
	rd_kafka_vu_t *arguments = fixed;
	rd_kafka_error_t *error;
	rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

	if (record->nheaders > 8)
		arguments = palloc((FIXED_ARGUMENTS + record->nheaders) * sizeof(rd_kafka_vu_t));
	error = rd_kafka_produceva(topic->producer->client->rk, arguments,
							   fill_arguments(arguments, topic, record));
	if (error != NULL)
	{
		code = rd_kafka_error_code(error);
		rd_kafka_error_destroy(error);
	}
	if (arguments != fixed)
		pfree(arguments);
	return code;
}

/* Raises the first failure that the delivery reports told. */
static void
check_reports(KafkaProducer *producer)
{
	rd_kafka_resp_err_t error = producer->error;

	if (producer->failed == 0)
		return;
	ereport_domain(ERROR, kfdw_fault_domain(error),
				   (errcode(kfdw_fault_sqlstate(error)),
					producer->error_partition >= 0 ?
					errmsg("could not deliver a record to topic \"%s\", partition %d: %s",
						   producer->error_topic, producer->error_partition, producer->error_reason) :
					errmsg("could not deliver a record to topic \"%s\": %s",
						   producer->error_topic, producer->error_reason),
					producer->client->error ?
					errdetail_internal("%s", producer->client->reason) : 0,
					producer->sent_now != NULL ?
					errhint("The record may be in the topic all the same.") :
					errhint("The transaction is rolled back; records of it that were delivered before may be in the topic.")));
}

/*
 * Gives up on records that nobody acknowledged in their time.  The library does so
 * itself, but not while it pauses between two attempts to connect.
 */
static void
expire(KafkaProducer *producer, TimestampTz since)
{
	if (producer->purged ||
		!TimestampDifferenceExceeds(since, GetCurrentTimestamp(),
									Min(producer->delivery_timeout_ms, PG_INT32_MAX - EXPIRY_SLACK_MS) + EXPIRY_SLACK_MS))
		return;
	producer->purged = true;
	rd_kafka_purge(producer->client->rk,
				   RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

void
kfdw_producer_send(KafkaProducerTopic *topic, const KafkaRecord *record)
{
	KafkaProducer *producer = topic->producer;
	TimestampTz since = 0;
	rd_kafka_resp_err_t error;

	if (!topic->in_use && is_outdated(topic))
		renew_topic(topic);
	topic->in_use = true;
	while ((error = produce(topic, record)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
	{
		int64		before = producer->outstanding;

		CHECK_FOR_INTERRUPTS();
		rd_kafka_poll(producer->client->rk, SLICE_MS);
		check_reports(producer);
		if (since == 0 || producer->outstanding < before)
			since = GetCurrentTimestamp();
		expire(producer, since);
	}
	if (error)
	{
		producer->broken = true;
		kfdw_error_topic(producer->client, topic->name, record->partition, error,
						 rd_kafka_err2str(error));
	}
	producer->outstanding++;

	/* reports come in the hundreds of thousands: take them while sending */
	if ((producer->outstanding & 0x3ff) == 0)
	{
		CHECK_FOR_INTERRUPTS();
		rd_kafka_poll(producer->client->rk, 0);
		check_reports(producer);
	}
}

/* All records are acknowledged, so their topics are there. */
static void
confirm_topics(KafkaProducer *producer)
{
	for (KafkaProducerTopic *topic = producer->topics; topic != NULL; topic = topic->next)
		if (topic->in_use)
		{
			topic->in_use = false;
			topic->known_at = GetCurrentTimestamp();
		}
}

void
kfdw_producer_flush(KafkaProducerTopic *topic)
{
	KafkaProducer *producer = topic->producer;
	TimestampTz since = GetCurrentTimestamp();

	while (producer->outstanding > 0)
	{
		rd_kafka_flush(producer->client->rk, SLICE_MS);
		kfdw_client_serve(producer->client);
		check_reports(producer);
		CHECK_FOR_INTERRUPTS();
		expire(producer, since);
	}
	check_reports(producer);
	confirm_topics(producer);
	producer->silent = false;
	producer->client->error = RD_KAFKA_RESP_ERR_NO_ERROR;
}

void
kfdw_producer_send_now(KafkaProducerTopic *topic, KafkaRecord *record)
{
	KafkaProducer *producer = topic->producer;

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
		destroy_producer(producer);
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
	KafkaProducer *next;
	int			kept = 0;

	for (KafkaProducer *producer = producers; producer != NULL; producer = next)
	{
		next = producer->next;
		if (is_useless(producer) || ++kept > MAX_PRODUCERS)
			destroy_producer(producer);
	}
}
