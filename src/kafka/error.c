/*
 * error.c
 *	  Raises what the client library reports.
 */
#include "postgres.h"

#include "kafka/error.h"
#include "kafka/fault.h"

void
kfdw_error_unreachable(KafkaClient *client, const char *topic)
{
	rd_kafka_resp_err_t error = client->error ? client->error : RD_KAFKA_RESP_ERR__TIMED_OUT;

	ereport_domain(ERROR, kfdw_fault_domain(error),
				   (errcode(kfdw_fault_sqlstate(error)),
					errmsg("could not reach Kafka at \"%s\" for topic \"%s\"", client->servers, topic),
					client->error ? errdetail_internal("%s", client->reason) :
					errdetail("No answer within %d ms.", client->request_timeout_ms),
					errhint("Check the option \"bootstrap_servers\", and that the names which the brokers advertise can be resolved and reached from this host.")));
}

void
kfdw_error_topic(KafkaClient *client, const char *topic, int32 partition,
				 rd_kafka_resp_err_t error, const char *reason)
{
	const char *domain = kfdw_fault_domain(error);
	int			sqlstate = kfdw_fault_sqlstate(error);

	if (partition >= 0 && kfdw_fault_course(error) == KAFKA_PASSES)
		ereport_domain(ERROR, domain,
					   (errcode(sqlstate),
						errmsg("could not reach the leader of topic \"%s\", partition %d, at \"%s\"",
							   topic, partition, client->servers),
						errdetail_internal("%s", client->error ? client->reason : reason),
						errhint("Other partitions can be read by a condition on the partition's column.")));
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
					errdetail_internal("%s", reason)));
}
