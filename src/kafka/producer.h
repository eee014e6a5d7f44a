/*
 * producer.h
 *	  Sending records and waiting until every one of them is acknowledged.
 */
#ifndef KFDW_PRODUCER_H
#define KFDW_PRODUCER_H

#include "kafka/config.h"
#include "kafka/record.h"

typedef struct KafkaProducer KafkaProducer;

/*
 * The backend's producer for these settings, opened when there is none yet.
 * It stays open for later transactions.
 */
extern KafkaProducer *kfdw_producer_get(const KafkaConfig *config);

/*
 * The number of partitions of a topic; an unknown topic is an error.  The broker is
 * asked again when its answer is old, or does not have the partition (-1: any).
 */
extern int	kfdw_producer_partition_count(KafkaProducer *producer, const char *topic, int32 partition);

/* Hands a record to the client, waiting interruptibly while its queue is full. */
extern void kfdw_producer_send(KafkaProducer *producer, const KafkaRecord *record);

/*
 * Waits until every record sent since the last flush is acknowledged.  The first
 * failure is raised as an error with topic, partition and reason.
 */
extern void kfdw_producer_flush(KafkaProducer *producer);

/*
 * Closes, at the end of a transaction, the producers that are not to be used again;
 * after an abort what they hold was not acknowledged, and is forgotten.  Never fails.
 */
extern void kfdw_producer_end_transaction(void);

#endif							/* KFDW_PRODUCER_H */
