/*
 * admin.h
 *	  Requests of the library's administration, which answers in a queue; for this folder only.
 */
#ifndef KFDW_ADMIN_H
#define KFDW_ADMIN_H

#include "kafka/client.h"

/* Belongs to the memory context that it was begun in: resetting that ends it. */
typedef struct KafkaAdmin
{
	KafkaClient *client;		/* NULL: ended */
	rd_kafka_queue_t *queue;	/* to be answered in */
	rd_kafka_AdminOptions_t *options;
	rd_kafka_event_t *answer;	/* NULL: none yet */
	bool		is_unanswered;	/* a request was given up */
	MemoryContextCallback callback;
} KafkaAdmin;

extern KafkaAdmin *kfdw_admin_begin(const KafkaConfig *config, rd_kafka_admin_op_t operation);

/*
 * Waits for the answer of the one request that was made; NULL: none came in time.  What brokers
 * say is in the answer, which is good until the end or the next request.
 */
extern rd_kafka_event_t *kfdw_admin_answer(KafkaAdmin *admin);

/* The same; that none came is an error that names the brokers, and the topic that it is about (NULL: none). */
extern rd_kafka_event_t *kfdw_admin_await(KafkaAdmin *admin, const char *topic);

/* The client is not used again where a request was given up. */
extern void kfdw_admin_end(KafkaAdmin *admin);

/*
 * What an answer about the offsets of one group says: an error of the request, the group or
 * a partition, else *offsets.
 */
extern rd_kafka_resp_err_t kfdw_admin_group_error(rd_kafka_event_t *answer,
												  const rd_kafka_topic_partition_list_t **offsets);

#endif							/* KFDW_ADMIN_H */
