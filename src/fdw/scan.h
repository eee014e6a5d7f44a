/*
 * scan.h
 *	  What a scan of a topic table keeps; for this folder only.
 */
#ifndef KFDW_SCAN_H
#define KFDW_SCAN_H

#include "nodes/execnodes.h"
#include "port/atomics.h"

#include "fdw/bounds.h"
#include "fdw/fdw.h"
#include "format/codec.h"
#include "source/source.h"

/* What a scan did, for EXPLAIN ANALYZE. */
typedef struct KafkaScanCounts
{
	int64		records;
	int64		bytes;
	int64		rejected;		/* could not be decoded */
	int64		waited_us;		/* microseconds, for brokers */
} KafkaScanCounts;

/* What the processes of a parallel query share of it. */
typedef struct KafkaParallelScan KafkaParallelScan;

typedef struct KafkaScanState
{
	KafkaSource *source;
	bool		reading;		/* since the first fetch */
	bool		excluded;		/* another process reads everything */
	KafkaRowCodec *codec;
	int			natts;

	KafkaBounds *bounds;		/* what the conditions admit; NULL: everything */
	MemoryContext bounds_context;	/* reset when they are evaluated */

	int64		taken;			/* records since the last rescan */
	KafkaParallelScan *parallel;	/* NULL: it reads alone */
	KafkaScanCounts *counts;	/* its own, or in memory that is shared */
	KafkaScanCounts own_counts;
	pg_atomic_uint64 *rejected; /* the same: records since the last rescan that could not be decoded */
	pg_atomic_uint64 own_rejected;
	KafkaActivity *activity;	/* from the first fetch to the last */
	int64	   *table_counts;	/* KafkaReadingCount */
} KafkaScanState;

/* Counts what was waited for brokers since a moment, by kfdw_wait_total_us(). */
extern void kfdw_scan_count_wait(KafkaScanState *scan, int64 since_us);

/* Evaluates the conditions for the values that they have now: sets the filter to what they admit; NULL: everything. */
extern KafkaSourceFilter *kfdw_scan_evaluate(ForeignScanState *node, KafkaSourceFilter *filter);

#endif							/* KFDW_SCAN_H */
