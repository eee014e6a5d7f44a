/*
 * stream_waits.h
 *	  Which streams a stream waits for.
 */
#ifndef KFDW_STREAM_WAITS_H
#define KFDW_STREAM_WAITS_H

#include "catalog/streams.h"

/*
 * Locks what streams wait for, where the stream, which is locked, waits for others.  False when
 * somebody else had to be waited for: the stream, whose batches would have waited, too, is not
 * locked any more, and nothing else is.
 */
extern bool kfdw_stream_lock_waits(const KafkaStream *stream);

/*
 * Makes the names of streams and tables in a stream's setting "wait_for" those of streams:
 * of a table, those that write it.  Refuses that it would wait for itself.  Waits are locked.
 */
extern void kfdw_stream_resolve_waits(KafkaStream *stream);

#endif							/* KFDW_STREAM_WAITS_H */
