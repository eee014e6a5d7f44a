/*
 * tick.h
 *	  The records of a tick of the outbox, and how they are published.
 */
#ifndef KFDW_TICK_H
#define KFDW_TICK_H

#include "catalog/dead_letters.h"
#include "catalog/outbox.h"
#include "kafka/transaction.h"

typedef struct KafkaTickRecords
{
	const KafkaTick *tick;
	KafkaRecord *records;
	KafkaOutboxRow **rows;		/* where each comes from */
	int			count;
} KafkaTickRecords;

/* In the current memory context; they point into the rows. */
extern KafkaTickRecords *kfdw_tick_read(const KafkaTick *tick, List *rows);

/*
 * Publishes the records and moves the position, all or nothing.  False, and nothing, when
 * some are refused: *refused; a patient one waits for topics that are not there, or not
 * allowed, by an error.
 */
extern bool kfdw_tick_publish(const KafkaTickRecords *records, const KafkaConfig *producer,
							  const KafkaGroupPosition *position, bool patient, List **refused);

/* In a transaction: makes dead letters of what is refused; the tick is then without it. */
extern void kfdw_tick_set_aside(const KafkaTickRecords *records, const KafkaReader *reader, List *refused);

#endif							/* KFDW_TICK_H */
