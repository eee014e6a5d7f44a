/*
 * doubts.h
 *	  Records that violate a unique or exclusion constraint in a transaction that keeps its snapshot.
 *
 * The row that is in their way may be one that somebody else has committed since: a new
 * transaction sees it.  What fails there again is the record's fault.
 */
#ifndef KFDW_DOUBTS_H
#define KFDW_DOUBTS_H

#include "kafka/record.h"

typedef struct KafkaDoubts KafkaDoubts;

/* Belongs to the current memory context. */
extern KafkaDoubts *kfdw_doubts_create(void);

/* A transaction begins, perhaps for records that one before left in doubt. */
extern void kfdw_doubts_begin(KafkaDoubts *doubts);

/* A record fails so: true when it did not in the transaction before this one. */
extern bool kfdw_doubts_add(KafkaDoubts *doubts, const KafkaRecord *record);

/* True when there was such a one in this transaction, which then is to be rolled back. */
extern bool kfdw_doubts_any(const KafkaDoubts *doubts);

/* What was run is committed. */
extern void kfdw_doubts_clear(KafkaDoubts *doubts);

#endif							/* KFDW_DOUBTS_H */
