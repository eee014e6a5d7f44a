/*
 * foreign_names.c
 *	  Names that are no options here, and what takes their place.
 */
#include "postgres.h"

#include "option/table.h"

#define HINT_COMMIT		"The position is a row of kafka.offsets and commits with your transaction."
#define HINT_LOCKS		"Partitions are claimed by locks that end with the transaction: there are no group sessions."
#define HINT_FORMAT		"The option \"format\" of the foreign table says how values are read and written."
#define HINT_KEY_FORMAT	"The option \"key_format\" of the foreign table says how keys are read and written."
#define HINT_PASSWORD	"Use \"sasl_username\" and \"sasl_password\" in the user mapping."
#define HINT_TRUST		"Use the server option \"ssl_ca_location\" or \"ssl_ca_pem\"."
#define HINT_KEYSTORE	"Use \"ssl_certificate_pem\", \"ssl_key_pem\" and \"ssl_key_password\" in the user mapping."
#define HINT_BROKERS	"Use the server option \"bootstrap_servers\"."
#define HINT_RETRIES	"Sending is tried again until \"delivery_timeout_ms\" has passed, and never changes the order of records."
#define HINT_MEMORY		"Use the option \"buffer_memory\", in bytes."
#define HINT_READ_AHEAD	"What is read ahead is fixed; \"max_partition_fetch_bytes\" and \"fetch_max_bytes\" bound one answer."
#define HINT_END		"A scan ends where the topic ended when it started."
#define HINT_CODE		"Options cannot make the client load code or run commands."
#define HINT_OFFSETS	"Offsets are kept by PostgreSQL only."

const KafkaForeignName kfdw_foreign_names[] = {
	{"enable_auto_commit", HINT_COMMIT},
	{"auto_commit_*", HINT_COMMIT},
	{"enable_auto_offset_store", HINT_COMMIT},
	{"offset_store_*", HINT_OFFSETS},
	{"session_timeout_ms", HINT_LOCKS},
	{"heartbeat_interval_ms", HINT_LOCKS},
	{"group_instance_id", HINT_LOCKS},
	{"group_protocol*", HINT_LOCKS},
	{"group_remote_assignor", HINT_LOCKS},
	{"partition_assignment_strategy", HINT_LOCKS},
	{"value_deserializer", HINT_FORMAT},
	{"key_deserializer", HINT_KEY_FORMAT},
	{"value_serializer", HINT_FORMAT},
	{"key_serializer", HINT_KEY_FORMAT},
	{"sasl_jaas_config", HINT_PASSWORD},
	{"user", HINT_PASSWORD},
	{"username", HINT_PASSWORD},
	{"password", HINT_PASSWORD},
	{"sasl_kerberos_*", "The SASL mechanism GSSAPI is not supported."},
	{"sasl_oauthbearer_*", "The SASL mechanism OAUTHBEARER is not supported in this version."},
	{"ssl_truststore_*", HINT_TRUST},
	{"ssl_keystore_*", HINT_KEYSTORE},
	{"ssl_key_location", HINT_KEYSTORE},
	{"ssl_certificate_location", HINT_KEYSTORE},
	{"ssl_engine_*", HINT_CODE},
	{"ssl_providers", HINT_CODE},
	{"interceptor_classes", HINT_CODE},
	{"plugin_library_paths", HINT_CODE},
	{"brokers", HINT_BROKERS},
	{"broker_list", HINT_BROKERS},
	{"broker", HINT_BROKERS},
	{"host", HINT_BROKERS},
	{"port", HINT_BROKERS},
	{"allow_auto_create_topics", "Reading and writing create no topics; kafka.create_topic() does."},
	{"schema_registry_*", "Formats with a schema registry are not supported in this version."},
	{"topics", "Use the table option \"topic\"."},
	{"transactional_id", "Transactional ids are made for each session; \"transactional_id_prefix\" says what they begin with."},
	{"enable_partition_eof", HINT_END},
	{"fetch_wait_max_ms", HINT_END},
	{"fetch_max_wait_ms", HINT_END},
	{"retries", HINT_RETRIES},
	{"message_send_max_retries", HINT_RETRIES},
	{"queue_buffering_max_kbytes", HINT_MEMORY},
	{"queue_buffering_max_messages", HINT_MEMORY},
	{"queued_*", HINT_READ_AHEAD},
	{"receive_message_max_bytes", HINT_READ_AHEAD},
	{"debug", "The client's messages are in the server's log."},
	{"log_level", "The client's messages are in the server's log."},
	{NULL}
};
