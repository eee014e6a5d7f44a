/*
 * consumption.h
 *	  The scans that consume: who reads which partitions of a consumer group in
 *	  this transaction, and how far.
 *
 * The scans of one table in one statement share a KafkaConsumption: they see the
 * same records.  A partition is claimed for the transaction; its position moves
 * when the last scan ends.  A subtransaction that rolls back takes back what was
 * read in it.
 */
#ifndef KFDW_CONSUMPTION_H
#define KFDW_CONSUMPTION_H

#include "nodes/execnodes.h"

#include "kafka/consumer.h"
#include "option/options.h"
#include "source/positions.h"

typedef struct KafkaConsumption KafkaConsumption;
typedef struct KafkaConsumingScan KafkaConsumingScan;

/* Begins a scan of a consuming table in a statement.  The scan belongs to the current memory context. */
extern KafkaConsumingScan *kfdw_consumption_begin(const EState *statement, const KafkaTableOptions *options,
												  KafkaConsumer *consumer);

/*
 * Chooses what the scan reads.  The partitions that it wants and that are free are
 * claimed, and their positions read, unless a scan of the same statement did so
 * before.  A rescan may choose anew.
 */
extern void kfdw_consumption_choose(KafkaConsumingScan *scan, KafkaConsumer *consumer,
									const KafkaPartitionFilter *filter);

/* What the scan is to read: an entry for each partition that it wants and that was claimed. */
extern const KafkaSlice *kfdw_consumption_slices(const KafkaConsumingScan *scan, int *nslices);

/* A record was handed to the executor. */
extern void kfdw_consumption_delivered(KafkaConsumingScan *scan, int32 partition, int64 offset);

/* The scan handed out everything up to the ends of its slices. */
extern void kfdw_consumption_finished(KafkaConsumingScan *scan);

/* A scan that stopped before those ends is to read just the same records again. */
extern void kfdw_consumption_repeat(KafkaConsumingScan *scan);

/* Ends a scan; the last one of a statement writes the positions. */
extern void kfdw_consumption_end(KafkaConsumingScan *scan);

/* Writes the positions of scans that are gone and that are not written yet. */
extern void kfdw_consumption_write_pending(void);

/* Takes part in transactions from now on. */
extern void kfdw_consumption_init(void);

#endif							/* KFDW_CONSUMPTION_H */
