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

#include "kafka/internal.h"

#define FIRST_SLICE_MS 500
#define RETRY_PAUSE_US 50000

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

/* Errors that the broker itself overcomes: the call asks again. */
static bool
is_passing(rd_kafka_resp_err_t error)
{
	switch (error)
	{
		case RD_KAFKA_RESP_ERR__TRANSPORT:
		case RD_KAFKA_RESP_ERR__TIMED_OUT:
		case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
		case RD_KAFKA_RESP_ERR__RESOLVE:
		case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
		case RD_KAFKA_RESP_ERR__WAIT_COORD:
		case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
		case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
		case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
		case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
		case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
		case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
		case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
			return true;
		default:
			return false;
	}
}

/* Asks for the topic's partitions. */
static rd_kafka_resp_err_t
ask_partitions(KafkaTopicCall *call, rd_kafka_topic_t *topic, int timeout_ms)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t error;

	error = rd_kafka_metadata(call->body.rk, 0, topic, &metadata, timeout_ms);
	if (error)
		return error;
	error = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
	if (!error)
		call->npartitions = metadata->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	if (!error && call->npartitions == 0)
		error = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
	return error;
}

/* Asks for the first or the end offsets of all partitions at once. */
static rd_kafka_resp_err_t
ask_offsets(KafkaTopicCall *call, int64 which, int64 *offsets, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(call->npartitions);
	rd_kafka_resp_err_t error;

	for (int p = 0; p < call->npartitions; p++)
		rd_kafka_topic_partition_list_add(list, call->topic, p)->offset = which;
	error = rd_kafka_offsets_for_times(call->body.rk, list, timeout_ms);
	for (int i = 0; i < list->cnt && !error; i++)
	{
		rd_kafka_topic_partition_t *partition = &list->elems[i];

		if (partition->err)
		{
			error = partition->err;
			call->error_partition = partition->partition;
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
ask_once(KafkaTopicCall *call, rd_kafka_topic_t *topic, int timeout_ms)
{
	rd_kafka_resp_err_t error;

	call->error_partition = -1;
	error = ask_partitions(call, topic, timeout_ms);
	if (error || !call->offsets)
		return error;
	free(call->low);
	free(call->end);
	call->low = calloc(call->npartitions, sizeof(int64));
	call->end = calloc(call->npartitions, sizeof(int64));
	if (call->low == NULL || call->end == NULL)
		return RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;

	/* the ends first: what is removed in between then shows as an empty range */
	error = ask_offsets(call, TIMESTAMP_END, call->end, timeout_ms);
	if (!error)
		error = ask_offsets(call, TIMESTAMP_FIRST, call->low, timeout_ms);
	return error;
}

/* The body of the call: asks until an answer or the deadline comes. */
static void
run_query(KafkaCallBody *body)
{
	KafkaTopicCall *call = (KafkaTopicCall *) body;
	rd_kafka_topic_t *topic = rd_kafka_topic_new(body->rk, call->topic, NULL);
	int64		deadline = now_ms() + call->timeout_ms;
	int			slice = FIRST_SLICE_MS;

	for (;;)
	{
		int64		left = deadline - now_ms();

		call->error = ask_once(call, topic, (int) Max(Min(left, slice), 1));
		if (!call->error || !is_passing(call->error) || body->abandoned || left <= slice)
			break;
		if (call->error == RD_KAFKA_RESP_ERR__TIMED_OUT)
			slice *= 2;
		else
			usleep(RETRY_PAUSE_US);
	}
	if (!call->error && call->offsets)
		call->cluster_id = rd_kafka_clusterid(body->rk, 100);
	if (call->error)
		snprintf(call->reason, sizeof(call->reason), "%s", rd_kafka_err2str(call->error));
	if (topic != NULL)
		rd_kafka_topic_destroy(topic);
}

/* Frees the call; may run on a thread. */
static void
release_query(KafkaCallBody *body)
{
	KafkaTopicCall *call = (KafkaTopicCall *) body;

	free(call->topic);
	free(call->low);
	free(call->end);
	free(call->cluster_id);
	free(call);
}

/* Asks and waits; every failure is an error that names server, topic and partition. */
KafkaTopicCall *
kfdw_topic_query(KafkaClient *client, const char *topic, bool offsets)
{
	KafkaTopicCall *call = calloc(1, sizeof(KafkaTopicCall));
	KafkaTopicCall failed;

	if (call == NULL || (call->topic = strdup(topic)) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	call->body.run = run_query;
	call->body.release = release_query;
	call->timeout_ms = client->request_timeout_ms;
	call->offsets = offsets;
	kfdw_call_run(client, &call->body);
	if (!call->error)
		return call;

	failed = *call;
	release_query(&call->body);
	if (is_passing(failed.error))
		kfdw_error_unreachable(client, topic);
	kfdw_error_topic(client, topic, failed.error_partition, failed.error, failed.reason);
}

void
kfdw_topic_query_done(KafkaTopicCall *call)
{
	release_query(&call->body);
}
