/*
 * error.h
 *	  Raises what the client library reports; for this folder only.
 */
#ifndef KFDW_ERROR_H
#define KFDW_ERROR_H

#include "compat.h"
#include "kafka/client.h"

/* The hint where brokers do not take the client for one of theirs. */
#define KFDW_CHECK_SECURITY \
	"Check \"security_protocol\" and the other security options of the server, and the credentials in the user mapping."

/*
 * The server did not answer in time, or never will: names it, with the last reason known.
 * Without a topic (NULL) the question was about none.
 */
pg_noreturn extern void kfdw_error_unreachable(KafkaClient *client, const char *topic);

/* A topic or one of its partitions (-1: the topic) cannot be used. */
pg_noreturn extern void kfdw_error_topic(KafkaClient *client, const char *topic, int32 partition,
										 rd_kafka_resp_err_t error, const char *reason);

#endif							/* KFDW_ERROR_H */
