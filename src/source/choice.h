/*
 * choice.h
 *	  What a scan reads of the partitions that its statement takes for its group.
 */
#ifndef KFDW_CHOICE_H
#define KFDW_CHOICE_H

#include "source/consumption.h"

/* How many partitions a scan takes at a time. */
typedef enum KafkaGreed
{
	KAFKA_TAKE_ALL,
	KAFKA_TAKE_ONE				/* who may stop before the end */
} KafkaGreed;

/*
 * Chooses what the scan reads.  The partitions that it wants and that are free are
 * claimed, and their positions read, unless a scan of the same statement did so
 * before.  A rescan may choose anew.
 */
extern void kfdw_choice_make(KafkaConsumingScan *scan, KafkaConsumer *consumer,
							 const KafkaPartitionFilter *filter, KafkaGreed greed);

/* For who takes one at a time: adds the next partition to what the scan reads; false where there is none. */
extern bool kfdw_choice_extend(KafkaConsumingScan *scan, KafkaConsumer *consumer);

/* A scan that stopped before the end of its choice is to read just the same records again. */
extern void kfdw_choice_repeat(KafkaConsumingScan *scan);

#endif							/* KFDW_CHOICE_H */
