/*
 * table.c
 *	  The table of all options.
 */
#include "postgres.h"

#include "option/options.h"
#include "option/table.h"

#define BOTH	(KAFKA_READING | KAFKA_WRITING)

/* The code says which options apply. */
static const KafkaOptionValue security_protocols[] = {
	{"plaintext", 0},
	{"ssl", KAFKA_OPTION_SSL},
	{"sasl_plaintext", KAFKA_OPTION_SASL},
	{"sasl_ssl", KAFKA_OPTION_SASL | KAFKA_OPTION_SSL},
	{NULL}
};

/* GSSAPI is left out on purpose: its client runs shell commands made of options. */
static const KafkaOptionValue sasl_mechanisms[] = {
	{"PLAIN"}, {"SCRAM-SHA-256"}, {"SCRAM-SHA-512"},
	{"OAUTHBEARER", .unsupported = true},
	{"GSSAPI", .unsupported = true},
	{NULL}
};

static const KafkaOptionValue identification_algorithms[] = {
	{"https"}, {"none"}, {NULL}
};

static const KafkaOptionValue address_families[] = {
	{"any"}, {"v4"}, {"v6"}, {NULL}
};

static const KafkaOptionValue formats[] = {
	{"json"}, {"csv"}, {"text"}, {"raw"}, {"kafka"},
	{"avro", .unsupported = true},
	{"protobuf", .unsupported = true},
	{NULL}
};

static const KafkaOptionValue key_formats[] = {
	{"text"}, {"json"}, {"raw"}, {"kafka"},
	{"avro", .unsupported = true},
	{"protobuf", .unsupported = true},
	{NULL}
};

static const KafkaOptionValue timestamp_formats[] = {
	{"iso"}, {"epoch_s"}, {"epoch_ms"}, {"epoch_us"}, {"epoch_days"}, {NULL}
};

static const KafkaOptionValue offset_resets[] = {
	{"earliest", KAFKA_RESET_EARLIEST},
	{"latest", KAFKA_RESET_LATEST},
	{"none", KAFKA_RESET_NONE},
	{NULL}
};

static const KafkaOptionValue out_of_range_actions[] = {
	{"error", KAFKA_RESET_NONE},
	{"earliest", KAFKA_RESET_EARLIEST},
	{"latest", KAFKA_RESET_LATEST},
	{NULL}
};

static const KafkaOptionValue error_actions[] = {
	{"stop", KAFKA_ON_ERROR_STOP},
	{"set_null", KAFKA_ON_ERROR_SET_NULL},
	{"ignore", KAFKA_ON_ERROR_IGNORE},
	{"dead_letter", KAFKA_ON_ERROR_DEAD_LETTER},
	{NULL}
};

static const KafkaOptionValue isolation_levels[] = {
	{"read_committed"}, {"read_uncommitted"}, {NULL}
};

static const KafkaOptionValue deliveries[] = {
	{"sync"},
	{"async"},
	{"transactional"},
	{"outbox"},
	{NULL}
};

static const KafkaOptionValue acks_values[] = {
	{"all", -1, "-1"}, {"-1", -1}, {"1", 1}, {"0", 0}, {NULL}
};

#define JAVA "org.apache.kafka.clients.producer."

/* What the client does not know is chosen before a record reaches it: then its partitioner does not matter. */
static const KafkaOptionValue partitioners[] = {
	{"default", KAFKA_PARTITIONER_CLIENT, "murmur2_random"},
	{"uniform_sticky", KAFKA_PARTITIONER_UNIFORM_STICKY, "random"},
	{"round_robin", KAFKA_PARTITIONER_ROUND_ROBIN, "random"},
	{"random"}, {"consistent"}, {"consistent_random"}, {"murmur2"},
	{"murmur2_random"}, {"fnv1a"}, {"fnv1a_random"},
	{JAVA "internals.DefaultPartitioner", KAFKA_PARTITIONER_CLIENT, "murmur2_random", .hidden = true},
	{JAVA "UniformStickyPartitioner", KAFKA_PARTITIONER_UNIFORM_STICKY, "random", .hidden = true},
	{JAVA "RoundRobinPartitioner", KAFKA_PARTITIONER_ROUND_ROBIN, "random", .hidden = true},
	{NULL, KAFKA_PARTITIONER_FUNCTION, "random"}
};

