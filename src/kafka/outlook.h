/*
 * outlook.h
 *	  What the brokers say of a topic's partitions: where they begin and end.
 */
#ifndef KFDW_OUTLOOK_H
#define KFDW_OUTLOOK_H

struct KafkaClient;

/* What brokers say of a topic at one moment. */
typedef struct KafkaTopicState
{
	char	   *cluster_id;		/* NULL where the broker has none */
	char	   *topic_id;		/* NULL where the library is too old to tell */
	int			npartitions;

	/* by partition; both -1 where the leader does not answer */
	int64	   *low;			/* the first offset there is */
	int64	   *end;			/* last stable offset under read_committed, else
								 * the high watermark */
	const char **trouble;		/* why it does not answer, else NULL */
} KafkaTopicState;

/* Some of the partitions; NULL instead of it: all. */
typedef struct KafkaPartitionFilter
{
	bool		(*admits) (const void *argument, int32 partition);
	const void *argument;
} KafkaPartitionFilter;

/* What can be told at once: a partition whose leader does not answer is shown as such. */
extern KafkaTopicState *kfdw_outlook_take(struct KafkaClient *client, const char *topic);

/*
 * Asks again for those that are needed and have no answer, and waits for them; that one
 * does not answer in time is an error.
 */
extern void kfdw_outlook_require(struct KafkaClient *client, const char *topic, KafkaTopicState *state,
								 const KafkaPartitionFilter *filter);

/*
 * By partition, the first offset of these times, in milliseconds since 1970, or later;
 * PG_INT64_MAX where there is none.  Partitions with a time of 0 are not asked for.
 */
extern int64 *kfdw_outlook_times(struct KafkaClient *client, const char *topic,
								 const int64 *times, int npartitions);

#endif							/* KFDW_OUTLOOK_H */
