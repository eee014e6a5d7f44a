/*
 * streams.h
 *	  What SQL functions share about streams.
 */
#ifndef KFDW_FUNCTION_STREAMS_H
#define KFDW_FUNCTION_STREAMS_H

#include "catalog/streams.h"

/* Gives a locked stream to a role that may own one; an error if it may not. */
extern void kfdw_stream_set_owner(const KafkaStream *stream, Oid role);

/* Locks a stream until the end of the transaction; batches that wait for locks step back. */
extern void kfdw_stream_lock_to_change(const char *name);

/* A stream that the user owns, and the same locked like that. */
extern KafkaStream *kfdw_stream_get_own(const char *name);
extern KafkaStream *kfdw_stream_lock_own(const char *name);

#endif							/* KFDW_FUNCTION_STREAMS_H */