static const KafkaOptionValue compression_types[] = {
	{"none"}, {"gzip"}, {"snappy"}, {"lz4"}, {"zstd"}, {NULL}
};

const KafkaOption kfdw_option_table[KAFKA_OPTION_COUNT] = {

	/* server: the connection */

	[KAFKA_OPT_BOOTSTRAP_SERVERS] = {
		"bootstrap_servers", "metadata_broker_list", KAFKA_ON_SERVER, BOTH,
		KAFKA_TYPE_STRING, KAFKA_OPTION_REQUIRED,
		.check = kfdw_option_check_servers,
		.property = KAFKA_PROPERTY_BOOTSTRAP_SERVERS,
		.help = "brokers to start from, as host:port, separated by commas"
	},
	[KAFKA_OPT_CLIENT_ID] = {
		"client_id", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_STRING,
		.check = kfdw_option_check_name,
		.def = "kafka_fdw", .kafka_default = "",
		.property = KAFKA_PROPERTY_CLIENT_ID,
		.help = "name of the client in the broker's logs and quotas"
	},
	[KAFKA_OPT_CLIENT_RACK] = {
		"client_rack", NULL, KAFKA_ON_SERVER, KAFKA_READING, KAFKA_TYPE_STRING,
		.check = kfdw_option_check_name,
		.kafka_default = "",
		.property = KAFKA_PROPERTY_CLIENT_RACK,
		.help = "where the client is, so that it reads from replicas near to it"
	},
	[KAFKA_OPT_REQUEST_TIMEOUT_MS] = {
		"request_timeout_ms", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_INT,
		.min = 1, .max = PG_INT32_MAX,
		.def = "30000", .kafka_default = "30000",
		.help = "how long a statement waits for a silent broker"
	},
	[KAFKA_OPT_SECURITY_PROTOCOL] = {
		"security_protocol", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_ENUM,
		.values = security_protocols,
		.def = "plaintext", .kafka_default = "PLAINTEXT",
		.property = KAFKA_PROPERTY_SECURITY_PROTOCOL,
		.help = "how connections are encrypted and authenticated"
	},
	[KAFKA_OPT_SASL_MECHANISM] = {
		"sasl_mechanism", "sasl_mechanisms", KAFKA_ON_SERVER, BOTH,
		KAFKA_TYPE_ENUM, KAFKA_OPTION_SASL,
		.values = sasl_mechanisms,
		.kafka_default = "GSSAPI",
		.property = KAFKA_PROPERTY_SASL_MECHANISM,
		.help = "how the client proves who it is; needed with a SASL protocol"
	},
	[KAFKA_OPT_SSL_CA_LOCATION] = {
		"ssl_ca_location", NULL, KAFKA_ON_SERVER, BOTH,
		KAFKA_TYPE_STRING, KAFKA_OPTION_SSL | KAFKA_OPTION_SUPERUSER,
		.property = KAFKA_PROPERTY_SSL_CA_LOCATION,
		.help = "file or directory with the certificates that brokers are verified by"
	},
	[KAFKA_OPT_SSL_CA_PEM] = {
		"ssl_ca_pem", "ssl_truststore_certificates", KAFKA_ON_SERVER, BOTH,
		KAFKA_TYPE_STRING, KAFKA_OPTION_SSL,
		.check = kfdw_option_check_certificates,
		.property = KAFKA_PROPERTY_SSL_CA_PEM,
		.help = "the certificates themselves that brokers are verified by, in PEM format"
	},
	[KAFKA_OPT_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM] = {
		"ssl_endpoint_identification_algorithm", NULL, KAFKA_ON_SERVER, BOTH,
		KAFKA_TYPE_ENUM, KAFKA_OPTION_SSL,
		.values = identification_algorithms,
		.def = "https", .kafka_default = "https",
		.property = KAFKA_PROPERTY_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM,
		.help = "whether a broker's certificate must carry its host name"
	},
	[KAFKA_OPT_BROKER_ADDRESS_FAMILY] = {
		"broker_address_family", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_ENUM,
		.values = address_families,
		.def = "any",
		.property = KAFKA_PROPERTY_BROKER_ADDRESS_FAMILY,
		.help = "IP versions used to reach brokers"
	},
	[KAFKA_OPT_CONNECTIONS_MAX_IDLE_MS] = {
		"connections_max_idle_ms", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_INT,
		.min = 0, .max = PG_INT32_MAX,
		.kafka_default = "540000",
		.property = KAFKA_PROPERTY_CONNECTIONS_MAX_IDLE_MS,
		.help = "closes connections after so long without use; 0 never does"
	},
	[KAFKA_OPT_METADATA_MAX_AGE_MS] = {
		"metadata_max_age_ms", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_INT,
		.min = 1, .max = 86400000,
		.kafka_default = "300000",
		.property = KAFKA_PROPERTY_METADATA_MAX_AGE_MS,
		.help = "how long a client relies on what it knows about topics; always 10 with librdkafka 2.4 to 2.9"
	},
	[KAFKA_OPT_TOPIC_METADATA_REFRESH_INTERVAL_MS] = {
		"topic_metadata_refresh_interval_ms", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_INT,
		.min = 10, .max = 3600000,
		.def = "300000",
		.property = KAFKA_PROPERTY_TOPIC_METADATA_REFRESH_INTERVAL_MS,
		.help = "how often a client looks for new brokers, partitions and leaders"
	},
	[KAFKA_OPT_RECONNECT_BACKOFF_MS] = {
		"reconnect_backoff_ms", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_INT,
		.min = 0, .max = 3600000,
		.def = "100", .kafka_default = "50",
		.property = KAFKA_PROPERTY_RECONNECT_BACKOFF_MS,
		.help = "first pause before a lost connection is tried again"
	},
	[KAFKA_OPT_RECONNECT_BACKOFF_MAX_MS] = {
		"reconnect_backoff_max_ms", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_INT,
		.min = 0, .max = 3600000,
		.def = "1000", .kafka_default = "1000",
		.property = KAFKA_PROPERTY_RECONNECT_BACKOFF_MAX_MS,
		.help = "longest pause before a lost connection is tried again"
	},
	[KAFKA_OPT_SOCKET_CONNECTION_SETUP_TIMEOUT_MS] = {
		"socket_connection_setup_timeout_ms", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_INT,
		.min = 1000, .max = PG_INT32_MAX,
		.def = "10000", .kafka_default = "10000",
		.property = KAFKA_PROPERTY_SOCKET_CONNECTION_SETUP_TIMEOUT_MS,
		.help = "how long a connection may take, encryption and authentication included"
	},
	[KAFKA_OPT_SOCKET_TIMEOUT_MS] = {
		"socket_timeout_ms", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_INT,
		.min = 1010, .max = 300000,
		.def = "5000",
		.property = KAFKA_PROPERTY_SOCKET_TIMEOUT_MS,
		.help = "how long the client waits for the answer to one request"
	},
	[KAFKA_OPT_SOCKET_KEEPALIVE_ENABLE] = {
		"socket_keepalive_enable", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_BOOL,
		.def = "true", .kafka_default = "true",
		.property = KAFKA_PROPERTY_SOCKET_KEEPALIVE_ENABLE,
		.help = "TCP keepalives on connections"
	},
	[KAFKA_OPT_SOCKET_NAGLE_DISABLE] = {
		"socket_nagle_disable", NULL, KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_BOOL,
		.kafka_default = "true",
		.property = KAFKA_PROPERTY_SOCKET_NAGLE_DISABLE,
		.help = "sends small packets at once (TCP_NODELAY)"
	},
	[KAFKA_OPT_SEND_BUFFER_BYTES] = {
		"send_buffer_bytes", "socket_send_buffer_bytes", KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_INT,
		.min = 0, .max = 100000000,
		.def = "0", .kafka_default = "131072",
		.property = KAFKA_PROPERTY_SOCKET_SEND_BUFFER_BYTES,
		.help = "send buffer of a connection; 0 is the system's default"
	},
	[KAFKA_OPT_RECEIVE_BUFFER_BYTES] = {
		"receive_buffer_bytes", "socket_receive_buffer_bytes", KAFKA_ON_SERVER, BOTH, KAFKA_TYPE_INT,
		.min = 0, .max = 100000000,
		.def = "0", .kafka_default = "65536",
		.property = KAFKA_PROPERTY_SOCKET_RECEIVE_BUFFER_BYTES,
		.help = "receive buffer of a connection; 0 is the system's default"
	},
	[KAFKA_OPT_OUTBOX_POSITION_TOPIC] = {
		"outbox_position_topic", NULL, KAFKA_ON_SERVER, KAFKA_WRITING, KAFKA_TYPE_STRING,
		.check = kfdw_option_check_topic,
		.def = "__consumer_offsets",
		.help = "topic in whose name relays store how far they are; nothing is written to it"
	},

	/* user mapping: credentials */

	[KAFKA_OPT_SASL_USERNAME] = {
		"sasl_username", NULL, KAFKA_ON_USER_MAPPING, BOTH,
		KAFKA_TYPE_STRING, KAFKA_OPTION_SASL | KAFKA_OPTION_SECRET,
		.check = kfdw_option_check_name,
		.property = KAFKA_PROPERTY_SASL_USERNAME,
		.help = "user name for SASL"
	},
	[KAFKA_OPT_SASL_PASSWORD] = {
		"sasl_password", NULL, KAFKA_ON_USER_MAPPING, BOTH,
		KAFKA_TYPE_STRING, KAFKA_OPTION_SASL | KAFKA_OPTION_SECRET,
		.property = KAFKA_PROPERTY_SASL_PASSWORD,
		.help = "password for SASL"
	},
	[KAFKA_OPT_SSL_CERTIFICATE_PEM] = {
		"ssl_certificate_pem", "ssl_keystore_certificate_chain", KAFKA_ON_USER_MAPPING, BOTH,
		KAFKA_TYPE_STRING, KAFKA_OPTION_SSL | KAFKA_OPTION_SECRET,
		.check = kfdw_option_check_certificates,
		.property = KAFKA_PROPERTY_SSL_CERTIFICATE_PEM,
		.help = "the client's certificate, in PEM format"
	},
	[KAFKA_OPT_SSL_KEY_PEM] = {
		"ssl_key_pem", "ssl_keystore_key", KAFKA_ON_USER_MAPPING, BOTH,
		KAFKA_TYPE_STRING, KAFKA_OPTION_SSL | KAFKA_OPTION_SECRET,
		.check = kfdw_option_check_private_key,
		.property = KAFKA_PROPERTY_SSL_KEY_PEM,
		.help = "the client's private key, in PEM format"
	},
	[KAFKA_OPT_SSL_KEY_PASSWORD] = {
		"ssl_key_password", NULL, KAFKA_ON_USER_MAPPING, BOTH,
		KAFKA_TYPE_STRING, KAFKA_OPTION_SSL | KAFKA_OPTION_SECRET,
		.property = KAFKA_PROPERTY_SSL_KEY_PASSWORD,
		.help = "password of the client's private key"
	},

	/* table: both directions */

	[KAFKA_OPT_TOPIC] = {
		"topic", NULL, KAFKA_ON_TABLE, BOTH, KAFKA_TYPE_STRING, KAFKA_OPTION_REQUIRED,
		.check = kfdw_option_check_topic,
		.help = "the topic that the table shows, or a list of topics, separated by commas, for reading"
	},
	[KAFKA_OPT_FORMAT] = {
		"format", NULL, KAFKA_ON_TABLE, BOTH, KAFKA_TYPE_ENUM,
		.values = formats,
		.def = "json",
		.help = "how the value of a record holds the columns"
	},
	[KAFKA_OPT_KEY_FORMAT] = {
		"key_format", NULL, KAFKA_ON_TABLE, BOTH, KAFKA_TYPE_ENUM,
		.values = key_formats,
		.def = "text",
		.help = "how the key of a record holds the columns with metadata 'key'"
	},
	[KAFKA_OPT_DELIMITER] = {
		"delimiter", NULL, KAFKA_ON_TABLE, BOTH, KAFKA_TYPE_STRING,
		.check = kfdw_option_check_character,
		.def = ",",
		.help = "csv: what separates fields"
	},
	[KAFKA_OPT_QUOTE] = {
		"quote", NULL, KAFKA_ON_TABLE, BOTH, KAFKA_TYPE_STRING,
		.check = kfdw_option_check_character,
		.def = "\"",
		.help = "csv: what stands around a field with special characters"
	},
	[KAFKA_OPT_ESCAPE] = {
		"escape", NULL, KAFKA_ON_TABLE, BOTH, KAFKA_TYPE_STRING,
		.check = kfdw_option_check_character,
		.help = "csv: what stands before a quote in a quoted field; by default, the quote"
	},
	[KAFKA_OPT_NULL] = {
		"null", NULL, KAFKA_ON_TABLE, BOTH, KAFKA_TYPE_STRING, KAFKA_OPTION_MAY_BE_EMPTY,
		.def = "",
		.help = "csv: what stands without quotes for NULL; by default, nothing"
	},

	/* table: reading */

	[KAFKA_OPT_GROUP_ID] = {
		"group_id", NULL, KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_STRING,
		.check = kfdw_option_check_name,
		.help = "consumer group; with it, reading moves the group's position"
	},
	[KAFKA_OPT_PARTITIONS] = {
		"partitions", NULL, KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_STRING,
		.check = kfdw_option_check_partitions,
		.help = "the partitions that are read, as 0-3,7 or 4- (4 and all that come later); all by default"
	},
	[KAFKA_OPT_AUTO_OFFSET_RESET] = {
		"auto_offset_reset", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_ENUM,
		.values = offset_resets,
		.def = "earliest", .kafka_default = "latest",
		.help = "where a group without a position starts; none makes it an error"
	},
	[KAFKA_OPT_ON_OFFSET_OUT_OF_RANGE] = {
		"on_offset_out_of_range", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_ENUM,
		.values = out_of_range_actions,
		.def = "error",
		.help = "what happens when records were removed before they were read"
	},
	[KAFKA_OPT_ISOLATION_LEVEL] = {
		"isolation_level", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_ENUM,
		.values = isolation_levels,
		.def = "read_committed", .kafka_default = "read_uncommitted",
		.property = KAFKA_PROPERTY_ISOLATION_LEVEL,
		.help = "whether records of open and aborted Kafka transactions are read"
	},
	[KAFKA_OPT_MAX_POLL_RECORDS] = {
		"max_poll_records", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_INT,
		.min = 1, .max = PG_INT32_MAX,
		.kafka_default = "500",
		.help = "how many records one consuming scan returns at most"
	},
	[KAFKA_OPT_MAX_POLL_BYTES] = {
		"max_poll_bytes", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_INT,
		.min = 1, .max = PG_INT32_MAX,
		.help = "how many bytes of keys and values one consuming scan returns at most, but at least one record"
	},
	[KAFKA_OPT_MAX_PARTITIONS] = {
		"max_partitions", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_INT,
		.min = 1, .max = PG_INT32_MAX,
		.help = "how many partitions one statement takes of a consuming table at most"
	},
	[KAFKA_OPT_MAX_POLL_INTERVAL_MS] = {
		"max_poll_interval_ms", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_INT,
		.min = 0, .max = PG_INT32_MAX,
		.def = "300000", .kafka_default = "300000",
		.help = "how long a session may be idle in a transaction that holds partitions; 0 is for ever"
	},
	[KAFKA_OPT_ON_ERROR] = {
		"on_error", NULL, KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_ENUM,
		.values = error_actions,
		.def = "stop",
		.help = "what becomes of a record that cannot be decoded"
	},
	[KAFKA_OPT_REJECT_LIMIT] = {
		"reject_limit", NULL, KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_INT,
		.min = 1, .max = PG_INT32_MAX,
		.help = "how many such records one scan gets over"
	},
	[KAFKA_OPT_REPORT_OFFSETS] = {
		"report_offsets", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_BOOL,
		.help = "whether positions are committed to the Kafka group too, for tools that show its lag; by default those of streams are"
	},
	[KAFKA_OPT_FETCH_MIN_BYTES] = {
		"fetch_min_bytes", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_INT,
		.min = 1, .max = 100000000,
		.def = "1", .kafka_default = "1",
		.property = KAFKA_PROPERTY_FETCH_MIN_BYTES,
		.help = "how much a broker collects before it answers"
	},
	[KAFKA_OPT_FETCH_MAX_BYTES] = {
		"fetch_max_bytes", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_READING, KAFKA_TYPE_INT,
		.min = 1000, .max = 2147483135,
		.def = "4194304", .kafka_default = "52428800",
		.property = KAFKA_PROPERTY_FETCH_MAX_BYTES,
		.help = "how much a broker sends in one answer at most; a fifth of it where five scans are open, and so on"
	},
	[KAFKA_OPT_MAX_PARTITION_FETCH_BYTES] = {
		"max_partition_fetch_bytes", "fetch_message_max_bytes", KAFKA_ON_SERVER | KAFKA_ON_TABLE,
		KAFKA_READING, KAFKA_TYPE_INT,
		.min = 1, .max = 1000000000,
		.def = "1048576", .kafka_default = "1048576",
		.property = KAFKA_PROPERTY_MAX_PARTITION_FETCH_BYTES,
		.help = "how much a broker sends of one partition in one answer at most"
	},

	/* table: writing */

	[KAFKA_OPT_DELIVERY] = {
		"delivery", NULL, KAFKA_ON_TABLE, KAFKA_WRITING, KAFKA_TYPE_ENUM,
		.values = deliveries,
		.def = "sync",
		.help = "when records leave: sync sends them at COMMIT and waits for the brokers, async at once and does not wait"
	},
	[KAFKA_OPT_ACKS] = {
		"acks", "request_required_acks", KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_WRITING, KAFKA_TYPE_ENUM,
		.values = acks_values,
		.def = "all", .kafka_default = "all",
		.property = KAFKA_PROPERTY_ACKS,
		.help = "how many replicas must have a record before it counts as written"
	},
	[KAFKA_OPT_ENABLE_IDEMPOTENCE] = {
		"enable_idempotence", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_WRITING, KAFKA_TYPE_BOOL,
		.kafka_default = "true",
		.property = KAFKA_PROPERTY_ENABLE_IDEMPOTENCE,
		.help = "no duplicates when the client sends again; on by default when acks is all"
	},
	[KAFKA_OPT_MAX_IN_FLIGHT] = {
		"max_in_flight_requests_per_connection", "max_in_flight", KAFKA_ON_SERVER | KAFKA_ON_TABLE,
		KAFKA_WRITING, KAFKA_TYPE_INT,
		.min = 1, .max = 1000000,
		.kafka_default = "5",
		.property = KAFKA_PROPERTY_MAX_IN_FLIGHT,
		.help = "requests under way to a broker; by default 5, and 1 without enable_idempotence, where more may change the order of records"
	},
	[KAFKA_OPT_PARTITIONER] = {
		"partitioner", "partitioner_class", KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_WRITING,
		KAFKA_TYPE_ENUM, KAFKA_OPTION_OR_FUNCTION,
		.values = partitioners,
		.def = "default",
		.property = KAFKA_PROPERTY_PARTITIONER,
		.help = "how a record without a partition gets one; the default agrees with Java producers; on tables, a function of key and number of partitions"
	},
	[KAFKA_OPT_COMPRESSION_TYPE] = {
		"compression_type", "compression_codec", KAFKA_ON_SERVER | KAFKA_ON_TABLE,
		KAFKA_WRITING, KAFKA_TYPE_ENUM,
		.values = compression_types,
		.def = "none", .kafka_default = "none",
		.property = KAFKA_PROPERTY_COMPRESSION_TYPE,
		.help = "how batches of records are compressed"
	},
	[KAFKA_OPT_LINGER_MS] = {
		"linger_ms", "queue_buffering_max_ms", KAFKA_ON_SERVER | KAFKA_ON_TABLE,
		KAFKA_WRITING, KAFKA_TYPE_INT,
		.min = 0, .max = 900000,
		.def = "5", .kafka_default = "5",
		.property = KAFKA_PROPERTY_LINGER_MS,
		.help = "how long a batch waits for more records; a COMMIT does not wait for it"
	},
	[KAFKA_OPT_BATCH_SIZE] = {
		"batch_size", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_WRITING, KAFKA_TYPE_INT,
		.min = 1, .max = PG_INT32_MAX,
		.def = "1000000", .kafka_default = "16384",
		.property = KAFKA_PROPERTY_BATCH_SIZE,
		.help = "size of a batch of records in bytes"
	},
	[KAFKA_OPT_BUFFER_MEMORY] = {
		"buffer_memory", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_WRITING, KAFKA_TYPE_INT,
		.min = 1024, .max = PG_INT32_MAX, .unit = 1024,
		.def = "33554432", .kafka_default = "33554432",
		.property = KAFKA_PROPERTY_QUEUE_BUFFERING_MAX_KBYTES,
		.help = "bytes that wait in the client to be sent; when it is full, sending waits"
	},
	[KAFKA_OPT_MAX_BLOCK_MS] = {
		"max_block_ms", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_WRITING, KAFKA_TYPE_INT,
		.min = 1, .max = PG_INT32_MAX,
		.def = "60000", .kafka_default = "60000",
		.help = "how long a record waits for room in the buffer before the write fails"
	},
	[KAFKA_OPT_MAX_REQUEST_SIZE] = {
		"max_request_size", "message_max_bytes", KAFKA_ON_SERVER | KAFKA_ON_TABLE,
		KAFKA_WRITING, KAFKA_TYPE_INT,
		.min = 1000, .max = 1000000000,
		.def = "1048576", .kafka_default = "1048576",
		.property = KAFKA_PROPERTY_MESSAGE_MAX_BYTES,
		.help = "size of the largest record in bytes; brokers have a limit of their own"
	},
	[KAFKA_OPT_DELIVERY_TIMEOUT_MS] = {
		"delivery_timeout_ms", "message_timeout_ms", KAFKA_ON_SERVER | KAFKA_ON_TABLE,
		KAFKA_WRITING, KAFKA_TYPE_INT,
		.min = 1, .max = PG_INT32_MAX,
		.def = "30000", .kafka_default = "120000",
		.property = KAFKA_PROPERTY_MESSAGE_TIMEOUT_MS,
		.help = "how long a record may take to be acknowledged before the write fails"
	},
	[KAFKA_OPT_TRANSACTIONAL_ID_PREFIX] = {
		"transactional_id_prefix", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_WRITING, KAFKA_TYPE_STRING,
		.check = kfdw_option_check_name,
		.def = "kafka_fdw",
		.help = "what the transactional ids of this database begin with"
	},
	[KAFKA_OPT_TRANSACTION_TIMEOUT_MS] = {
		"transaction_timeout_ms", NULL, KAFKA_ON_SERVER | KAFKA_ON_TABLE, KAFKA_WRITING, KAFKA_TYPE_INT,
		.min = 1000, .max = 900000,
		.def = "15000", .kafka_default = "60000",
		.help = "how long a Kafka transaction may take, and be in the way of readers after a crash"
	},

	/* column */

	[KAFKA_OPT_METADATA] = {
		"metadata", NULL, KAFKA_ON_COLUMN, BOTH, KAFKA_TYPE_STRING,
		.check = kfdw_option_check_metadata,
		.help = "what the column holds of a record other than a field of its value"
	},
	[KAFKA_OPT_FIELD] = {
		"field", NULL, KAFKA_ON_COLUMN, BOTH, KAFKA_TYPE_STRING,
		.check = kfdw_option_check_path,
		.help = "the column's field in the value; by default, its name"
	},
	[KAFKA_OPT_KEY_FIELD] = {
		"key_field", NULL, KAFKA_ON_COLUMN, BOTH, KAFKA_TYPE_STRING,
		.check = kfdw_option_check_path,
		.help = "the column's field in a JSON key; by default, the column is all of the key"
	},
	[KAFKA_OPT_TIMESTAMP_FORMAT] = {
		"timestamp_format", NULL, KAFKA_ON_COLUMN, BOTH, KAFKA_TYPE_ENUM,
		.values = timestamp_formats,
		.def = "iso",
		.help = "how a timestamp, date or time is written: as text, or as a number of units since 1970 began in UTC"
	}
};
