/*
 * report.h
 *	  What a transaction reports of its positions to Kafka, once it has committed.
 */
#ifndef KFDW_SOURCE_REPORT_H
#define KFDW_SOURCE_REPORT_H

#include "kafka/consumer.h"
#include "source/positions.h"

/*
 * The positions of the group that the current transaction writes are reported when it
 * commits, by the client of this consumer, if the options say so.
 */
extern void kfdw_report_at_commit(const KafkaTableOptions *options, KafkaConsumer *consumer);

/* Takes part in transactions from now on; after those who write positions before the commit. */
extern void kfdw_report_init(void);

#endif							/* KFDW_SOURCE_REPORT_H */
