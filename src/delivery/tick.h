/*
 * tick.h
 *	  The records of a tick of the outbox.
 */
#ifndef KFDW_TICK_H
#define KFDW_TICK_H

#include "catalog/dead_letters.h"
#include "catalog/outbox.h"
#include "kafka/config.h"

typedef struct KafkaTickRecords
{
	const KafkaTick *tick;
	KafkaRecord *records;
	KafkaOutboxRow **rows;		/* where each comes from */
	int			count;
} KafkaTickRecords;

/* In the current memory context; they point into the rows. */
extern KafkaTickRecords *kfdw_tick_read(const KafkaTick *tick, List *rows);

/* The configuration with batches that the brokers take for each topic, if they tell. */
extern KafkaConfig kfdw_tick_limit_batches(const KafkaTickRecords *records, const KafkaConfig *producer);

/* In a transaction: makes dead letters of what is refused; the tick is then without it. */
extern void kfdw_tick_set_aside(const KafkaTickRecords *records, const KafkaReader *reader, List *refused);

#endif							/* KFDW_TICK_H */
