/*
 * topic.c
 *	  What the broker says of a topic: its partitions, their first and end offsets.
 *
 * One call on a thread asks for everything.  Its waits grow, so that a slow link gets
 * its answer and an abandoned call returns soon; they do not grow for long, so that a
 * leader that hangs is left soon after another one is there.  The leaders of partitions
 * are asked one by one: one that is gone keeps no answer of the others back.
 */
#include "postgres.h"

#include <unistd.h>

#include "kafka/error.h"
#include "kafka/fault.h"
#include "kafka/topic.h"

#define FIRST_SLICE_MS 500
#define LONGEST_SLICE_MS 5000
#define RETRY_PAUSE_US 50000

/* How long a topic to write to may be unknown before that is believed. */
#define UNKNOWN_TOPIC_MS 1000

/* In rd_kafka_offsets_for_times() these stand for the first and the end offset. */
#define TIMESTAMP_END	(-1)
#define TIMESTAMP_FIRST (-2)

/* Stands for the times of a call. */
#define TIMESTAMP_GIVEN	0

/* True when the same is to be asked again. */
static bool
is_passing(rd_kafka_resp_err_t error)
{
	return kfdw_fault_course(error) == KAFKA_PASSES;
}

/* The same for a partition: one that its broker does not know yet is in the metadata. */
static bool
is_passing_partition(rd_kafka_resp_err_t error)
{
	return is_passing(error) || error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/* Makes room for the answers; what is known already is kept. */
static rd_kafka_resp_err_t
set_partition_count(KafkaTopicCall *query, int count)
{
	KafkaPartitionAnswer *partitions = query->partitions;

	if (count > query->npartitions)
		partitions = realloc(partitions, count * sizeof(KafkaPartitionAnswer));
	if (partitions == NULL)
		return count == 0 ? RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE : RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
	for (int p = query->npartitions; p < count; p++)
		partitions[p] = (KafkaPartitionAnswer) {.leader = -1, .low = -1, .end = -1};
	query->partitions = partitions;
	query->npartitions = count;
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Takes over what the metadata say of a topic. */
static rd_kafka_resp_err_t
take_metadata(KafkaTopicCall *query, const struct rd_kafka_metadata_topic *topic)
{
	rd_kafka_resp_err_t error = topic->err;

	if (!error)
		error = set_partition_count(query, topic->partition_cnt);
	for (int i = 0; i < topic->partition_cnt && !error; i++)
	{
		const struct rd_kafka_metadata_partition *source = &topic->partitions[i];

		if (source->id < 0 || source->id >= query->npartitions)
			continue;
		query->partitions[source->id].leader = source->leader;
		if (source->leader < 0)
			query->partitions[source->id].error = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
	}
	return error;
}

/* A broker that the client started from is one more, unless it goes by the same name. */
static void
count_brokers(KafkaTopicCall *query, const struct rd_kafka_metadata *metadata)
{
	const char *servers = query->client->servers;

	query->nbrokers = 1;
	for (const char *c = servers; *c != '\0'; c++)
		query->nbrokers += *c == ',';
	for (int i = 0; i < metadata->broker_cnt; i++)
	{
		char		address[300];

		snprintf(address, sizeof(address), "%s:%d", metadata->brokers[i].host, metadata->brokers[i].port);
		query->nbrokers += strstr(servers, address) == NULL;
	}
}

/* Asks for the topic's partitions and their leaders. */
static rd_kafka_resp_err_t
ask_partitions(KafkaTopicCall *query, rd_kafka_topic_t *topic, int timeout_ms)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t error;

	error = rd_kafka_metadata(query->client->rk, 0, topic, &metadata, timeout_ms);
	if (error)
		return error;
	count_brokers(query, metadata);
	error = metadata->topic_cnt == 1 ? take_metadata(query, &metadata->topics[0]) :
		RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
	rd_kafka_metadata_destroy(metadata);
	return error;
}

/* True when a partition's offsets are to be asked for. */
static bool
is_wanted(const KafkaTopicCall *query, int partition)
{
	return query->partitions[partition].end < 0 &&
		(query->required == NULL || (partition < query->nrequired && query->required[partition]));
}

/* Takes over what came for a partition. */
static void
take_offset(KafkaPartitionAnswer *answer, const rd_kafka_topic_partition_t *partition, int64 which)
{
	answer->error = partition->err;
	if (!answer->error && which == TIMESTAMP_GIVEN)
	{
		answer->end = partition->offset < 0 ? PG_INT64_MAX : partition->offset;
		answer->low = 0;
		return;
	}
	if (!answer->error && partition->offset < 0)
		answer->error = RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE;
	if (answer->error)
		return;
	if (which == TIMESTAMP_END)
		answer->end = partition->offset;
	else
		answer->low = partition->offset;
}

/* Asks a leader for the ends of its partitions that are wanted, or the first offsets of those with an end. */
static rd_kafka_resp_err_t
ask_offsets(KafkaTopicCall *query, int32 leader, int64 which, const bool *wanted, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(query->npartitions);
	rd_kafka_resp_err_t error;

	for (int p = 0; p < query->npartitions; p++)
		if (wanted[p] && query->partitions[p].leader == leader &&
			(which != TIMESTAMP_FIRST || query->partitions[p].end >= 0))
			rd_kafka_topic_partition_list_add(list, query->topic, p)->offset =
				which == TIMESTAMP_GIVEN ? query->times[p] : which;
	error = list->cnt == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR :
		rd_kafka_offsets_for_times(query->client->rk, list, timeout_ms);
	for (int i = 0; i < list->cnt; i++)
	{
		KafkaPartitionAnswer *answer = &query->partitions[list->elems[i].partition];

		if (error)
			answer->error = error;
		else
			take_offset(answer, &list->elems[i], which);
	}
	rd_kafka_topic_partition_list_destroy(list);
	return error;
}

/* Asks a leader for the times, or for both offsets; the ends first: what is removed in between then shows as an empty range. */
static rd_kafka_resp_err_t
ask_leader(KafkaTopicCall *query, int32 leader, const bool *wanted, int timeout_ms)
{
	rd_kafka_resp_err_t error;

	if (query->times != NULL)
		return ask_offsets(query, leader, TIMESTAMP_GIVEN, wanted, timeout_ms);
	error = ask_offsets(query, leader, TIMESTAMP_END, wanted, timeout_ms);
	if (!error)
		error = ask_offsets(query, leader, TIMESTAMP_FIRST, wanted, timeout_ms);
	for (int p = 0; p < query->npartitions; p++)
		if (query->partitions[p].low < 0)
			query->partitions[p].end = -1;
	return error;
}

/* One attempt at all that is wanted. */
static rd_kafka_resp_err_t
ask_leaders(KafkaTopicCall *query, int timeout_ms)
{
	bool	   *wanted = calloc(query->npartitions, sizeof(bool));
	rd_kafka_resp_err_t worst = RD_KAFKA_RESP_ERR_NO_ERROR;

	if (wanted == NULL)
		return RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
	for (int p = 0; p < query->npartitions; p++)
		wanted[p] = is_wanted(query, p);
	for (int p = 0; p < query->npartitions; p++)
	{
		int32		leader = query->partitions[p].leader;
		rd_kafka_resp_err_t error;

		if (!wanted[p] || leader < 0)
			continue;
		error = ask_leader(query, leader, wanted, timeout_ms);
		if (error)
			worst = error;
		for (int other = p; other < query->npartitions; other++)
			if (query->partitions[other].leader == leader)
				wanted[other] = false;
	}
	free(wanted);
	return worst;
}

/*
 * What is to be said of the offsets so far: an error that passes asks again.  Where
 * nothing is required one partition's answer is enough.
 */
static rd_kafka_resp_err_t
judge_offsets(const KafkaTopicCall *query)
{
	rd_kafka_resp_err_t passing = RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_resp_err_t lasting = RD_KAFKA_RESP_ERR_NO_ERROR;
	bool		answered = false;

	for (int p = 0; p < query->npartitions; p++)
	{
		const KafkaPartitionAnswer *answer = &query->partitions[p];

		answered |= answer->end >= 0;
		if (!is_wanted(query, p))
			continue;
		if (answer->error && !is_passing_partition(answer->error))
			lasting = answer->error;
		else
			passing = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
	}
	if (query->required == NULL && answered)
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	return lasting ? lasting : passing;
}

/* One attempt at everything that is asked for; *slow: it was cut short. */
static rd_kafka_resp_err_t
ask_once(KafkaTopicCall *query, rd_kafka_topic_t *topic, int timeout_ms, bool *slow)
{
	rd_kafka_resp_err_t error = ask_partitions(query, topic, timeout_ms);

	*slow = error == RD_KAFKA_RESP_ERR__TIMED_OUT;
	query->is_known = !error;
	if (error || query->count_only)
		return error;
	*slow = ask_leaders(query, timeout_ms) == RD_KAFKA_RESP_ERR__TIMED_OUT;
	return judge_offsets(query);
}

/* True when brokers tell the partitions, no leader of them answers, and nobody requires that. */
static bool
is_silent(const KafkaTopicCall *query)
{
	return query->is_known && is_passing(query->error) && query->required == NULL && !query->count_only;
}

/* True when everything is to be asked again, so long after the first time. */
static bool
is_worth_asking(const KafkaTopicCall *query, int64 elapsed_ms)
{
	if (query->error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && query->count_only)
		return elapsed_ms < UNKNOWN_TOPIC_MS;
	return is_passing(query->error) && (!is_silent(query) || elapsed_ms < query->patience_ms);
}

/* Asks until an answer or the deadline comes. */
static void
ask(KafkaTopicCall *query, rd_kafka_topic_t *topic)
{
	int64		began = kfdw_call_now_ms();
	int64		deadline = began + query->timeout_ms;
	int			slice = FIRST_SLICE_MS;

	for (;;)
	{
		int64		left = deadline - kfdw_call_now_ms();
		bool		slow;

		query->error = ask_once(query, topic, (int) Max(Min(left, slice), 1), &slow);
		if (!query->error || !is_worth_asking(query, kfdw_call_now_ms() - began) || left <= slice ||
			query->call.abandoned || query->client->discarded)
			break;
		if (slow)
			slice = Min(2 * slice, LONGEST_SLICE_MS);
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
	if ((!query->error || is_silent(query)) && !query->count_only)
	{
		query->cluster_id = rd_kafka_clusterid(query->client->rk, 100);

		/* once for a statement, with the question what there is */
		if (query->required == NULL)
			query->topic_id = kfdw_library_topic_id(query->client->rk, query->topic, FIRST_SLICE_MS);
	}
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
	free(query->required);
	free(query->times);
	free(query->partitions);
	free(query->cluster_id);
	free(query->topic_id);
	free(query);
}

/* True when brokers have told the client of an error that lasts. */
static bool
is_refused(const KafkaClient *client)
{
	return client->error && !is_passing(client->error);
}

/* Waiting is of no use where the brokers refuse the client. */
static void
look_for_refusal(KafkaCall *call)
{
	KafkaClient *client = ((KafkaTopicCall *) call)->client;

	kfdw_client_serve(client);
	if (is_refused(client))
		call->abandoned = 1;
}

/* Makes a call; there is no memory for it only when there is none at all. */
static KafkaTopicCall *
make_query(KafkaClient *client, const char *topic, int nrequired)
{
	KafkaTopicCall *query = calloc(1, sizeof(KafkaTopicCall));

	if (query != NULL)
	{
		query->topic = strdup(topic);
		query->required = nrequired > 0 ? calloc(nrequired, sizeof(bool)) : NULL;
		if (query->topic == NULL || (nrequired > 0 && query->required == NULL))
		{
			release_query(&query->call);
			query = NULL;
		}
	}
	if (query == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	query->call.run = run_query;
	query->call.release = release_query;
	query->call.look = look_for_refusal;
	query->client = client;
	query->timeout_ms = client->request_timeout_ms;
	query->nrequired = nrequired;
	return query;
}

/* Runs a call and waits; that nothing can be told of the topic is an error. */
static KafkaTopicCall *
run(KafkaTopicCall *query)
{
	KafkaClient *client = query->client;
	rd_kafka_resp_err_t error;
	char	   *topic;

	kfdw_client_hold(client);
	kfdw_call_run(&query->call);
	kfdw_client_account(client, query->nbrokers);
	error = query->error;
	if (!error || query->required != NULL || (query->may_be_silent && is_passing(error)) ||
		(is_silent(query) && !is_refused(client)))
		return query;
	topic = pstrdup(query->topic);
	release_query(&query->call);
	if (is_passing(error))
		kfdw_error_unreachable(client, topic);
	kfdw_error_topic(client, topic, -1, error, rd_kafka_err2str(error));
}

KafkaTopicCall *
kfdw_topic_count(KafkaClient *client, const char *topic)
{
	KafkaTopicCall *query = make_query(client, topic, 0);

	query->count_only = true;
	return run(query);
}

KafkaTopicCall *
kfdw_topic_renew(KafkaClient *client, const char *topic, int timeout_ms)
{
	KafkaTopicCall *query = make_query(client, topic, 0);

	query->count_only = true;
	query->may_be_silent = true;
	query->timeout_ms = timeout_ms;
	return run(query);
}

KafkaTopicCall *
kfdw_topic_look(KafkaClient *client, const char *topic, int patience_ms)
{
	KafkaTopicCall *query = make_query(client, topic, 0);

	query->patience_ms = patience_ms;
	return run(query);
}

KafkaTopicCall *
kfdw_topic_offsets(KafkaClient *client, const char *topic, const bool *required, int nrequired)
{
	KafkaTopicCall *query = make_query(client, topic, nrequired);

	memcpy(query->required, required, nrequired * sizeof(bool));
	return run(query);
}

KafkaTopicCall *
kfdw_topic_times(KafkaClient *client, const char *topic, const int64 *times, int ntimes)
{
	KafkaTopicCall *query = make_query(client, topic, ntimes);

	query->times = calloc(ntimes, sizeof(int64));
	if (query->times == NULL)
	{
		release_query(&query->call);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	memcpy(query->times, times, ntimes * sizeof(int64));
	for (int p = 0; p < ntimes; p++)
		query->required[p] = times[p] > 0;
	return run(query);
}

void
kfdw_topic_done(KafkaTopicCall *query)
{
	release_query(&query->call);
}
