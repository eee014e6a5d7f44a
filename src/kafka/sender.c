/*
 * sender.c
 *	  A producer's handle and the topics that it sends to.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kafka/error.h"
#include "kafka/fault.h"
#include "kafka/sender.h"
#include "kafka/topic.h"
#include "stat/counts.h"
#include "stat/wait.h"

/* What is known of a topic is believed for less than it takes to delete and create it. */
#define TOPIC_AGE_MS	20

/* How long sending waits at most until that is renewed. */
#define RENEWAL_MS		1000

/* The longest wait without a look at interrupts. */
#define SLICE_MS		50

/* The library fails a late record some time after its timeout; by then we do it. */
#define EXPIRY_SLACK_MS	250

/* So long after it was told to give up the library has said so, if ever. */
#define LOST_MS		5000

/* produceva() takes its arguments as an array. */
#define MAX_ARGUMENTS	8

/*
 * Counts what the library has written since the last report, by its threads: as that of
 * the table whose report comes first, which is the one that wrote it unless tables share
 * the sender.
 */
static void
count_requests(KafkaSender *sender, int64 *counts)
{
	if (__atomic_load_n(&sender->client->written.requests, __ATOMIC_RELAXED) == 0)
		return;
	counts[KAFKA_WRITING_BATCHES] += __atomic_exchange_n(&sender->client->written.requests, 0, __ATOMIC_RELAXED);
	counts[KAFKA_WRITING_BYTES_SENT] += __atomic_exchange_n(&sender->client->written.bytes, 0, __ATOMIC_RELAXED);
}

/* The library's report on a record. */
static void
take_report(void *owner, const rd_kafka_message_t *message)
{
	KafkaSender *sender = owner;
	KafkaSenderTopic *topic = message->_private;

	if (sender->outstanding == 0)
		return;					/* it was taken for lost */
	sender->outstanding--;
	topic->outstanding--;
	topic->turn->outstanding--;
	topic->counts[message->err ? KAFKA_WRITING_ERRORS : KAFKA_WRITING_ACKNOWLEDGED]++;
	count_requests(sender, topic->counts);
	sender->reports->take(topic, message);
	if (sender->outstanding == 0)
		sender->purged_at = 0;
}

/* Opens a sender. */
static KafkaSender *
open_sender(const KafkaReports *reports, const KafkaConfig *config)
{
	KafkaSender *sender = MemoryContextAllocZero(TopMemoryContext, reports->size);

	PG_TRY();
	{
		sender->client = kfdw_client_acquire(config);
	}
	PG_CATCH();
	{
		pfree(sender);
		PG_RE_THROW();
	}
	PG_END_TRY();
	sender->client->report = take_report;
	sender->client->owner = sender;
	sender->reports = reports;
	sender->delivery_timeout_ms = config->delivery_timeout_ms;
	sender->max_block_ms = config->max_block_ms;
	return sender;
}

KafkaSender *
kfdw_sender_get(KafkaSender **list, const KafkaReports *reports, const KafkaConfig *config)
{
	char	   *key = kfdw_config_key(config);
	KafkaSender *sender;

	for (sender = *list; sender != NULL; sender = sender->next)
		if (!sender->retired && strcmp(sender->client->key, key) == 0)
			break;
	if (sender == NULL)
	{
		sender = open_sender(reports, config);
		sender->next = *list;
		*list = sender;
	}
	pfree(key);
	return sender;
}

void
kfdw_sender_destroy(KafkaSender **list, KafkaSender *sender)
{
	while (*list != sender)
		list = &(*list)->next;
	*list = sender->next;

	sender->client->owner = NULL;
	kfdw_sender_give_up(sender);
	while (sender->topics != NULL)
	{
		KafkaSenderTopic *topic = sender->topics;

		sender->topics = topic->next;
		topic->counts[KAFKA_WRITING_ERRORS] += topic->outstanding;
		kfdw_turn_leave(topic->turn, sender, topic->outstanding);
		rd_kafka_topic_destroy(topic->topic);
		pfree(topic->name);
		pfree(topic);
	}
	kfdw_client_discard(sender->client);
	pfree(sender);
}

