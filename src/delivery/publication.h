/*
 * publication.h
 *	  Publishing a set of records in one Kafka transaction, and finding those that Kafka
 *	  refuses.
 */
#ifndef KFDW_PUBLICATION_H
#define KFDW_PUBLICATION_H

#include "kafka/transaction.h"
#include "nodes/pg_list.h"
#include "utils/elog.h"

/* A record that fails also when it is sent alone, and why. */
typedef struct KafkaRefusal
{
	int			index;
	ErrorData  *error;
} KafkaRefusal;

/* What a set of records is published with. */
typedef struct KafkaPublication
{
	const KafkaConfig *producer;
	const KafkaGroupPosition *position; /* moved together with them */
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
 * The refusals of single records, none of which is published by that; in the order of the
 * records.  Brokers are asked about topics with the configuration of the asker.
 */
extern List *kfdw_publication_find_refused(const KafkaPublication *publication, const KafkaConfig *asker);

#endif							/* KFDW_PUBLICATION_H */
