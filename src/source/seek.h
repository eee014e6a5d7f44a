/*
 * seek.h
 *	  Moves the positions of a consumer group, without reading.
 */
#ifndef KFDW_SEEK_H
#define KFDW_SEEK_H

#include "option/options.h"

typedef enum KafkaSeekTarget
{
	KAFKA_SEEK_EARLIEST,		/* the first record there is */
	KAFKA_SEEK_LATEST,			/* the end */
	KAFKA_SEEK_COMMITTED,		/* what an application of the group has committed in Kafka */
	KAFKA_SEEK_TIME,			/* the first record of a time or later, else the end */
	KAFKA_SEEK_SHIFT,			/* so many offsets from where it stands, within what the topic has */
	KAFKA_SEEK_OFFSET
} KafkaSeekTarget;

#define KAFKA_SEEK_ALL_PARTITIONS (-1)

typedef struct KafkaSeek
{
	KafkaSeekTarget target;
	int64		number;			/* milliseconds since 1970, a distance or an offset */
	const char *topic;			/* NULL: all that are read */
	int32		partition;		/* or KAFKA_SEEK_ALL_PARTITIONS */
} KafkaSeek;

typedef struct KafkaSeeker KafkaSeeker;

/* Asks the brokers what there is to ask; belongs to the current memory context. */
extern KafkaSeeker *kfdw_seek_ask(const KafkaTableOptions *options, const KafkaSeek *seek);

/*
 * Moves the positions of the options' group, in the current transaction, in which its
 * partitions are claimed: a group that is being read is an error.
 */
extern void kfdw_seek_table(KafkaSeeker *seeker);

/* The same for the group of a stream that the transaction has locked to change it. */
extern void kfdw_seek_stream(KafkaSeeker *seeker);

#endif							/* KFDW_SEEK_H */
