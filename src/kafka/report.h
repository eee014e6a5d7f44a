/*
 * report.h
 *	  Tells Kafka how far a consumer group has read, after the fact.
 *
 * A thread does, so that nobody waits, and nothing comes of it when it fails: tools that
 * show the lag of groups are told, and nobody else relies on it.
 */
#ifndef KFDW_REPORT_H
#define KFDW_REPORT_H

#include "kafka/consumer.h"
#include "kafka/group.h"

/* What reports are sent by: a client that has a group, which is kept until it is let go of. */
typedef struct KafkaReporter KafkaReporter;

/* By the client of a consumer, for its group.  NULL without memory: then nothing is reported. */
extern KafkaReporter *kfdw_reporter_create(KafkaConsumer *consumer);

/*
 * Reports positions, now or a moment later; of the same partition only the last one counts.
 * Never waits, never fails.
 */
extern void kfdw_reporter_send(const KafkaReporter *reporter, const KafkaGroupPosition *positions, int count);

/* Never fails. */
extern void kfdw_reporter_free(KafkaReporter *reporter);

#endif							/* KFDW_REPORT_H */
