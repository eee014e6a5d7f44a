/*
 * background.c
 *	  Sending records whose acknowledgements nobody waits for.
 *
 * Reports come whenever the library is polled: while later records are sent, at the
 * begin of statements, at the end of transactions.  A producer whose settings changed
 * goes on with what it holds, and is closed when that has been reported on.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kafka/background.h"
#include "kafka/fault.h"
#include "kafka/limit.h"
#include "kafka/sender.h"
#include "stat/counts.h"
#include "stat/wait.h"

/* Producers without records under way that a backend keeps open between transactions. */
#define MAX_IDLE_PRODUCERS	8

/* How long the end of a session waits for what it still has. */
#define EXIT_WAIT_MS	5000

/* Failures are told of once in such a time; they come in bursts. */
#define BURST_MS		1000

/* What is kept of failures until they are asked for: so many, and so much of their keys. */
#define MAX_FAILURES	10000
#define MAX_FAILURE_BYTES (1024 * 1024)

typedef struct KafkaBackground
{
	KafkaSender sender;
	TimestampTz last_sent;
} KafkaBackground;

/* Like KafkaFailure, malloc'ed: reports are taken where PostgreSQL's memory is none. */
typedef struct KeptFailure
{
	char	   *topic;
	int32		partition;
	char	   *key;
	size_t		key_len;
	rd_kafka_resp_err_t error;
} KeptFailure;

static KafkaSender *producers = NULL;

static KeptFailure *failures = NULL;
static int	nfailures = 0;
static size_t failure_bytes = 0;
static int64 failures_not_kept = 0;

/* What has not been told of yet: how many, and the first of them. */
static struct
{
	int64		count;
	char		topic[256];
	int32		partition;
	rd_kafka_resp_err_t error;
	char		reason[512];
	TimestampTz last_told;
}			burst;

/* Keeps a failure, unless there are too many. */
static void
keep_failure(const rd_kafka_message_t *message, rd_kafka_resp_err_t error)
{
	KeptFailure failure = {.partition = message->partition,.error = error,.key_len = message->key_len};

	if (failures == NULL)
		failures = malloc(MAX_FAILURES * sizeof(KeptFailure));
	if (failures != NULL && nfailures < MAX_FAILURES && failure_bytes + message->key_len <= MAX_FAILURE_BYTES)
	{
		failure.topic = strdup(rd_kafka_topic_name(message->rkt));
		failure.key = message->key != NULL ? malloc(message->key_len + 1) : NULL;
	}
	if (failure.topic == NULL || (message->key != NULL && failure.key == NULL))
	{
		free(failure.topic);
		free(failure.key);
		failures_not_kept++;
		return;
	}
	if (failure.key != NULL)
		memcpy(failure.key, message->key, message->key_len);
	failure_bytes += message->key_len;
	failures[nfailures++] = failure;
}

/* The report on a record. */
static void
take_report(KafkaSenderTopic *topic, const rd_kafka_message_t *message)
{
	KafkaSender *sender = topic->sender;
	rd_kafka_resp_err_t error = kfdw_sender_error(sender, message);

	if (error != RD_KAFKA_RESP_ERR__MSG_TIMED_OUT)
		sender->silent = false;
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
		kfdw_limit_forget();
	keep_failure(message, error);
	if (burst.count++ > 0)
		return;
	strlcpy(burst.topic, rd_kafka_topic_name(message->rkt), sizeof(burst.topic));
	burst.partition = message->partition;
	burst.error = error;
	strlcpy(burst.reason, sender->client->error ? sender->client->reason : "", sizeof(burst.reason));
}

/* Tells of the failures that nobody was told of; where they are returned, the log only. */
static void
tell_failures(int level)
{
	int64		count = burst.count;
	char		where[32] = "";

	if (count == 0)
		return;
	burst.count = 0;
	burst.last_told = kfdw_wait_now();
	if (burst.partition >= 0)
		snprintf(where, sizeof(where), ", partition %d", burst.partition);
	ereport(level,
			(errcode(kfdw_fault_sqlstate(burst.error)),
			 count == 1 ?
			 errmsg("could not deliver a record to topic \"%s\"%s: %s", burst.topic, where, rd_kafka_err2str(burst.error)) :
			 errmsg("could not deliver %lld records, the first one to topic \"%s\"%s: %s",
					(long long) count, burst.topic, where, rd_kafka_err2str(burst.error)),
			 burst.reason[0] != '\0' ? errdetail_internal("%s", burst.reason) : 0,
			 errhint("kafka.flush() returns the records that were not delivered.")));
}

void
kfdw_background_look(void)
{
	for (KafkaSender *sender = producers; sender != NULL; sender = sender->next)
		kfdw_client_serve(sender->client);
	if (TimestampDifferenceExceeds(burst.last_told, kfdw_wait_now(), BURST_MS))
		tell_failures(WARNING);
}

