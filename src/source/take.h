/*
 * take.h
 *	  Which partitions a statement takes for its consumer group.
 */
#ifndef KFDW_TAKE_H
#define KFDW_TAKE_H

#include "utils/snapshot.h"

#include "source/positions.h"

/* Who takes. */
typedef struct KafkaTaker
{
	KafkaPositions *positions;
	KafkaConsumer *consumer;
	Snapshot	snapshot;		/* the statement's */
	KafkaPartitionFilter wanted;

	/* raises an error where the transaction reads a partition already */
	void		(*check) (const KafkaPositionKey *key, int32 number);
} KafkaTaker;

/*
 * Claims the partitions that are wanted, that are free and that nobody of the statement
 * wanted before, and starts them.
 */
extern void kfdw_take_all(const KafkaTaker *taker);

/*
 * The same for one that has something to read: that which was not read for the longest
 * time.  False where there is none.
 */
extern bool kfdw_take_one(const KafkaTaker *taker);

#endif							/* KFDW_TAKE_H */
