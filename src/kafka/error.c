/*
 * error.c
 *	  Raises what the client library reports.
 */
#include "postgres.h"

#include "kafka/error.h"
#include "kafka/fault.h"

bool
kfdw_error_is_fence(const KafkaClient *client, rd_kafka_resp_err_t error)
{
	return client->transaction_timeout_ms > 0 &&
		(error == RD_KAFKA_RESP_ERR__FENCED || error == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
		 error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
}

void
kfdw_error_topic(KafkaClient *client, const char *topic, int32 partition,
				 rd_kafka_resp_err_t error, const char *reason)
{
	const char *domain = kfdw_fault_domain(error);
	int			sqlstate = kfdw_fault_sqlstate(error);

	if (kfdw_error_is_fence(client, error))
		ereport_domain(ERROR, domain,
					   (errcode(sqlstate),
						errmsg("could not deliver a record to topic \"%s\"", topic),
						errdetail_internal("%s", reason),
						errhint("%s", KFDW_CHECK_FENCE)));
	if (partition >= 0 && kfdw_fault_course(error) == KAFKA_PASSES)
		ereport_domain(ERROR, domain,
					   (errcode(sqlstate),
						errmsg("could not reach the leader of topic \"%s\", partition %d, at \"%s\"",
							   topic, partition, client->servers),
						errdetail_internal("%s", client->error ? client->reason : reason),
						errhint("Others can be read by a condition on the column of the partition, or of the topic.")));
	if (sqlstate == ERRCODE_FDW_TABLE_NOT_FOUND && partition < 0)
		ereport_domain(ERROR, domain,
					   (errcode(sqlstate),
						errmsg("topic \"%s\" does not exist at \"%s\"", topic, client->servers),
						errdetail_internal("%s", reason)));
	if (partition < 0)
		ereport_domain(ERROR, domain,
					   (errcode(sqlstate),
						errmsg("could not use topic \"%s\"", topic),
						errdetail_internal("%s", reason)));
	ereport_domain(ERROR, domain,
				   (errcode(sqlstate),
					errmsg("could not use topic \"%s\", partition %d", topic, partition),
					errdetail_internal("%s", reason),
					error == RD_KAFKA_RESP_ERR__BAD_COMPRESSION ?
					errhint("The batch may be larger than the client takes when it is decompressed: a \"fetch_max_bytes\" of three times its size is enough.") : 0));
}

/* The brokers answer, but do not take the client for one of theirs. */
pg_noreturn static void
report_refusal(KafkaClient *client, const char *topic)
{
	ereport_domain(ERROR, kfdw_fault_domain(client->error),
				   (errcode(kfdw_fault_sqlstate(client->error)),
					topic == NULL ?
					errmsg("Kafka at \"%s\" refused the connection", client->servers) :
					errmsg("Kafka at \"%s\" refused the connection for topic \"%s\"", client->servers, topic),
					errdetail_internal("%s", client->reason),
					errhint("%s", KFDW_CHECK_SECURITY)));
}

void
kfdw_error_unreachable(KafkaClient *client, const char *topic)
{
	rd_kafka_resp_err_t error = client->error ? client->error : RD_KAFKA_RESP_ERR__TIMED_OUT;
	int			sqlstate = kfdw_fault_sqlstate(error);

	if (topic != NULL &&
		(sqlstate == ERRCODE_FDW_TABLE_NOT_FOUND || sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE))
		kfdw_error_topic(client, topic, -1, error, client->reason);
	if (kfdw_fault_is_refusal(error))
		report_refusal(client, topic);

	ereport_domain(ERROR, kfdw_fault_domain(error),
				   (errcode(sqlstate),
					topic == NULL ?
					errmsg("could not reach Kafka at \"%s\"", client->servers) :
					errmsg("could not reach Kafka at \"%s\" for topic \"%s\"", client->servers, topic),
					client->error ? errdetail_internal("%s", client->reason) :
					errdetail("No answer within %d ms.", client->request_timeout_ms),
					errhint("%s", KFDW_CHECK_ADDRESS)));
}
