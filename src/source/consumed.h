/*
 * consumed.h
 *	  What a transaction consumes, for statistics that count it when it is over.
 */
#ifndef KFDW_CONSUMED_H
#define KFDW_CONSUMED_H

#include "kafka/record.h"

/* By one table; stays until the transaction is over. */
typedef struct KafkaConsumed
{
	Oid			relid;
	int64		records;
	int64		bytes;
	int64	   *counts;			/* KafkaConsumingCount */
	struct KafkaConsumed *next;
} KafkaConsumed;

extern KafkaConsumed *kfdw_consumed_get(Oid relid);

/* A record was handed to the executor. */
static inline void
kfdw_consumed_add(KafkaConsumed *consumed, const KafkaRecord *record)
{
	consumed->records++;
	consumed->bytes += record->key_len + record->value_len;
}

/* Takes part in transactions from now on. */
extern void kfdw_consumed_init(void);

#endif							/* KFDW_CONSUMED_H */
