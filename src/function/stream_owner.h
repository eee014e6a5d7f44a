/*
 * stream_owner.h
 *	  Whose a stream is: who may change it, and how he locks it.
 */
#ifndef KFDW_STREAM_OWNER_H
#define KFDW_STREAM_OWNER_H

#include "catalog/streams.h"

/* Gives a locked stream to a role that may own one; an error if it may not. */
extern void kfdw_stream_set_owner(const KafkaStream *stream, Oid role);

/* Locks a stream until the end of the transaction; batches that wait for locks step back. */
extern void kfdw_stream_lock_to_change(const char *name);

/* A stream that the user owns, and the same locked like that. */
extern KafkaStream *kfdw_stream_get_own(const char *name);
extern KafkaStream *kfdw_stream_lock_own(const char *name);

/* An error where its owner was dropped. */
extern void kfdw_stream_require_owner(const KafkaStream *stream);

/* An error in a read-only transaction, as all are on a standby. */
extern void kfdw_stream_check_writable(void);

/* An error where the library is not preloaded, and where workers could not log in as a role. */
extern void kfdw_stream_check_preloaded(void);
extern void kfdw_stream_check_can_log_in(Oid role);

/* The stream whose statement this session runs from here on; "": none. */
extern void kfdw_stream_set_retried(const char *name);

/* Raises an error in the stream's own statement, in a worker or as it is retried; says what it did. */
extern void kfdw_stream_check_own_statement(const char *name, const char *what);

#endif							/* KFDW_STREAM_OWNER_H */
