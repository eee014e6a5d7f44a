/*
 * error.c
 *	  The client library's errors as PostgreSQL's: the only place that maps them.
 */
#include "postgres.h"

#include "kafka/internal.h"

typedef struct KafkaErrorState
{
	rd_kafka_resp_err_t error;
	int			sqlstate;
} KafkaErrorState;

static const KafkaErrorState error_states[] = {
	{RD_KAFKA_RESP_ERR__TRANSPORT, ERRCODE_CONNECTION_FAILURE},
	{RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, ERRCODE_CONNECTION_FAILURE},
	{RD_KAFKA_RESP_ERR__RESOLVE, ERRCODE_CONNECTION_FAILURE},
	{RD_KAFKA_RESP_ERR__TIMED_OUT, ERRCODE_CONNECTION_FAILURE},
	{RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, ERRCODE_CONNECTION_FAILURE},
	{RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, ERRCODE_CONNECTION_FAILURE},
	{RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, ERRCODE_CONNECTION_FAILURE},
	{RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, ERRCODE_CONNECTION_FAILURE},
	{RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, ERRCODE_CONNECTION_FAILURE},
	{RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, ERRCODE_CONNECTION_FAILURE},
	{RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, ERRCODE_CONNECTION_FAILURE},
	{RD_KAFKA_RESP_ERR__AUTHENTICATION, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION},
	{RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION},
	{RD_KAFKA_RESP_ERR__SSL, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION},
	{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERRCODE_INSUFFICIENT_PRIVILEGE},
	{RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, ERRCODE_INSUFFICIENT_PRIVILEGE},
	{RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, ERRCODE_INSUFFICIENT_PRIVILEGE},
	{RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, ERRCODE_FDW_TABLE_NOT_FOUND},
	{RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, ERRCODE_FDW_TABLE_NOT_FOUND},
	{RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, ERRCODE_FDW_TABLE_NOT_FOUND},
	{RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, ERRCODE_INVALID_PARAMETER_VALUE},
	{RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ERRCODE_PROGRAM_LIMIT_EXCEEDED},
	{RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, ERRCODE_PROGRAM_LIMIT_EXCEEDED},
	{RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, ERRCODE_PROGRAM_LIMIT_EXCEEDED},
	{RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, ERRCODE_NO_DATA_FOUND},
	{RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, ERRCODE_NO_DATA_FOUND},
	{RD_KAFKA_RESP_ERR__BAD_MSG, ERRCODE_DATA_CORRUPTED},
	{RD_KAFKA_RESP_ERR_INVALID_MSG, ERRCODE_DATA_CORRUPTED},
	{RD_KAFKA_RESP_ERR__BAD_COMPRESSION, ERRCODE_DATA_CORRUPTED},
	{RD_KAFKA_RESP_ERR__QUEUE_FULL, ERRCODE_OUT_OF_MEMORY},
};

/* The SQLSTATE of a library error; unlisted ones are FDW errors. */
int
kfdw_error_sqlstate(rd_kafka_resp_err_t error)
{
	for (size_t i = 0; i < lengthof(error_states); i++)
		if (error_states[i].error == error)
			return error_states[i].sqlstate;
	return ERRCODE_FDW_ERROR;
}

/* Errors of a connection that waiting does not cure. */
bool
kfdw_error_is_lasting(rd_kafka_resp_err_t error)
{
	return error == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
		error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
		error == RD_KAFKA_RESP_ERR__SSL ||
		error == RD_KAFKA_RESP_ERR__FATAL;
}

/* The server did not answer in time (or never will): names it, with the last reason known. */
void
kfdw_error_unreachable(KafkaClient *client, const char *topic)
{
	rd_kafka_resp_err_t error = client->error ? client->error : RD_KAFKA_RESP_ERR__TIMED_OUT;

	ereport(ERROR,
			(errcode(kfdw_error_sqlstate(error)),
			 errmsg("could not reach Kafka at \"%s\" for topic \"%s\"", client->servers, topic),
			 client->error ? errdetail_internal("%s", client->reason) :
			 errdetail("No answer within %d ms.", client->request_timeout_ms),
			 errhint("Check the option \"bootstrap_servers\", and that the names which the brokers advertise can be resolved and reached from this host.")));
}

/* A topic or one of its partitions (-1: the topic) cannot be used. */
void
kfdw_error_topic(KafkaClient *client, const char *topic, int32 partition,
				 rd_kafka_resp_err_t error, const char *reason)
{
	int			sqlstate = kfdw_error_sqlstate(error);

	if (sqlstate == ERRCODE_FDW_TABLE_NOT_FOUND && partition < 0)
		ereport(ERROR,
				(errcode(sqlstate),
				 errmsg("topic \"%s\" does not exist at \"%s\"", topic, client->servers),
				 errdetail_internal("%s", reason)));
	if (partition < 0)
		ereport(ERROR,
				(errcode(sqlstate),
				 errmsg("could not use topic \"%s\"", topic),
				 errdetail_internal("%s", reason)));
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("could not use topic \"%s\", partition %d", topic, partition),
			 errdetail_internal("%s", reason)));
}
