/*
 * transaction.h
 *	  Kafka transactions: what a producer sends becomes visible together, or never.
 *
 * The producer is one of a configuration with a transactional id.  Each function here
 * may raise an error; after one the producer is not used any more, and what it had not
 * committed is aborted.
 */
#ifndef KFDW_TRANSACTION_H
#define KFDW_TRANSACTION_H

#include "kafka/producer.h"

/* Where a consumer group stands in a topic, in partition 0. */
typedef struct KafkaTransactionPosition
{
	const char *group_id;
	const char *topic;
	int64		offset;			/* negative: none */
} KafkaTransactionPosition;

/* Makes the transactional id this producer's: what a predecessor has left open is aborted. */
extern void kfdw_transaction_prepare(KafkaProducer *producer);

/* All that is sent from now on belongs to one transaction. */
extern void kfdw_transaction_begin(KafkaProducer *producer);

/* Moves a position as a part of the transaction. */
extern void kfdw_transaction_move_position(KafkaProducer *producer, const KafkaTransactionPosition *position);

/*
 * Commits, when everything is acknowledged.  Interrupts are not heeded until the outcome
 * is known, for the transaction's timeout at most.
 */
extern void kfdw_transaction_commit(KafkaProducer *producer);

/* Ends the transaction as if it had never been. */
extern void kfdw_transaction_abort(KafkaProducer *producer);

/* Asks the brokers where the group stands; that they do not answer is an error. */
extern void kfdw_transaction_read_position(const KafkaConfig *consumer, KafkaTransactionPosition *position);

#endif							/* KFDW_TRANSACTION_H */
