/*
 * parking.h
 *	  A worker looks at the parked records of its share, to see which have their row now.
 *
 * A look is made of portions, each a transaction, so that new records get their turn
 * between them.
 */
#ifndef KFDW_PARKING_H
#define KFDW_PARKING_H

#include "catalog/parked.h"
#include "catalog/streams.h"
#include "stream/trial.h"

typedef struct KafkaParking KafkaParking;

/* In a transaction; belongs to the current memory context.  NULL: the stream does not park. */
extern KafkaParking *kfdw_parking_open(const KafkaStream *stream, const KafkaParkedShare *share);

/* Outside any transaction: sees to it that changes of the table are told of that has the name now. */
extern void kfdw_parking_follow_table(KafkaParking *parking);

/* How long it may wait before the next portion, at most so many ms; 0: it is due. */
extern long kfdw_parking_rest_ms(const KafkaParking *parking, long most);

/* How many records wait, as far as is known. */
extern int64 kfdw_parking_count(const KafkaParking *parking);

/* Records were parked, which is committed. */
extern void kfdw_parking_add(KafkaParking *parking, int64 count);

/* Before the transaction of a portion. */
extern void kfdw_parking_begin(KafkaParking *parking);

/* Runs the stream's statement for a portion of records that have their row, or have waited long enough. */
extern KafkaTrialResult kfdw_parking_run(KafkaParking *parking, KafkaTrial *trial);

/* What was run is committed. */
extern void kfdw_parking_committed(KafkaParking *parking);

#endif							/* KFDW_PARKING_H */
