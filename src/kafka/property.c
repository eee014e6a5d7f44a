/*
 * property.c
 *	  The names of the client library's properties.
 */
#include "postgres.h"

#include "kafka/property.h"

static const char *const names[] = {
	[KAFKA_PROPERTY_BOOTSTRAP_SERVERS] = "bootstrap.servers",
	[KAFKA_PROPERTY_CLIENT_ID] = "client.id",
	[KAFKA_PROPERTY_CLIENT_RACK] = "client.rack",
	[KAFKA_PROPERTY_SECURITY_PROTOCOL] = "security.protocol",
	[KAFKA_PROPERTY_SASL_MECHANISM] = "sasl.mechanism",
	[KAFKA_PROPERTY_SSL_CA_LOCATION] = "ssl.ca.location",
	[KAFKA_PROPERTY_SSL_CA_PEM] = "ssl.ca.pem",
	[KAFKA_PROPERTY_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM] = "ssl.endpoint.identification.algorithm",
	[KAFKA_PROPERTY_BROKER_ADDRESS_FAMILY] = "broker.address.family",
	[KAFKA_PROPERTY_CONNECTIONS_MAX_IDLE_MS] = "connections.max.idle.ms",
	[KAFKA_PROPERTY_METADATA_MAX_AGE_MS] = "metadata.max.age.ms",
	[KAFKA_PROPERTY_TOPIC_METADATA_REFRESH_INTERVAL_MS] = "topic.metadata.refresh.interval.ms",
	[KAFKA_PROPERTY_RECONNECT_BACKOFF_MS] = "reconnect.backoff.ms",
	[KAFKA_PROPERTY_RECONNECT_BACKOFF_MAX_MS] = "reconnect.backoff.max.ms",
	[KAFKA_PROPERTY_SOCKET_CONNECTION_SETUP_TIMEOUT_MS] = "socket.connection.setup.timeout.ms",
	[KAFKA_PROPERTY_SOCKET_TIMEOUT_MS] = "socket.timeout.ms",
	[KAFKA_PROPERTY_SOCKET_KEEPALIVE_ENABLE] = "socket.keepalive.enable",
	[KAFKA_PROPERTY_SOCKET_NAGLE_DISABLE] = "socket.nagle.disable",
	[KAFKA_PROPERTY_SOCKET_SEND_BUFFER_BYTES] = "socket.send.buffer.bytes",
	[KAFKA_PROPERTY_SOCKET_RECEIVE_BUFFER_BYTES] = "socket.receive.buffer.bytes",
	[KAFKA_PROPERTY_SASL_USERNAME] = "sasl.username",
	[KAFKA_PROPERTY_SASL_PASSWORD] = "sasl.password",
	[KAFKA_PROPERTY_SSL_CERTIFICATE_PEM] = "ssl.certificate.pem",
	[KAFKA_PROPERTY_SSL_KEY_PEM] = "ssl.key.pem",
	[KAFKA_PROPERTY_SSL_KEY_PASSWORD] = "ssl.key.password",
	[KAFKA_PROPERTY_ISOLATION_LEVEL] = "isolation.level",
	[KAFKA_PROPERTY_FETCH_MIN_BYTES] = "fetch.min.bytes",
	[KAFKA_PROPERTY_FETCH_MAX_BYTES] = "fetch.max.bytes",
	[KAFKA_PROPERTY_MAX_PARTITION_FETCH_BYTES] = "max.partition.fetch.bytes",
	[KAFKA_PROPERTY_ACKS] = "acks",
	[KAFKA_PROPERTY_ENABLE_IDEMPOTENCE] = "enable.idempotence",
	[KAFKA_PROPERTY_PARTITIONER] = "partitioner",
	[KAFKA_PROPERTY_COMPRESSION_TYPE] = "compression.type",
	[KAFKA_PROPERTY_LINGER_MS] = "linger.ms",
	[KAFKA_PROPERTY_BATCH_SIZE] = "batch.size",
	[KAFKA_PROPERTY_QUEUE_BUFFERING_MAX_KBYTES] = "queue.buffering.max.kbytes",
	[KAFKA_PROPERTY_MESSAGE_MAX_BYTES] = "message.max.bytes",
	[KAFKA_PROPERTY_MESSAGE_TIMEOUT_MS] = "message.timeout.ms",
	[KAFKA_PROPERTY_MAX_IN_FLIGHT] = "max.in.flight.requests.per.connection",
	[KAFKA_PROPERTY_TRANSACTIONAL_ID] = "transactional.id",
	[KAFKA_PROPERTY_TRANSACTION_TIMEOUT_MS] = "transaction.timeout.ms",
	[KAFKA_PROPERTY_GROUP_ID] = "group.id"
};

const char *
kfdw_property_name(KafkaPropertyId id)
{
	return names[id];
}
