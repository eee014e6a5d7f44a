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

/* The hint where they cannot be reached. */
#define KFDW_CHECK_ADDRESS \
	"Check the option \"bootstrap_servers\", and that the names which the brokers advertise can be resolved and reached from this host."

/* The hint where they take it for one whose place another has. */
#define KFDW_CHECK_FENCE \
	"Another process uses the same transactional id, as one of a copy of this server, which needs a \"transactional_id_prefix\" of its own; or the transaction took longer than \"transaction_timeout_ms\"."

/* Is it an error of that?  A client without transactions has no such place. */
extern bool kfdw_error_is_fence(const KafkaClient *client, rd_kafka_resp_err_t error);

/*
 * The server did not answer in time, or never will: names it, with the last reason known.
 * Without a topic (NULL) the question was about none.
 */
pg_noreturn extern void kfdw_error_unreachable(KafkaClient *client, const char *topic);

/* A topic or one of its partitions (-1: the topic) cannot be used. */
pg_noreturn extern void kfdw_error_topic(KafkaClient *client, const char *topic, int32 partition,
										 rd_kafka_resp_err_t error, const char *reason);

#endif							/* KFDW_ERROR_H */
