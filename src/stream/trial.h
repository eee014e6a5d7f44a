/*
 * trial.h
 *	  Runs a stream's statement for records, some of which may be poison.
 */
#ifndef KFDW_TRIAL_H
#define KFDW_TRIAL_H

#include "catalog/streams.h"
#include "kafka/buffer.h"

/* Whose session the statement runs in. */
typedef enum KafkaTrialSession
{
	KAFKA_TRIAL_WORKER,			/* nothing of it outlives a batch */
	KAFKA_TRIAL_USER
} KafkaTrialSession;

typedef struct KafkaTrial KafkaTrial;

/* What came of a batch. */
typedef struct KafkaTrialResult
{
	uint64		rows;			/* that the statement wrote */
	int64		set_aside;		/* records that are dead letters */
	int64		parked;			/* that wait now */
	bool		in_doubt;		/* records failed that may not in a transaction with a newer snapshot */
	const char *plan;			/* of the last piece that was applied, until the next batch; empty: none was measured */
	int			planned;		/* records of that piece */
} KafkaTrialResult;

/* Belongs to the current memory context; remembers whether the batch before had poison. */
extern KafkaTrial *kfdw_trial_create(const KafkaStream *stream, const char *server, KafkaTrialSession session);

/*
 * Runs the statement for all records of a buffer, in the current transaction.  Records
 * that fail become dead letters or end it, as the stream says.  Those for which a stream
 * that parks finds no row are parked; in a user's session there is nothing to wait for.
 * Measuring takes time.
 */
extern KafkaTrialResult kfdw_trial_run(KafkaTrial *trial, KafkaBuffer *buffer, bool measure);

/*
 * The same for records that are parked; expired says for which the wait is over.  Those
 * that are to stay parked are marked.
 */
extern KafkaTrialResult kfdw_trial_run_parked(KafkaTrial *trial, KafkaBuffer *buffer, const bool *expired, bool *stays);

/* Lets go of what the last piece has left where an error ended it: its statement, and the scan in it. */
extern void kfdw_trial_free_piece(KafkaTrial *trial);

/* In a worker: rolls the transaction back where it leaves records in doubt; false: it does not. */
extern bool kfdw_trial_roll_back(const KafkaTrialResult *result);

/* The same: what was run is committed. */
extern void kfdw_trial_committed(KafkaTrial *trial);

#endif							/* KFDW_TRIAL_H */
