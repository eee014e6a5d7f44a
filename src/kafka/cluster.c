/*
 * cluster.c
 *	  What a cluster says of itself, and what it is told to make of its topics.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "kafka/admin.h"
#include "kafka/cluster.h"
#include "kafka/error.h"
#include "kafka/fault.h"
#include "kafka/metadata.h"
#include "stat/wait.h"

/* How long brokers have to show what they have done, and how often they are asked. */
#define SHOW_MS 5000
#define LOOK_PAUSE_MS 50

static KafkaClusterBroker *
copy_brokers(const struct rd_kafka_metadata *metadata, int32 controller)
{
	KafkaClusterBroker *brokers = palloc((metadata->broker_cnt + 1) * sizeof(KafkaClusterBroker));

	for (int i = 0; i < metadata->broker_cnt; i++)
	{
		const struct rd_kafka_metadata_broker *from = &metadata->brokers[i];

		brokers[i] = (KafkaClusterBroker) {from->id, pstrdup(from->host), from->port, from->id == controller};
	}
	return brokers;
}

static int32 *
copy_ids(const int32 *ids, int count)
{
	int32	   *copy = palloc((count + 1) * sizeof(int32));

	memcpy(copy, ids, count * sizeof(int32));
	return copy;
}

static KafkaClusterTopic
copy_topic(const struct rd_kafka_metadata_topic *from)
{
	KafkaClusterTopic topic = {
		.name = pstrdup(from->topic),
		.exists = from->err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
		.npartitions = from->partition_cnt,
		.partitions = palloc((from->partition_cnt + 1) * sizeof(KafkaClusterPartition)),
	};

	for (int p = 0; p < from->partition_cnt; p++)
	{
		const struct rd_kafka_metadata_partition *partition = &from->partitions[p];

		topic.partitions[p] = (KafkaClusterPartition) {
			.number = partition->id,
			.leader = partition->leader,
			.nreplicas = partition->replica_cnt,
			.replicas = copy_ids(partition->replicas, partition->replica_cnt),
			.nin_sync = partition->isr_cnt,
			.in_sync = copy_ids(partition->isrs, partition->isr_cnt),
		};
	}
	return topic;
}

/* Asks by a client that is there. */
static KafkaCluster *
ask(KafkaClient *client, const char *topic)
{
	KafkaMetadataCall *query = kfdw_metadata_ask(client, topic);
	const struct rd_kafka_metadata *metadata = query->metadata;
	KafkaCluster *cluster = palloc(sizeof(KafkaCluster));

	cluster->nbrokers = metadata->broker_cnt;
	cluster->brokers = copy_brokers(metadata, query->controller);
	cluster->ntopics = metadata->topic_cnt;
	cluster->topics = palloc((metadata->topic_cnt + 1) * sizeof(KafkaClusterTopic));
	for (int i = 0; i < metadata->topic_cnt; i++)
		cluster->topics[i] = copy_topic(&metadata->topics[i]);
	kfdw_metadata_done(query);
	return cluster;
}

KafkaCluster *
kfdw_cluster_ask(const KafkaConfig *config, const char *topic)
{
	KafkaAdmin *admin = kfdw_admin_begin(config, RD_KAFKA_ADMIN_OP_ANY);
	KafkaCluster *cluster = ask(admin->client, topic);

	kfdw_admin_end(admin);
	return cluster;
}

/* True when a topic has so many partitions, each with a leader; 0: it is not there; -1: any number. */
static bool
is_shown(const KafkaCluster *cluster, int partitions)
{
	const KafkaClusterTopic *topic = &cluster->topics[0];
	bool		exists = cluster->ntopics == 1 && topic->exists && topic->npartitions > 0;

	if (!exists || partitions == 0)
		return !exists && partitions == 0;
	for (int p = 0; p < topic->npartitions; p++)
		if (topic->partitions[p].leader < 0)
			return false;
	return partitions == KAFKA_BROKER_DEFAULT || topic->npartitions == partitions;
}

