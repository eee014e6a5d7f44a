/*
 * config.c
 *	  What clients are opened with: compared, copied and changed.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "kafka/config.h"

char *
kfdw_config_key(const KafkaConfig *config)
{
	StringInfoData key;

	initStringInfo(&key);
	appendStringInfo(&key, "%d\n%d\n%d\n%d\n", config->kind, config->request_timeout_ms,
					 config->delivery_timeout_ms, config->max_block_ms);
	for (int i = 0; i < config->nproperties; i++)
		appendStringInfo(&key, "%d=%s\n", config->properties[i].id, config->properties[i].value);
	return key.data;
}

bool
kfdw_config_equal(const KafkaConfig *left, const KafkaConfig *right)
{
	char	   *left_key = kfdw_config_key(left);
	char	   *right_key = kfdw_config_key(right);
	bool		equal = strcmp(left_key, right_key) == 0;

	pfree(left_key);
	pfree(right_key);
	return equal;
}

KafkaConfig
kfdw_config_copy(const KafkaConfig *config)
{
	KafkaConfig copy = *config;

	copy.bootstrap_servers = pstrdup(config->bootstrap_servers);
	copy.properties = palloc(config->nproperties * sizeof(KafkaProperty));
	for (int i = 0; i < config->nproperties; i++)
	{
		copy.properties[i] = config->properties[i];
		copy.properties[i].value = pstrdup(config->properties[i].value);
	}
	return copy;
}

/* A property that is set; NULL: it is not. */
static KafkaProperty *
find_property(const KafkaConfig *config, KafkaPropertyId id)
{
	for (int i = 0; i < config->nproperties; i++)
		if (config->properties[i].id == id)
			return &config->properties[i];
	return NULL;
}

const char *
kfdw_config_get(const KafkaConfig *config, KafkaPropertyId id)
{
	const KafkaProperty *property = find_property(config, id);

	return property ? property->value : NULL;
}

void
kfdw_config_set(KafkaConfig *config, KafkaPropertyId id, const char *value)
{
	KafkaProperty *property = find_property(config, id);
	KafkaProperty *properties;

	if (property != NULL)
	{
		property->value = value;
		return;
	}
	properties = palloc((config->nproperties + 1) * sizeof(KafkaProperty));
	memcpy(properties, config->properties, config->nproperties * sizeof(KafkaProperty));
	properties[config->nproperties++] = (KafkaProperty) {id, value};
	config->properties = properties;
}

bool
kfdw_config_compresses(const KafkaConfig *config)
{
	const char *type = kfdw_config_get(config, KAFKA_PROPERTY_COMPRESSION_TYPE);

	return type != NULL && strcmp(type, "none") != 0;
}

char *
kfdw_config_utf8(const char *text)
{
	return pg_server_to_any(text, (int) strlen(text), PG_UTF8);
}

/* Makes a time no longer than that. */
static void
limit_time(KafkaConfig *config, KafkaPropertyId id, int longest_ms)
{
	KafkaProperty *property = find_property(config, id);

	if (property != NULL && atoi(property->value) > longest_ms)
		property->value = psprintf("%d", longest_ms);
}

/* The library wants no record, and no request, to be tried for longer than its transaction may take. */
KafkaConfig
kfdw_config_transactional(const KafkaConfig *producer, const char *transactional_id, int timeout_ms)
{
	KafkaConfig config = kfdw_config_copy(producer);

	config.transaction_timeout_ms = timeout_ms;
	config.delivery_timeout_ms = Min(config.delivery_timeout_ms, timeout_ms);
	kfdw_config_set(&config, KAFKA_PROPERTY_TRANSACTIONAL_ID, transactional_id);
	kfdw_config_set(&config, KAFKA_PROPERTY_TRANSACTION_TIMEOUT_MS, psprintf("%d", timeout_ms));
	kfdw_config_set(&config, KAFKA_PROPERTY_MESSAGE_TIMEOUT_MS, psprintf("%d", config.delivery_timeout_ms));
	limit_time(&config, KAFKA_PROPERTY_SOCKET_TIMEOUT_MS, timeout_ms);
	limit_time(&config, KAFKA_PROPERTY_LINGER_MS, Max(config.delivery_timeout_ms - 1, 0));
	return config;
}
