/*
 * topic.h
 *	  What the broker says of a topic; for this folder only.
 */
#ifndef KFDW_TOPIC_H
#define KFDW_TOPIC_H

#include "kafka/call.h"
#include "kafka/client.h"

typedef struct KafkaTopicCall
{
	KafkaCall	call;
	KafkaClient *client;
	char	   *topic;
	bool		offsets;		/* also ask for the first and the end offsets */

	rd_kafka_resp_err_t error;
	int32		error_partition;	/* -1: the topic's */
	char		reason[256];
	int			npartitions;
	int64	   *low;
	int64	   *end;
	char	   *cluster_id;
} KafkaTopicCall;

/* Asks and waits; every failure is an error that names server, topic and partition. */
extern KafkaTopicCall *kfdw_topic_query(KafkaClient *client, const char *topic, bool offsets);
extern void kfdw_topic_query_done(KafkaTopicCall *call);

#endif							/* KFDW_TOPIC_H */
