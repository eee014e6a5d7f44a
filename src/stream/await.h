/*
 * await.h
 *	  Streams that wait for the tables that others keep.
 */
#ifndef KFDW_AWAIT_H
#define KFDW_AWAIT_H

#include "catalog/streams.h"

/* What a batch waits for: made when it was gathered. */
typedef struct KafkaAwait
{
	const List *names;			/* of the streams that have not answered */
	uint64		question;		/* what they were asked */
	TimestampTz until;			/* no longer than this */
} KafkaAwait;

/* Asks the streams that a stream waits for; all of them begin to look. */
extern KafkaAwait kfdw_await_begin(const KafkaStream *stream);

/*
 * True when all of them have done everything that their topics held when they were asked, or
 * the time is up.  Waits for that, outside any transaction, for a second at most.
 */
extern bool kfdw_await_step(const KafkaAwait *await);

#endif							/* KFDW_AWAIT_H */
