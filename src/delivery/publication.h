/*
 * publication.h
 *	  Publishing a set of records in one Kafka transaction.
 */
#ifndef KFDW_PUBLICATION_H
#define KFDW_PUBLICATION_H

#include "kafka/transaction.h"
#include "utils/elog.h"

/* What a set of records is published with. */
typedef struct KafkaPublication
{
	const KafkaConfig *producer;
	const KafkaTransactionPosition *position; /* moved together with them */
	const KafkaRecord *records;
	int			nrecords;
	bool		patient;		/* topics that are not there, or not allowed, may be later */
} KafkaPublication;

/*
 * Publishes the records in their order, all or none.  False when some of them are refused,
 * or a batch of them; then none is published.
 */
extern bool kfdw_publication_send(const KafkaPublication *publication);

/*
 * Sends some of the records, but for those that are left out, in a transaction that is left
 * open; NULL when all of them were taken, else the refusal.  Other errors go on.
 */
extern ErrorData *kfdw_publication_try(const KafkaPublication *publication, int from, int to, const bool *left_out,
									   KafkaProducer **producer);

/* True when a refusal says of a topic that it cannot be written to, or lacks the partition of the record. */
extern bool kfdw_publication_is_of_topic(const ErrorData *error);
extern bool kfdw_publication_lacks_partition(const ErrorData *error);

/* A topic was waited for in vain. */
extern void kfdw_publication_give_up(const char *topic);

#endif							/* KFDW_PUBLICATION_H */
