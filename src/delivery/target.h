/*
 * target.h
 *	  The topics that a transaction writes to by a producer of its own session.
 */
#ifndef KFDW_TARGET_H
#define KFDW_TARGET_H

#include "delivery/delivery.h"
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
	int			npartitions;
	KafkaProducerTopic *topic;	/* while the transaction's records are sent; NULL before */
} KafkaTarget;

/*
 * The target of a table and user in a list, made and put there when it is new.  That
 * its topic does not exist is an error.
 */
extern KafkaTarget *kfdw_target_get(List **targets, const KafkaTableOptions *options, Oid userid);

/* A partition that the topic does not have is an error. */
extern void kfdw_target_check(KafkaTarget *target, const KafkaRecord *record);

/* At the end of the transaction: hands a record to the target's producer. */
extern void kfdw_target_send(KafkaTarget *target, const KafkaRecord *record);

/* Before: sends a record and waits until it is acknowledged, see producer.h. */
extern void kfdw_target_send_now(KafkaTarget *target, KafkaRecord *record);

#endif							/* KFDW_TARGET_H */
