/*
 * observer.h
 *	  Asks the brokers beside a consumer, whose process does not wait for the answers.
 *
 * Behind a fetch that waits for records a broker does not answer, and a process that
 * waits for a lock cannot look itself how far behind it is.  So a thread asks.
 */
#ifndef KFDW_OBSERVER_H
#define KFDW_OBSERVER_H

#include "kafka/client.h"
#include "kafka/outlook.h"

typedef struct KafkaObserver KafkaObserver;

/* What is observed. */
typedef struct KafkaObserved
{
	rd_kafka_topic_partition_list_t *topics;	/* by kfdw_observed_add_topic() */
	rd_kafka_topic_partition_list_t *awaited;	/* partitions whose leader did not answer: one that does is another sight */
	rd_kafka_topic_partition_list_t *read;		/* partitions whose lag and leaders are shown */
	volatile int64 *lag;						/* where; it stays valid as long as the observer */
} KafkaObserved;

/* Adds a topic, once; its id is NULL where it is not known. */
extern void kfdw_observed_add_topic(KafkaObserved *observed, const char *topic, int npartitions, const char *topic_id);

/* Takes the lists.  NULL where there can be no thread: that always sees KAFKA_SIGHT_OTHER. */
extern KafkaObserver *kfdw_observer_start(KafkaClient *client, const KafkaObserved *observed);

/* The process is busy from now on: "done" is the sum of the offsets up to which records are done. */
extern void kfdw_observer_measure(KafkaObserver *observer, int64 done);

/* It shows the lag itself again. */
extern void kfdw_observer_rest(KafkaObserver *observer);

/* Has the topics looked at, and tells what was seen since then. */
extern void kfdw_observer_look(KafkaObserver *observer);
extern KafkaSight kfdw_observer_sight(const KafkaObserver *observer);

/* A partition that is read and had no leader at the last look; NULL: none. */
extern const rd_kafka_topic_partition_t *kfdw_observer_leaderless(const KafkaObserver *observer);

/* Never waits: the thread ends by itself. */
extern void kfdw_observer_stop(KafkaObserver *observer);

#endif							/* KFDW_OBSERVER_H */
