/*
 * topic.h
 *	  What the broker says of a topic; for this folder only.
 */
#ifndef KFDW_TOPIC_H
#define KFDW_TOPIC_H

#include "kafka/call.h"
#include "kafka/client.h"

typedef enum KafkaTopicQuestion
{
	KAFKA_ASK_TO_READ,			/* the partitions, their first and end offsets */
	KAFKA_ASK_TO_WRITE			/* the partitions; what was just created may take a moment */
} KafkaTopicQuestion;

typedef struct KafkaTopicCall
{
	KafkaCall	call;
	KafkaClient *client;
	char	   *topic;
	KafkaTopicQuestion question;

	rd_kafka_resp_err_t error;
	int32		error_partition;	/* -1: the topic's */
	char		reason[256];
	int			npartitions;
	int64	   *low;
	int64	   *end;
	char	   *cluster_id;
} KafkaTopicCall;

/* Asks and waits; every failure is an error that names server, topic and partition. */
extern KafkaTopicCall *kfdw_topic_query(KafkaClient *client, const char *topic, KafkaTopicQuestion question);
extern void kfdw_topic_query_done(KafkaTopicCall *call);

#endif							/* KFDW_TOPIC_H */
