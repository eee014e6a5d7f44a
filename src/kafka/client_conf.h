/*
 * client_conf.h
 *	  The properties that a handle of the client library is made with.  For this folder only.
 */
#ifndef KFDW_CLIENT_CONF_H
#define KFDW_CLIENT_CONF_H

#include "kafka/config.h"
#include "kafka/handle.h"
#include "kafka/librdkafka.h"

/*
 * How long the fetch of a stream waits for records; behind it the broker answers nothing that the client asks, and a
 * partition that is started waits for its end.
 */
#define KFDW_STREAM_FETCH_WAIT_MS 500

/* What a consumer fetches ahead, more by an answer of each broker at most. */
typedef struct KafkaFetchAhead
{
	int			kb;				/* of keys and values */
	int			records;
} KafkaFetchAhead;

/*
 * Makes the library's configuration; what it fetches ahead is less where scans are open.
 * An error where the library refuses a property.
 */
extern rd_kafka_conf_t *kfdw_client_conf_make(KafkaClientKind kind, const KafkaConfig *config, int open_scans,
											  KafkaFetchAhead *ahead);

#endif							/* KFDW_CLIENT_CONF_H */
