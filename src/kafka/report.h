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
typedef struct KafkaClient KafkaReporter;

/* The client of a consumer, for its group. */
extern KafkaReporter *kfdw_reporter_get(KafkaConsumer *consumer);

/*
 * Reports positions, now or a moment later; of the same partition only the last one counts.
 * Never waits, never fails.
 */
extern void kfdw_reporter_send(KafkaReporter *reporter, const KafkaGroupPosition *positions, int count);

/* Lets go of it, if there is one; never fails. */
extern void kfdw_reporter_let_go(KafkaReporter *reporter);

#endif							/* KFDW_REPORT_H */
