/*
 * limit.c
 *	  What the brokers take for a topic: how large a batch, and whether records without a key.
 *
 * These are settings of the topic, which clients may not be allowed to see: then batches are
 * as large as they were to be.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kafka/admin.h"
#include "kafka/limit.h"

/* Properties of topics. */
#define LIMIT_NAME "max.message.bytes"
#define CLEANUP_NAME "cleanup.policy"

/* The library's, where none is set. */
#define DEFAULT_BATCH_SIZE 1000000

/* What a topic's brokers have said to a client, which may not be what they say to another user. */
typedef struct KnownLimit
{
	char	   *client;			/* its configuration's key */
	char	   *topic;
	int			bytes;			/* PG_INT32_MAX where it is not told */
	bool		compacted;		/* as far as it is told */
	struct KnownLimit *next;
} KnownLimit;

static KnownLimit *known = NULL;
static bool forgotten = false;

/* Takes the settings out of an answer. */
static void
read_answer(KnownLimit *limit, rd_kafka_event_t *answer)
{
	const rd_kafka_ConfigResource_t **resources;
	const rd_kafka_ConfigEntry_t **entries;
	size_t		count;

	if (rd_kafka_event_error(answer))
		return;
	resources = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(answer), &count);
	if (count != 1 || rd_kafka_ConfigResource_error(resources[0]))
		return;
	entries = rd_kafka_ConfigResource_configs(resources[0], &count);
	for (size_t i = 0; i < count; i++)
	{
		const char *name = rd_kafka_ConfigEntry_name(entries[i]);
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);

		if (value != NULL && strcmp(name, LIMIT_NAME) == 0)
			limit->bytes = Max(atoi(value), 1);
		else if (value != NULL && strcmp(name, CLEANUP_NAME) == 0)
			limit->compacted = strstr(value, "compact") != NULL;
	}
}

/* Asks the brokers; the client that does is left in the pool, for whoever sends next. */
static KnownLimit
ask(const KafkaConfig *config, const char *topic)
{
	KnownLimit	limit = {.bytes = PG_INT32_MAX};
	KafkaAdmin *admin = kfdw_admin_begin(config, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);

	rd_kafka_DescribeConfigs(admin->client->rk, &resource, 1, admin->options, admin->queue);
	rd_kafka_ConfigResource_destroy(resource);
	read_answer(&limit, kfdw_admin_await(admin, topic));
	kfdw_admin_end(admin);
	return limit;
}

/* Nothing that was said counts any more. */
static void
clear_known(void)
{
	while (known != NULL)
	{
		KnownLimit *next = known->next;

		pfree(known->client);
		pfree(known->topic);
		pfree(known);
		known = next;
	}
	forgotten = false;
}

/* What the brokers say, or have said. */
static const KnownLimit *
get_limit(const KafkaConfig *config, const char *topic)
{
	char	   *client = kfdw_config_key(config);
	KnownLimit	answer;
	KnownLimit *limit;

	if (forgotten)
		clear_known();
	for (limit = known; limit != NULL; limit = limit->next)
		if (strcmp(limit->topic, topic) == 0 && strcmp(limit->client, client) == 0)
			return limit;
	answer = ask(config, topic);
	limit = MemoryContextAlloc(TopMemoryContext, sizeof(KnownLimit));
	*limit = answer;
	limit->client = MemoryContextStrdup(TopMemoryContext, client);
	limit->topic = MemoryContextStrdup(TopMemoryContext, topic);
	limit->next = known;
	known = limit;
	return limit;
}

/* The size of batches that a configuration has set. */
static int
batch_size(const KafkaConfig *config)
{
	const char *size = kfdw_config_get(config, KAFKA_PROPERTY_BATCH_SIZE);

	return size ? atoi(size) : DEFAULT_BATCH_SIZE;
}

/* The configuration with batches of that size. */
static KafkaConfig
with_batch_size(const KafkaConfig *config, int bytes)
{
	KafkaConfig result = kfdw_config_copy(config);

	kfdw_config_set(&result, KAFKA_PROPERTY_BATCH_SIZE, psprintf("%d", bytes));
	return result;
}

KafkaConfig
kfdw_limit_batches(const KafkaConfig *config, const char *topic)
{
	int			bytes = get_limit(config, topic)->bytes;

	return bytes < batch_size(config) ? with_batch_size(config, bytes) : *config;
}

KafkaConfig
kfdw_limit_more(const KafkaConfig *config)
{
	return with_batch_size(config, Max(batch_size(config) / 8, 1));
}

bool
kfdw_limit_needs_key(const KafkaConfig *config, const char *topic)
{
	return get_limit(config, topic)->compacted;
}

void
kfdw_limit_forget(void)
{
	forgotten = true;
}
