/*
 * stream_waits.h
 *	  Which streams a stream waits for.
 */
#ifndef KFDW_STREAM_WAITS_H
#define KFDW_STREAM_WAITS_H

#include "catalog/streams.h"

/*
 * Makes the names of streams and tables in a stream's setting "wait_for" those of streams:
 * of a table, those that write it.  Refuses that it would wait for itself.
 */
extern void kfdw_stream_resolve_waits(KafkaStream *stream);

#endif							/* KFDW_STREAM_WAITS_H */
