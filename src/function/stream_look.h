/*
 * stream_look.h
 *	  Looking at the tables of any stream, whoever it is of.
 */
#ifndef KFDW_STREAM_LOOK_H
#define KFDW_STREAM_LOOK_H

#include "catalog/streams.h"

/*
 * Calls a function under the eyes of the stream's owner, where names mean what they mean to
 * its workers; no lock is kept.  Returns what is in the way, as far as the current user may
 * know it; NULL: nothing.
 */
extern const char *kfdw_stream_look(const KafkaStream *stream, void (*look) (void *), void *argument);

#endif							/* KFDW_STREAM_LOOK_H */
