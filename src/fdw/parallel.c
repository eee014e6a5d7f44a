/*
 * parallel.c
 *	  What the processes of a parallel query share of a scan.
 *
 * The leader decides what is read, from the ends that all scans of the statement see and
 * the present values of the conditions, and shares it; who reads which records is up to the
 * source.  Where it cannot be shared the leader reads all of it.
 */
#include "postgres.h"

#include "access/parallel.h"

#include "fdw/fdw.h"
#include "fdw/scan.h"
#include "stat/wait.h"

/* In dynamic shared memory; what the source shares follows. */
struct KafkaParallelScan
{
	bool		shared;			/* else the leader reads alone */
	int			nmembers;		/* the leader is the first */
	pg_atomic_uint64 rejected;	/* records since the last rescan that could not be decoded */
	int			nfields;
	KafkaScanCounts counts[FLEXIBLE_ARRAY_MEMBER];	/* by member; the leader has its own */
};

/* Where the fields that were seen are. */
static Size
seen_offset(int nmembers)
{
	return add_size(offsetof(KafkaParallelScan, counts), mul_size(nmembers, sizeof(KafkaScanCounts)));
}

static bool *
seen_fields(KafkaParallelScan *parallel)
{
	return (bool *) ((char *) parallel + seen_offset(parallel->nmembers));
}

/* Where the part of the source begins. */
static Size
source_offset(int nmembers, int nfields)
{
	return MAXALIGN(add_size(seen_offset(nmembers), mul_size(nfields, sizeof(bool))));
}

static void *
source_memory(KafkaParallelScan *parallel)
{
	return (char *) parallel + source_offset(parallel->nmembers, parallel->nfields);
}

Size
kafkaEstimateDSMForeignScan(ForeignScanState *node, ParallelContext *pcxt)
{
	KafkaScanState *scan = node->fdw_state;
	const KafkaSourceKind *kind = scan->source->kind;
	int			nmembers = pcxt->nworkers + 1;
	Size		size = source_offset(nmembers, scan->natts);
	int64		waited_us = kfdw_wait_total_us();

	if (kind->share_size != NULL)
		size = add_size(size, kind->share_size(scan->source, nmembers));
	kfdw_scan_count_wait(scan, waited_us);
	return size;
}

/* Shares what is wanted now. */
static void
share(ForeignScanState *node, KafkaParallelScan *parallel, bool is_new)
{
	KafkaScanState *scan = node->fdw_state;
	KafkaSharing sharing = {source_memory(parallel), parallel->nmembers, is_new};
	KafkaSourceFilter wanted;
	int64		waited_us = kfdw_wait_total_us();

	pg_atomic_init_u64(&parallel->rejected, 0);
	scan->rejected = &parallel->rejected;
	scan->source->kind->share(scan->source, kfdw_scan_evaluate(node, &wanted), &sharing);
	kfdw_scan_count_wait(scan, waited_us);
}

void
kafkaInitializeDSMForeignScan(ForeignScanState *node, ParallelContext *pcxt, void *coordinate)
{
	KafkaScanState *scan = node->fdw_state;
	KafkaParallelScan *parallel = coordinate;

	memset(parallel, 0, source_offset(pcxt->nworkers + 1, scan->natts));
	parallel->nmembers = pcxt->nworkers + 1;
	parallel->nfields = scan->natts;
	parallel->shared = scan->source->kind->share_size != NULL;
	scan->parallel = parallel;
	if (parallel->shared)
		share(node, parallel, true);
}

/* Takes over what the other processes counted. */
static void
collect_counts(KafkaScanState *scan, KafkaParallelScan *parallel)
{
	for (int i = 1; i < parallel->nmembers; i++)
	{
		KafkaScanCounts *counts = &parallel->counts[i];

		scan->counts->records += counts->records;
		scan->counts->bytes += counts->bytes;
		scan->counts->rejected += counts->rejected;
		scan->counts->waited_us += counts->waited_us;
		memset(counts, 0, sizeof(KafkaScanCounts));
	}
	kfdw_codec_add_seen(scan->codec, seen_fields(parallel));
}

void
kafkaReInitializeDSMForeignScan(ForeignScanState *node, ParallelContext *pcxt, void *coordinate)
{
	KafkaParallelScan *parallel = coordinate;

	collect_counts(node->fdw_state, parallel);
	if (parallel->shared)
		share(node, parallel, false);
}

void
kafkaInitializeWorkerForeignScan(ForeignScanState *node, shm_toc *toc, void *coordinate)
{
	KafkaScanState *scan = node->fdw_state;
	KafkaParallelScan *parallel = coordinate;
	int			member = ParallelWorkerNumber + 1;

	scan->parallel = parallel;
	scan->counts = &parallel->counts[member];
	scan->rejected = &parallel->rejected;
	kfdw_codec_tell_seen(scan->codec, seen_fields(parallel));
	if (parallel->shared)
		scan->source->kind->join(scan->source, source_memory(parallel), member);
	else
		scan->excluded = true;
}

/* The leader may come here while others still read: they are to stop. */
void
kafkaShutdownForeignScan(ForeignScanState *node)
{
	KafkaScanState *scan = node->fdw_state;

	if (scan == NULL || scan->parallel == NULL)
		return;
	if (scan->parallel->shared)
		scan->source->kind->leave(scan->source);
	scan->rejected = &scan->own_rejected;
	if (IsParallelWorker())
	{
		scan->counts = &scan->own_counts;
		kfdw_codec_tell_seen(scan->codec, NULL);
	}
	else
		collect_counts(scan, scan->parallel);
	scan->parallel = NULL;
	scan->reading = false;
}
