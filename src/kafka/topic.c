/*
 * topic.c
 *	  What the broker says of a topic: its partitions, their first and end offsets.
 *
 * One call on a thread asks for everything.  Its waits grow, so that a slow
 * link gets its answer and an abandoned call returns soon.
 */
#include "postgres.h"

#include <time.h>
#include <unistd.h>

#include "kafka/error.h"
#include "kafka/fault.h"
#include "kafka/topic.h"

#define FIRST_SLICE_MS 500
#define RETRY_PAUSE_US 50000

/* How long a topic to write to may be unknown before that is believed. */
#define UNKNOWN_TOPIC_MS 1000

/* In rd_kafka_offsets_for_times() these stand for the first and the end offset. */
#define TIMESTAMP_END	(-1)
#define TIMESTAMP_FIRST (-2)

/* Milliseconds of a clock that only ascends; usable on any thread. */
static int64
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Asks for the topic's partitions. */
static rd_kafka_resp_err_t
ask_partitions(KafkaTopicCall *query, rd_kafka_topic_t *topic, int timeout_ms)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t error;

	error = rd_kafka_metadata(query->client->rk, 0, topic, &metadata, timeout_ms);
	if (error)
		return error;
	error = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
	if (!error)
		query->npartitions = metadata->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	if (!error && query->npartitions == 0)
		error = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
	return error;
}

/* Asks for the first or the end offsets of all partitions at once. */
static rd_kafka_resp_err_t
ask_offsets(KafkaTopicCall *query, int64 which, int64 *offsets, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(query->npartitions);
	rd_kafka_resp_err_t error;

	for (int p = 0; p < query->npartitions; p++)
		rd_kafka_topic_partition_list_add(list, query->topic, p)->offset = which;
	error = rd_kafka_offsets_for_times(query->client->rk, list, timeout_ms);
	for (int i = 0; i < list->cnt && !error; i++)
	{
		rd_kafka_topic_partition_t *partition = &list->elems[i];

		if (partition->err)
		{
			error = partition->err;
			query->error_partition = partition->partition;
		}
		else if (partition->offset < 0)
			error = RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE;
		else
			offsets[partition->partition] = partition->offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return error;
}

/* One attempt at everything that is asked for. */
static rd_kafka_resp_err_t
ask_once(KafkaTopicCall *query, rd_kafka_topic_t *topic, int timeout_ms)
{
	rd_kafka_resp_err_t error;

	query->error_partition = -1;
	error = ask_partitions(query, topic, timeout_ms);
	if (error || query->question != KAFKA_ASK_TO_READ)
		return error;
	free(query->low);
	free(query->end);
	query->low = calloc(query->npartitions, sizeof(int64));
	query->end = calloc(query->npartitions, sizeof(int64));
	if (query->low == NULL || query->end == NULL)
		return RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;

	/* the ends first: what is removed in between then shows as an empty range */
	error = ask_offsets(query, TIMESTAMP_END, query->end, timeout_ms);
	if (!error)
		error = ask_offsets(query, TIMESTAMP_FIRST, query->low, timeout_ms);
	return error;
}

/* True when the brokers themselves overcome it. */
static bool
is_passing(rd_kafka_resp_err_t error)
{
	return kfdw_fault_course(error) == KAFKA_PASSES;
}

/* True when the same is to be asked again, so long after the first time. */
static bool
is_worth_asking(const KafkaTopicCall *query, int64 elapsed_ms)
{
	if (query->error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && query->question == KAFKA_ASK_TO_WRITE)
		return elapsed_ms < UNKNOWN_TOPIC_MS;
	return is_passing(query->error);
}

/* Asks until an answer or the deadline comes. */
static void
ask(KafkaTopicCall *query, rd_kafka_topic_t *topic)
{
	int64		began = now_ms();
	int64		deadline = began + query->client->request_timeout_ms;
	int			slice = FIRST_SLICE_MS;

	for (;;)
	{
		int64		left = deadline - now_ms();

		query->error = ask_once(query, topic, (int) Max(Min(left, slice), 1));
		if (!query->error || !is_worth_asking(query, now_ms() - began) || left <= slice ||
			query->call.abandoned || query->client->discarded)
			break;
		if (query->error == RD_KAFKA_RESP_ERR__TIMED_OUT)
			slice *= 2;
		else
			usleep(RETRY_PAUSE_US);
	}
}

/* On the thread. */
static void
run_query(KafkaCall *call)
{
	KafkaTopicCall *query = (KafkaTopicCall *) call;
	rd_kafka_topic_t *topic = rd_kafka_topic_new(query->client->rk, query->topic, NULL);

	ask(query, topic);
	if (!query->error && query->question == KAFKA_ASK_TO_READ)
		query->cluster_id = rd_kafka_clusterid(query->client->rk, 100);
	if (query->error)
		snprintf(query->reason, sizeof(query->reason), "%s", rd_kafka_err2str(query->error));
	if (topic != NULL)
		rd_kafka_topic_destroy(topic);
	kfdw_client_let_go(query->client);
}

/* Frees the call; may run on the thread. */
static void
release_query(KafkaCall *call)
{
	KafkaTopicCall *query = (KafkaTopicCall *) call;

	free(query->topic);
	free(query->low);
	free(query->end);
	free(query->cluster_id);
	free(query);
}

/* Waiting is of no use where the brokers refuse the client. */
static void
look_for_refusal(KafkaCall *call)
{
	KafkaClient *client = ((KafkaTopicCall *) call)->client;

	kfdw_client_serve(client);
	if (client->error && !is_passing(client->error))
		call->abandoned = 1;
}

KafkaTopicCall *
kfdw_topic_query(KafkaClient *client, const char *topic, KafkaTopicQuestion question)
{
	KafkaTopicCall *query = calloc(1, sizeof(KafkaTopicCall));
	KafkaTopicCall failed;

	if (query != NULL)
		query->topic = strdup(topic);
	if (query == NULL || query->topic == NULL)
	{
		free(query);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	query->call.run = run_query;
	query->call.release = release_query;
	query->call.look = look_for_refusal;
	query->client = client;
	query->question = question;
	kfdw_client_hold(client);
	kfdw_call_run(&query->call);
	if (!query->error)
		return query;

	failed = *query;
	release_query(&query->call);
	if (is_passing(failed.error))
		kfdw_error_unreachable(client, topic);
	kfdw_error_topic(client, topic, failed.error_partition, failed.error, failed.reason);
}

void
kfdw_topic_query_done(KafkaTopicCall *call)
{
	release_query(&call->call);
}
