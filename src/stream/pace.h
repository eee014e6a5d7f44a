/*
 * pace.h
 *	  When a worker may run the next batch, and how many records it may hold, as the
 *	  stream's commit_interval and max_records_per_second say.
 */
#ifndef KFDW_PACE_H
#define KFDW_PACE_H

#include "catalog/streams.h"
#include "datatype/timestamp.h"

typedef struct KafkaPace
{
	int64		interval_us;	/* from one commit to the next */
	double		record_us;		/* between the records of a worker; 0: it has no limit */
	int			max_records;	/* of a batch */
	TimestampTz gathered;		/* until then a batch is gathered, unless it is full */
	TimestampTz allowed;		/* no batch before */
} KafkaPace;

extern KafkaPace kfdw_pace_of(const KafkaStream *stream);

/* How long the next batch has to wait, in milliseconds; 0: not at all. */
extern long kfdw_pace_wait_ms(const KafkaPace *pace, bool is_full);

/* A batch of so many records begins, and one is committed. */
extern void kfdw_pace_begin(KafkaPace *pace, int records);
extern void kfdw_pace_commit(KafkaPace *pace);

#endif							/* KFDW_PACE_H */
