/*
 * refusals.h
 *	  Which of the records of a publication Kafka refuses.
 */
#ifndef KFDW_REFUSALS_H
#define KFDW_REFUSALS_H

#include "nodes/pg_list.h"

#include "delivery/publication.h"

/* A record that fails also when it is sent alone, and why. */
typedef struct KafkaRefusal
{
	int			index;
	ErrorData  *error;
} KafkaRefusal;

/*
 * The refusals of single records, none of which is published by that; in the order of the
 * records.  Brokers are asked about topics with the configuration of the asker.
 */
extern List *kfdw_refusals_find(const KafkaPublication *publication, const KafkaConfig *asker);

#endif							/* KFDW_REFUSALS_H */
