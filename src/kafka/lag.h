/*
 * lag.h
 *	  How far behind a consumer is while its process is busy with something else.
 *
 * A thread asks the brokers for the ends once a second, as the process may wait for a
 * lock and cannot look itself.
 */
#ifndef KFDW_LAG_H
#define KFDW_LAG_H

#include "kafka/client.h"

typedef struct KafkaLagMeter KafkaLagMeter;

/*
 * Writes the lag of these partitions to *lag, which stays valid as long as the meter.
 * NULL where there can be no thread: then nobody measures.  Takes the list.
 */
extern KafkaLagMeter *kfdw_lag_start(KafkaClient *client, rd_kafka_topic_partition_list_t *partitions,
									 volatile int64 *lag);

/* The process is busy from now on: "done" is the sum of the offsets up to which records are done. */
extern void kfdw_lag_measure(KafkaLagMeter *meter, int64 done);

/* It looks itself again. */
extern void kfdw_lag_rest(KafkaLagMeter *meter);

/* Never waits: the thread ends by itself. */
extern void kfdw_lag_stop(KafkaLagMeter *meter);

#endif							/* KFDW_LAG_H */
