/*
 * config.c
 *	  Compares what clients are opened with.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

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