/* What a broker has done another one may not know yet, and a query that follows may ask that one. */
static void
await_change(KafkaAdmin *admin, const char *topic, int partitions)
{
	TimestampTz began = kfdw_wait_now();

	while (!is_shown(ask(admin->client, topic), partitions) &&
		   !TimestampDifferenceExceeds(began, kfdw_wait_now(), SHOW_MS))
		kfdw_client_wait(admin->client, LOOK_PAUSE_MS);
}

/* The results of an answer, one for each topic. */
static const rd_kafka_topic_result_t **
get_results(rd_kafka_event_t *answer, size_t *count)
{
	*count = 0;
	if (rd_kafka_event_CreateTopics_result(answer) != NULL)
		return rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer), count);
	if (rd_kafka_event_DeleteTopics_result(answer) != NULL)
		return rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(answer), count);
	if (rd_kafka_event_CreatePartitions_result(answer) != NULL)
		return rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(answer), count);
	return NULL;
}

/* Waits for the answer; what is said against it is an error, with the broker's words and its name for it. */
static void
await_result(KafkaAdmin *admin, const char *topic, const char *action)
{
	rd_kafka_event_t *answer = kfdw_admin_await(admin, topic);
	rd_kafka_resp_err_t error = rd_kafka_event_error(answer);
	const char *reason = rd_kafka_event_error_string(answer);
	const rd_kafka_topic_result_t **results;
	size_t		count;

	results = get_results(answer, &count);
	if (!error && count == 1)
	{
		error = rd_kafka_topic_result_error(results[0]);
		reason = rd_kafka_topic_result_error_string(results[0]);
	}
	if (error)
		ereport_domain(ERROR, kfdw_fault_domain(error),
					   (errcode(kfdw_fault_sqlstate(error)),
						errmsg("could not %s topic \"%s\"", action, topic),
						errdetail_internal("%s: %s", rd_kafka_err2name(error),
										   reason == NULL ? rd_kafka_err2str(error) : reason)));
}

/* What the library itself has against a request. */
pg_noreturn static void
report_request(const char *topic, const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("topic \"%s\" cannot be made so", topic),
			 errdetail_internal("%s", reason)));
}

void
kfdw_cluster_create_topic(const KafkaConfig *config, const KafkaNewTopic *topic)
{
	KafkaAdmin *admin = kfdw_admin_begin(config, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	char		reason[256];
	rd_kafka_NewTopic_t *request = rd_kafka_NewTopic_new(topic->name, topic->partitions, topic->replication_factor,
														 reason, sizeof(reason));

	if (request == NULL)
		report_request(topic->name, reason);
	for (int i = 0; i < topic->nproperties; i++)
		(void) rd_kafka_NewTopic_set_config(request, topic->properties[i].name, topic->properties[i].value);
	rd_kafka_CreateTopics(admin->client->rk, &request, 1, admin->options, admin->queue);
	rd_kafka_NewTopic_destroy(request);
	await_result(admin, topic->name, "create");
	await_change(admin, topic->name, topic->partitions);
	kfdw_admin_end(admin);
}

void
kfdw_cluster_drop_topic(const KafkaConfig *config, const char *topic)
{
	KafkaAdmin *admin = kfdw_admin_begin(config, RD_KAFKA_ADMIN_OP_DELETETOPICS);
	rd_kafka_DeleteTopic_t *request = rd_kafka_DeleteTopic_new(topic);

	rd_kafka_DeleteTopics(admin->client->rk, &request, 1, admin->options, admin->queue);
	rd_kafka_DeleteTopic_destroy(request);
	await_result(admin, topic, "drop");
	await_change(admin, topic, 0);
	kfdw_admin_end(admin);
}

void
kfdw_cluster_add_partitions(const KafkaConfig *config, const char *topic, int total)
{
	KafkaAdmin *admin = kfdw_admin_begin(config, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
	char		reason[256];
	rd_kafka_NewPartitions_t *request = rd_kafka_NewPartitions_new(topic, total, reason, sizeof(reason));

	if (request == NULL)
		report_request(topic, reason);
	rd_kafka_CreatePartitions(admin->client->rk, &request, 1, admin->options, admin->queue);
	rd_kafka_NewPartitions_destroy(request);
	await_result(admin, topic, "add partitions to");
	await_change(admin, topic, total);
	kfdw_admin_end(admin);
}