/* Waits until a producer's records, or those for one of its topics, are reported on. */
static void
await_reports(KafkaSender *sender, const int64 *outstanding)
{
	while (*outstanding > 0)
	{
		CHECK_FOR_INTERRUPTS();
		kfdw_sender_wait(sender, ((KafkaBackground *) sender)->last_sent);
	}
	if (sender->outstanding == 0 && !kfdw_fault_is_refusal(sender->client->error))
		sender->client->error = RD_KAFKA_RESP_ERR_NO_ERROR;
}

static const KafkaReports reports = {
	.size = sizeof(KafkaBackground),
	.take = take_report,
	.await = await_reports,
};

/*
 * The end of the session, at which its transaction may still be open: no interrupt is
 * served any more, and a client that waits for this is gone.
 */
static void
finish_at_exit(int code, Datum argument)
{
	TimestampTz began = kfdw_wait_now();

	for (KafkaSender *sender = producers; sender != NULL; sender = sender->next)
	{
		while (sender->outstanding > 0 &&
			   !TimestampDifferenceExceeds(began, kfdw_wait_now(), EXIT_WAIT_MS))
			kfdw_sender_wait(sender, ((KafkaBackground *) sender)->last_sent);
		for (const KafkaSenderTopic *topic = sender->topics; topic != NULL; topic = topic->next)
			if (topic->outstanding > 0)
				ereport(LOG,
						(errmsg("the session ends with %lld records for topic \"%s\" that were not acknowledged",
								(long long) topic->outstanding, topic->name),
						 sender->client->error ? errdetail_internal("%s", sender->client->reason) : 0));
	}
	tell_failures(LOG);
	while (producers != NULL)
		kfdw_sender_destroy(&producers, producers);
	kfdw_counts_flush();
}

/* In this transaction a producer that was refused has made way for a new one: the new one is not to do so, too. */
static bool replaced = false;

/*
 * The producer for these settings.  One that the library has closed makes way for a new one, and so does one that
 * was refused and has nothing left: the new one reads the files of certificates again.
 */
static KafkaSender *
get_producer(const KafkaConfig *config)
{
	KafkaSender *sender = kfdw_sender_get(&producers, &reports, config);

	if (!kfdw_sender_is_dead(sender))
	{
		if (sender->outstanding > 0 || replaced || !kfdw_fault_is_refusal(sender->client->error))
			return sender;
		replaced = true;
	}
	sender->retired = true;
	kfdw_sender_give_up(sender);
	return kfdw_sender_get(&producers, &reports, config);
}

KafkaOutlet *
kfdw_background_begin(const KafkaConfig *config, const char *topic, Oid relid)
{
	static bool exit_callback_registered = false;
	KafkaConfig fitting = kfdw_limit_batches(config, topic);
	KafkaSender *sender = get_producer(&fitting);
	KafkaOutlet *outlet;

	if (!exit_callback_registered)
		before_shmem_exit(finish_at_exit, 0);
	exit_callback_registered = true;
	outlet = kfdw_sender_topic(sender, topic, relid);
	kfdw_sender_take_turn(outlet);
	return outlet;
}

int
kfdw_background_partition_count(KafkaOutlet *topic)
{
	if (topic->npartitions == 0)
		kfdw_sender_ask_topic(topic);
	else if (kfdw_sender_is_outdated(topic))
		kfdw_sender_renew_topic(topic);
	return topic->npartitions;
}

void
kfdw_background_send(KafkaOutlet *topic, const KafkaRecord *record)
{
	KafkaSender *sender = topic->sender;

	kfdw_sender_take_turn(topic);
	kfdw_sender_hand_over(topic, record);
	((KafkaBackground *) sender)->last_sent = kfdw_wait_now();

	/* reports come in the hundreds of thousands: take them while sending */
	if ((sender->outstanding & 0x3ff) == 0)
	{
		CHECK_FOR_INTERRUPTS();
		rd_kafka_poll(sender->client->rk, 0);
	}
}

void
kfdw_background_flush(void)
{
	for (KafkaSender *sender = producers; sender != NULL; sender = sender->next)
		await_reports(sender, &sender->outstanding);
	tell_failures(LOG);
}

int
kfdw_background_failure_count(void)
{
	return nfailures;
}

KafkaFailure
kfdw_background_failure(int number)
{
	const KeptFailure *kept = &failures[number];

	return (KafkaFailure) {kept->topic, kept->partition, kept->key, kept->key_len, rd_kafka_err2str(kept->error)};
}

int64
kfdw_background_failures_not_kept(void)
{
	return failures_not_kept;
}

void
kfdw_background_forget_failures(void)
{
	for (int i = 0; i < nfailures; i++)
	{
		free(failures[i].topic);
		free(failures[i].key);
	}
	free(failures);
	failures = NULL;
	nfailures = 0;
	failure_bytes = 0;
	failures_not_kept = 0;
}

void
kfdw_background_end_transaction(void)
{
	KafkaSender *next;
	int			kept = 0;

	replaced = false;
	for (KafkaSender *sender = producers; sender != NULL; sender = next)
	{
		next = sender->next;
		rd_kafka_poll(sender->client->rk, 0);
		if (sender->outstanding == 0 && (kfdw_sender_is_done_for(sender) || ++kept > MAX_IDLE_PRODUCERS))
			kfdw_sender_destroy(&producers, sender);
	}
}
