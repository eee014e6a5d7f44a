/*
 * topic.h
 *	  What the broker says of a topic; for this folder only.
 */
#ifndef KFDW_TOPIC_H
#define KFDW_TOPIC_H

#include "kafka/call.h"
#include "kafka/client.h"

/* What is known of a partition. */
typedef struct KafkaPartitionAnswer
{
	int32		leader;			/* of the broker; -1: none */
	rd_kafka_resp_err_t error;	/* why there are none, until there are */
	int64		low;			/* -1: not known */
	int64		end;
} KafkaPartitionAnswer;

typedef struct KafkaTopicCall
{
	KafkaCall	call;
	KafkaClient *client;
	char	   *topic;
	int			timeout_ms;
	bool		count_only;
	bool		may_be_silent;	/* then no answer in that time is no error */
	int			patience_ms;	/* with leaders of which none answers, where none is required */
	int			nrequired;
	bool	   *required;		/* by partition; NULL: whatever answers */
	int64	   *times;			/* by partition; NULL: the first and the end offsets are asked for */

	rd_kafka_resp_err_t error;	/* of the topic */
	int			nbrokers;		/* that the client knows, those that it started from included */
	bool		is_known;		/* the partitions were told when they were last asked for */
	int			npartitions;
	KafkaPartitionAnswer *partitions;
	char	   *cluster_id;
	char	   *topic_id;		/* NULL: not known */
} KafkaTopicCall;

/* Asks for the number of partitions, to write to them; a topic that was just created may take a moment. */
extern KafkaTopicCall *kfdw_topic_count(KafkaClient *client, const char *topic);

/* The same in a time of its own; brokers that do not answer in it are no error, but in "error". */
extern KafkaTopicCall *kfdw_topic_renew(KafkaClient *client, const char *topic, int timeout_ms);

/*
 * Asks for the first and the end offsets of all partitions, each once; where none of them
 * answers, again for so long, and that it was in vain is in "error".  Only a topic of which
 * the brokers do not tell the partitions is an error.
 */
extern KafkaTopicCall *kfdw_topic_look(KafkaClient *client, const char *topic, int patience_ms);

/* Asks for those of the required partitions, until all of them have answered or the time is up. */
extern KafkaTopicCall *kfdw_topic_offsets(KafkaClient *client, const char *topic,
										  const bool *required, int nrequired);

/*
 * Asks for the first offsets of these times, in milliseconds since 1970, or later; of
 * partitions with a time of 0 for none.  They come as the ends; PG_INT64_MAX: there is
 * no such record.
 */
extern KafkaTopicCall *kfdw_topic_times(KafkaClient *client, const char *topic,
										const int64 *times, int ntimes);

extern void kfdw_topic_done(KafkaTopicCall *query);

#endif							/* KFDW_TOPIC_H */
