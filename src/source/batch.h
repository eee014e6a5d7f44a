/*
 * batch.h
 *	  The batch that a stream's statement reads.
 *
 * A worker binds its source table to a buffer of records while it runs the
 * statement; the scan of that table then drains the buffer and nothing else.
 * Everywhere else the same table is a plain topic table.
 */
#ifndef KFDW_BATCH_H
#define KFDW_BATCH_H

#include "kafka/buffer.h"

extern void kfdw_batch_bind(Oid relid, KafkaBuffer *buffer);
extern void kfdw_batch_unbind(void);

/* From now on a batch is bound until the end of the transaction at the latest. */
extern void kfdw_batch_init(void);

/* The buffer bound to a table, NULL where it is to be read from the broker. */
extern KafkaBuffer *kfdw_batch_bound(Oid relid);

#endif							/* KFDW_BATCH_H */
