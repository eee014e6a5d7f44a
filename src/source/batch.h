/*
 * batch.h
 *	  The batch that a stream's statement reads.
 *
 * A worker binds its source table to records in a buffer for a transaction; scans of
 * that table then read these and nothing else.  Everywhere else the same table is a
 * plain topic table.
 */
#ifndef KFDW_BATCH_H
#define KFDW_BATCH_H

#include "kafka/buffer.h"

/* Some of the records of a buffer, one after the other. */
typedef struct KafkaBatch
{
	KafkaBuffer *buffer;
	int			first;
	int			count;
} KafkaBatch;

/* Until the end of the transaction. */
extern void kfdw_batch_bind(Oid relid, KafkaBatch batch);

/* The batch bound to a table, NULL where it is to be read from the broker. */
extern const KafkaBatch *kfdw_batch_bound(Oid relid);

/* Called once in a backend. */
extern void kfdw_batch_init(void);

#endif							/* KFDW_BATCH_H */
