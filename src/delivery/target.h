/*
 * target.h
 *	  The topics that a transaction writes to by a producer of its own session.
 */
#ifndef KFDW_TARGET_H
#define KFDW_TARGET_H

#include "delivery/delivery.h"
#include "delivery/record_log.h"
#include "kafka/background.h"
#include "kafka/producer.h"
#include "nodes/pg_list.h"

/* Lives until the end of the transaction. */
typedef struct KafkaTarget
{
	KafkaDestination destination;
	Oid			relid;
	Oid			userid;
	char	   *key;			/* of the producer's configuration */
	KafkaConfig config;
	KafkaProducerTopic *topic;	/* while the transaction's records are sent; NULL before */
	int64		sent;			/* of them */
	KafkaOutlet *outlet;		/* of what is sent in the background, else NULL */
} KafkaTarget;

/* The target of a table and user in a list, made and put there when it is new. */
extern KafkaTarget *kfdw_target_get(List **targets, const KafkaTableOptions *options, Oid userid);

/* Asks the target's producer for the number of partitions; that there is no such topic is an error. */
extern int	kfdw_target_count_partitions(KafkaDestination *destination);

/* At the end of the transaction: sends what a log holds for targets and waits until all of it is acknowledged; then there is no log. */
extern void kfdw_target_send_log(KafkaRecordLog **log, const List *targets);

/* Before: sends a record and waits until it is acknowledged, see producer.h. */
extern void kfdw_target_send_now(KafkaDestination *destination, KafkaRecord *record);

#endif							/* KFDW_TARGET_H */
