/*
 * tail.h
 *	  The newest records of each partition, or of all of them together.
 */
#ifndef KFDW_TAIL_H
#define KFDW_TAIL_H

#include "source/fetch.h"

typedef struct KafkaTail KafkaTail;

/*
 * Finds the newest records of each partition that a table reads, up to so many: offsets
 * may be transaction markers, aborted records or gaps, so it goes back until it has as
 * many records.  Moves nothing.  Belongs to the current memory context.
 */
extern KafkaTail *kfdw_tail_open(const KafkaTableOptions *options, int count, KafkaActivity *activity);

/* The same, of all partitions together: as many of each as it has, and no more than others. */
extern KafkaTail *kfdw_tail_open_together(const KafkaTableOptions *options, int count, KafkaActivity *activity);

/* The next of them, by ascending offset in each partition; NULL at the end.  Good until the next call. */
extern KafkaRecord *kfdw_tail_next(KafkaTail *tail);

extern void kfdw_tail_close(KafkaTail *tail);

#endif							/* KFDW_TAIL_H */
