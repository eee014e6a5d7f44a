/*
 * batch.h
 *	  The batch that a stream's statement reads.
 *
 * A worker binds its source table to a buffer of records for a transaction; scans of
 * that table then drain the buffer and nothing else.  Everywhere else the same table
 * is a plain topic table.
 */
#ifndef KFDW_BATCH_H
#define KFDW_BATCH_H

#include "kafka/buffer.h"

/* Until the end of the transaction. */
extern void kfdw_batch_bind(Oid relid, KafkaBuffer *buffer);

/* Called once in a backend. */
extern void kfdw_batch_init(void);

/* The buffer bound to a table, NULL where it is to be read from the broker. */
extern KafkaBuffer *kfdw_batch_bound(Oid relid);

#endif							/* KFDW_BATCH_H */