bool
kfdw_sender_is_dead(const KafkaSender *sender)
{
	char		reason[256];

	return rd_kafka_fatal_error(sender->client->rk, reason, sizeof(reason)) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

bool
kfdw_sender_is_done_for(const KafkaSender *sender)
{
	return sender->broken || sender->retired || sender->client->in_transaction || kfdw_client_is_stale(sender->client) || kfdw_sender_is_dead(sender);
}

void
kfdw_sender_give_up(KafkaSender *sender)
{
	rd_kafka_purge(sender->client->rk,
				   RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

KafkaSenderTopic *
kfdw_sender_topic(KafkaSender *sender, const char *name, Oid relid)
{
	KafkaSenderTopic *topic;

	for (topic = sender->topics; topic != NULL; topic = topic->next)
		if (topic->relid == relid && strcmp(topic->name, name) == 0)
			return topic;
	topic = MemoryContextAllocZero(TopMemoryContext, sizeof(KafkaSenderTopic));
	topic->sender = sender;
	topic->relid = relid;
	topic->counts = kfdw_counts_get(KAFKA_COUNTS_WRITING, relid);
	topic->name = MemoryContextStrdup(TopMemoryContext, name);
	topic->topic = rd_kafka_topic_new(sender->client->rk, name, NULL);
	if (topic->topic == NULL)
		kfdw_error_topic(sender->client, name, -1, rd_kafka_last_error(),
						 rd_kafka_err2str(rd_kafka_last_error()));
	topic->turn = kfdw_turn_get(sender->client->servers, name);
	topic->next = sender->topics;
	sender->topics = topic;
	return topic;
}

/* What the brokers have said of the topic. */
static void
take_answer(KafkaSenderTopic *topic, KafkaTopicCall *call)
{
	if (!call->error)
	{
		topic->npartitions = call->npartitions;
		topic->known_at = kfdw_wait_now();
	}
	topic->sender->silent = call->error != RD_KAFKA_RESP_ERR_NO_ERROR;
	kfdw_topic_done(call);
}

void
kfdw_sender_ask_topic(KafkaSenderTopic *topic)
{
	PG_TRY();
	{
		take_answer(topic, kfdw_topic_count(topic->sender->client, topic->name));
	}
	PG_CATCH();
	{
		/* a thread may go on using the client */
		topic->sender->broken = topic->sender->reports->delicate;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* How long the library may be asked for a topic again. */
static int
renewal_timeout_ms(const KafkaSender *sender)
{
	return Min(RENEWAL_MS, Max(sender->delivery_timeout_ms / 4, 1));
}

void
kfdw_sender_renew_topic(KafkaSenderTopic *topic)
{
	if (topic->sender->silent)
		return;
	PG_TRY();
	{
		take_answer(topic, kfdw_topic_renew(topic->sender->client, topic->name,
											 renewal_timeout_ms(topic->sender)));
	}
	PG_CATCH();
	{
		topic->sender->broken = topic->sender->reports->delicate;
		topic->sender->silent = geterrcode() == ERRCODE_QUERY_CANCELED;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

bool
kfdw_sender_is_outdated(const KafkaSenderTopic *topic)
{
	return TimestampDifferenceExceeds(topic->known_at, kfdw_wait_now(), TOPIC_AGE_MS);
}

/* The headers of a record as the library takes them; NULL: it has none. */
static rd_kafka_headers_t *
make_headers(const KafkaRecord *record)
{
	rd_kafka_headers_t *headers = record->nheaders > 0 ? rd_kafka_headers_new(record->nheaders) : NULL;

	for (int i = 0; i < record->nheaders; i++)
	{
		const KafkaHeader *header = &record->headers[i];

		rd_kafka_header_add(headers, header->key, -1, header->value,
							header->value ? (ssize_t) header->value_len : 0);
	}
	return headers;
}

/* Fills the arguments of produceva() for a record; returns their number. */
static size_t
fill_arguments(rd_kafka_vu_t *arguments, KafkaSenderTopic *topic, const KafkaRecord *record, rd_kafka_headers_t *headers)
{
	size_t		n = 0;

	arguments[n].vtype = RD_KAFKA_VTYPE_RKT;
	arguments[n++].u.rkt = topic->topic;
	arguments[n].vtype = RD_KAFKA_VTYPE_PARTITION;
	arguments[n++].u.i32 = record->partition == KAFKA_PARTITION_ANY ? RD_KAFKA_PARTITION_UA : record->partition;
	arguments[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
	arguments[n++].u.i = RD_KAFKA_MSG_F_COPY;
	arguments[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
	arguments[n++].u.ptr = topic;
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
	if (headers != NULL)
	{
		arguments[n].vtype = RD_KAFKA_VTYPE_HEADERS;
		arguments[n++].u.headers = headers;
	}
	return n;
}

/*
 * Hands a record over once; the library's error code.  It takes the headers all at once, as before
 * 2.12 it frees those it is given one by one twice when it does not take the record.
 */
static rd_kafka_resp_err_t
produce(KafkaSenderTopic *topic, const KafkaRecord *record)
{
	rd_kafka_vu_t arguments[MAX_ARGUMENTS];
	rd_kafka_headers_t *headers = make_headers(record);
	rd_kafka_error_t *error = rd_kafka_produceva(topic->sender->client->rk, arguments,
												 fill_arguments(arguments, topic, record, headers));
	rd_kafka_resp_err_t code;

	if (error == NULL)
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	code = rd_kafka_error_code(error);
	rd_kafka_error_destroy(error);
	if (headers != NULL)
		rd_kafka_headers_destroy(headers);
	return code;
}

/*
 * Says in the library's place that records were too late.  It was seen to report nothing
 * on them, not even that they are purged, after their topic was made anew (2.8).
 */
static void
report_lost(KafkaSender *sender)
{
	rd_kafka_message_t report = {.err = RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,.partition = RD_KAFKA_PARTITION_UA};

	sender->retired = true;
	for (KafkaSenderTopic *topic = sender->topics; topic != NULL; topic = topic->next)
	{
		report.rkt = topic->topic;
		report._private = topic;
		while (topic->outstanding > 0)
			take_report(sender, &report);
	}
}

/*
 * Gives up on records that nobody acknowledged in their time; false: it is not over yet.
 * The library does so itself, but not while it pauses between two attempts to connect.
 */
static bool
expire(KafkaSender *sender, TimestampTz since)
{
	int			patience = Min(sender->delivery_timeout_ms, PG_INT32_MAX - EXPIRY_SLACK_MS) + EXPIRY_SLACK_MS;
	TimestampTz end = TimestampTzPlusMilliseconds(since, patience);

	if (kfdw_wait_now() < end)
		return false;
	if (sender->purged_at < end)
	{
		sender->purged_at = kfdw_wait_now();
		kfdw_sender_give_up(sender);
	}
	return true;
}

/* The queue stays full for too long. */
static void
check_patience(const KafkaSenderTopic *topic, TimestampTz since)
{
	const KafkaSender *sender = topic->sender;

	if (!TimestampDifferenceExceeds(since, kfdw_wait_now(), sender->max_block_ms))
		return;
	ereport_domain(ERROR, kfdw_fault_domain(RD_KAFKA_RESP_ERR__QUEUE_FULL),
				   (errcode(kfdw_fault_sqlstate(RD_KAFKA_RESP_ERR__QUEUE_FULL)),
					errmsg("no room for a record for topic \"%s\" within %d ms", topic->name, sender->max_block_ms),
					sender->client->error ?
					errdetail("Records that are not acknowledged fill the buffer: %s", sender->client->reason) :
					errdetail("Records that are not acknowledged fill the buffer."),
					errhint("Raise \"max_block_ms\" to wait longer, or \"buffer_memory\" to keep more of them.")));
}

/* Waits a moment for room and reports; the times when that began, and when room was made for the last time. */
static void
wait_for_room(KafkaSenderTopic *topic, TimestampTz *full_since, TimestampTz *stuck_since)
{
	KafkaSender *sender = topic->sender;
	int64		before = sender->outstanding;

	CHECK_FOR_INTERRUPTS();
	rd_kafka_poll(sender->client->rk, SLICE_MS);
	if (sender->reports->check != NULL)
		sender->reports->check(sender);
	if (*stuck_since == 0 || sender->outstanding < before)
		*stuck_since = kfdw_wait_now();
	if (*full_since == 0)
		*full_since = *stuck_since;
	(void) expire(sender, *stuck_since);
	check_patience(topic, *full_since);
}

/* True where the record may be taken later, or the reports will tell why not: a transaction that has failed takes no more. */
static bool
is_to_wait(const KafkaSender *sender, rd_kafka_resp_err_t error)
{
	return error == RD_KAFKA_RESP_ERR__QUEUE_FULL ||
		(error == RD_KAFKA_RESP_ERR__STATE && sender->client->in_transaction && sender->outstanding > 0);
}

void
kfdw_sender_take_turn(KafkaSenderTopic *topic)
{
	KafkaTurn  *turn = topic->turn;

	if (turn->sender == topic->sender)
		return;
	if (turn->outstanding > 0)
		turn->sender->reports->await(turn->sender, &turn->outstanding);
	turn->sender = topic->sender;
}

void
kfdw_sender_hand_over(KafkaSenderTopic *topic, const KafkaRecord *record)
{
	KafkaSender *sender = topic->sender;
	TimestampTz full_since = 0;
	TimestampTz stuck_since = 0;
	rd_kafka_resp_err_t error;

	topic->in_use = true;
	while (is_to_wait(sender, error = produce(topic, record)))
		wait_for_room(topic, &full_since, &stuck_since);
	if (error)
	{
		/* a failure that was told before tells why */
		if (sender->reports->check != NULL)
			sender->reports->check(sender);
		sender->broken = sender->reports->delicate;
		sender->silent = false; /* the library may know the topic no more: ask the next time */
		kfdw_error_topic(sender->client, topic->name, record->partition, error, rd_kafka_err2str(error));
	}
	sender->outstanding++;
	topic->outstanding++;
	topic->turn->outstanding++;
	topic->counts[KAFKA_WRITING_RECORDS]++;
	topic->counts[KAFKA_WRITING_BYTES] += record->key_len + record->value_len;
}

void
kfdw_sender_wait(KafkaSender *sender, TimestampTz since)
{
	rd_kafka_flush(sender->client->rk, SLICE_MS);
	kfdw_client_serve(sender->client);
	if (expire(sender, since) && TimestampDifferenceExceeds(sender->purged_at, kfdw_wait_now(), LOST_MS))
		report_lost(sender);
}

rd_kafka_resp_err_t
kfdw_sender_error(const KafkaSender *sender, const rd_kafka_message_t *message)
{
	if (sender->purged_at != 0 && message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
	return message->err;
}
