/*
 * fetch.h
 *	  Records of a topic one by one, as a scan takes them.
 */
#ifndef KFDW_FETCH_H
#define KFDW_FETCH_H

#include "kafka/consumer.h"
#include "option/options.h"
#include "source/share.h"
#include "stat/activity.h"

typedef struct KafkaFetch
{
	KafkaConsumer *consumer;	/* NULL: not open */
	KafkaBuffer *buffer;
	int			next;			/* in the buffer */

	KafkaActivity *activity;	/* where it tells how far it is */
	KafkaSlice *slices;			/* that it reads */
	int			nslices;
	int64		done;			/* offsets that it had done before it read these */

	KafkaShareMember member;	/* share NULL: it was given all that it reads */
	KafkaSlice *taken;			/* room for what it takes at a time */
} KafkaFetch;

/* Belongs to the current memory context. */
extern void kfdw_fetch_open(KafkaFetch *fetch, const KafkaTableOptions *options, KafkaActivity *activity);

/* Begins to read slices, in place of what was read before. */
extern void kfdw_fetch_start(KafkaFetch *fetch, const KafkaSlice *slices, int nslices);

/*
 * Begins to take slices of so many partitions from a share, in place of what was read
 * before, whenever the next record is wanted; until it leaves the share.
 */
extern void kfdw_fetch_start_shared(KafkaFetch *fetch, const KafkaShareMember *member, int npartitions);
extern void kfdw_fetch_leave(KafkaFetch *fetch);

/* Waits for the next record; NULL at the end of all slices. */
extern KafkaRecord *kfdw_fetch_next(KafkaFetch *fetch);

/* Gives the client to others until something is read: what was asked for is known, and nothing is being read. */
extern void kfdw_fetch_rest(KafkaFetch *fetch);

/* Does nothing where it is not open. */
extern void kfdw_fetch_close(KafkaFetch *fetch);

#endif							/* KFDW_FETCH_H */
