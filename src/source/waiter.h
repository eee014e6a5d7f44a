/*
 * waiter.h
 *	  Waits until a consumer group has something to read.
 *
 * Looking needs a transaction, waiting none: between the two the caller ends it.
 */
#ifndef KFDW_WAITER_H
#define KFDW_WAITER_H

#include "option/options.h"

typedef struct KafkaWaiter KafkaWaiter;

/* Belongs to the current memory context, and the options stay as long. */
extern KafkaWaiter *kfdw_waiter_open(const KafkaTableOptions *options);

/* In a transaction: looks where the group stands. */
extern void kfdw_waiter_look(KafkaWaiter *waiter);

typedef enum KafkaReadiness
{
	KAFKA_READY,
	KAFKA_NOT_READY,
	KAFKA_LOOK_AGAIN			/* the topic has other partitions than those looked at */
} KafkaReadiness;

/*
 * Asks the brokers whether a partition that nobody reads has something behind where the
 * group stood at the last look.  Needs no transaction.
 */
extern KafkaReadiness kfdw_waiter_ask(KafkaWaiter *waiter);

/* Waits until it is worth to look again, or the time is up.  Needs no transaction. */
extern void kfdw_waiter_wait(KafkaWaiter *waiter, long timeout_ms);

extern void kfdw_waiter_close(KafkaWaiter *waiter);

#endif							/* KFDW_WAITER_H */
