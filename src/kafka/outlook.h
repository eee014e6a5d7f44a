/*
 * outlook.h
 *	  What the brokers say of the partitions that are read: where they begin and end.
 */
#ifndef KFDW_OUTLOOK_H
#define KFDW_OUTLOOK_H

#include "common/int.h"

#include "kafka/selection.h"

struct KafkaClient;

/*
 * A partition of those that are read, and what brokers say of it.  Everybody who keeps
 * something by partition keeps it by the index.
 */
typedef struct KafkaPartition
{
	int			index;			/* among the partitions of an outlook */
	int			topic_index;	/* among its topics */
	const char *topic;
	int32		number;			/* in its topic */

	/* both -1 where the leader does not answer */
	int64		low;			/* the first offset there is */
	int64		end;			/* last stable offset under read_committed, else
								 * the high watermark */
	const char *trouble;		/* why it does not answer, else NULL */
} KafkaPartition;

/* A topic of those that are read. */
typedef struct KafkaTopic
{
	const char *name;
	char	   *topic_id;		/* NULL where the library is too old to tell */
	int			npartitions;	/* that it has, read or not */
	int			first;			/* those that are read follow each other from this index, ascending */
	int			count;
} KafkaTopic;

/* What brokers say at one moment. */
typedef struct KafkaOutlook
{
	char	   *cluster_id;		/* NULL where the broker has none */
	int			ntopics;
	KafkaTopic *topics;
	int			npartitions;	/* that are read, of all topics */
	KafkaPartition *partitions;
} KafkaOutlook;

/* Records from (inclusive) .. end (exclusive) of a partition. */
typedef struct KafkaSlice
{
	const KafkaPartition *partition;
	int64		from;
	int64		end;			/* PG_INT64_MAX: never ends */
	int64		since;			/* only what stands behind the first record of this time, in
								 * milliseconds since 1970, or later is wanted */
} KafkaSlice;

/* A number of offsets, added to others: at most PG_INT64_MAX, as those of several partitions may be more. */
static inline int64
kfdw_add_offsets(int64 sum, int64 offsets)
{
	return pg_add_s64_overflow(sum, offsets, &sum) ? PG_INT64_MAX : sum;
}

/* What was seen of topics since somebody asked for a look at them. */
typedef enum KafkaSight
{
	KAFKA_SIGHT_NONE,			/* nothing yet */
	KAFKA_SIGHT_SAME,			/* they are as in the outlook */
	KAFKA_SIGHT_OTHER			/* they are not, or nobody answers */
} KafkaSight;

/* Some of the partitions; NULL instead of it: all. */
typedef struct KafkaPartitionFilter
{
	bool		(*admits) (const void *argument, const KafkaPartition *partition);
	const void *argument;
} KafkaPartitionFilter;

/*
 * What can be told at once: a partition whose leader does not answer is shown as such.
 * A partition that is selected by its number and that is not there is an error.
 */
extern KafkaOutlook *kfdw_outlook_take(struct KafkaClient *client, const KafkaSelection *selection);

/*
 * Asks again for those that are needed and have no answer, and waits for them; that one
 * does not answer in time is an error.
 */
extern void kfdw_outlook_require(struct KafkaClient *client, KafkaOutlook *outlook,
								 const KafkaPartitionFilter *filter);

/*
 * By partition, the first offset of these times, in milliseconds since 1970, or later;
 * PG_INT64_MAX where there is none.  Partitions with a time of 0 are not asked for.
 */
extern int64 *kfdw_outlook_times(struct KafkaClient *client, const KafkaOutlook *outlook, const int64 *times);

/*
 * A number by which workers share partitions.  Where topics get more of them, those that
 * were there keep theirs.
 */
extern int	kfdw_outlook_share(const KafkaOutlook *outlook, const KafkaPartition *partition);

/*
 * True when these ids tell two topics of one name apart; NULL where one is not known.  May be
 * called on a thread.
 */
extern bool kfdw_outlook_tells_apart(const char *topic_id, const char *other);

/* The partition of a topic in an outlook; NULL where it is not there. */
extern KafkaPartition *kfdw_outlook_find(const KafkaOutlook *outlook, const char *name, int32 number);

#endif							/* KFDW_OUTLOOK_H */
