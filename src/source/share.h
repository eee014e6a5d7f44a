/*
 * share.h
 *	  What the processes of a parallel scan share of topics: who reads which records.
 *
 * It lies in dynamic shared memory.  The process that begins the scan decides on the
 * range; each member takes some of it, and more when it has read that.
 */
#ifndef KFDW_SHARE_H
#define KFDW_SHARE_H

#include "kafka/outlook.h"

typedef struct KafkaShare KafkaShare;

/* What one of the members sees of a share. */
typedef struct KafkaShareMember
{
	KafkaShare *share;
	int			number;			/* from 0 */
	const KafkaPartition *partitions;	/* of the outlook */
} KafkaShareMember;

extern Size kfdw_share_size(const KafkaOutlook *outlook, int nmembers);

/* Makes a share with nothing to read. */
extern void kfdw_share_create(KafkaShare *share, const KafkaOutlook *outlook, int nmembers);

/* Decides what is to be read, while no other process reads: at first, and again at a rescan. */
extern void kfdw_share_set(KafkaShare *share, const KafkaSlice *slices, int nslices);

/* The partitions of the outlook for another process, and how many, in the current memory context. */
extern KafkaPartition *kfdw_share_partitions(const KafkaShare *share, const KafkaSelection *selection, int *count);

/*
 * Takes something to read that nobody else will: slices of different partitions, as many
 * as there are partitions at most.  0: nothing is left.
 */
extern int	kfdw_share_take(const KafkaShareMember *member, KafkaSlice *slices);

/* The partition of which the member may go on to take what follows; NULL: of none. */
extern const KafkaPartition *kfdw_share_current(const KafkaShareMember *member);

/* Takes more of that when reading, which is at a position, will need it soon and is not there yet; the new end, or -1. */
extern int64 kfdw_share_extend(const KafkaShareMember *member, int64 position);

/* The member has read so many offsets; returns those of all members. */
extern int64 kfdw_share_tell(const KafkaShareMember *member, int64 done);

/* Offsets that are to be read, by all. */
extern int64 kfdw_share_range(const KafkaShare *share);

/* Nobody wants more records. */
extern void kfdw_share_stop(KafkaShare *share);
extern bool kfdw_share_is_stopped(const KafkaShare *share);

#endif							/* KFDW_SHARE_H */
