/*
 * producer.h
 *	  Sending records and waiting until every one of them is acknowledged.
 */
#ifndef KFDW_PRODUCER_H
#define KFDW_PRODUCER_H

#include "kafka/config.h"
#include "kafka/record.h"

/* A producer, and a topic that records are sent to by it. */
typedef struct KafkaSender KafkaProducer;
typedef struct KafkaSenderTopic KafkaProducerTopic;

/*
 * A table's topic at the backend's producer for these settings, which is opened when there is
 * none yet, and stays open for later transactions.  The topic can be used until the
 * end of the transaction, or until sending at once fails.
 */
extern KafkaProducerTopic *kfdw_producer_topic(const KafkaConfig *config, const char *name, Oid relid);

/*
 * The producer alone, under the same rules.  Of those that have a transactional id there is
 * one in a process, so another one may be closed.
 */
extern KafkaProducer *kfdw_producer_get(const KafkaConfig *config);

/* The number of partitions, as the brokers say now; an unknown topic is an error. */
extern int	kfdw_producer_partition_count(KafkaProducerTopic *topic);

/* Hands a record to the client, waiting interruptibly for its turn (see turn.h), and while the client's queue is full. */
extern void kfdw_producer_send(KafkaProducerTopic *topic, const KafkaRecord *record);

/*
 * Waits until every record is acknowledged that was sent by the topic's producer since
 * the last flush.  The first failure is raised as an error with topic, partition and
 * reason.
 */
extern void kfdw_producer_flush(KafkaProducerTopic *topic);

/*
 * Sends one record and waits until it is acknowledged; nothing else may be under way.
 * Sets its partition, its timestamp and its offset, which stays negative where no
 * acknowledgement tells it.
 */
extern void kfdw_producer_send_now(KafkaProducerTopic *topic, KafkaRecord *record);

/*
 * Closes, at the end of a transaction, the producers that are not to be used again;
 * after an abort what they hold was not acknowledged, and is forgotten.  Never fails.
 */
extern void kfdw_producer_end_transaction(void);

#endif							/* KFDW_PRODUCER_H */
