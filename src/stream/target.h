/*
 * target.h
 *	  The table that a stream's statement writes.
 */
#ifndef KFDW_STREAM_TARGET_H
#define KFDW_STREAM_TARGET_H

#include "nodes/parsenodes.h"

/* The first column of the key of a topic that an INSERT writes, where it assigns none of them; else NULL. */
extern const char *kfdw_target_missing_key(const Query *query);

#endif							/* KFDW_STREAM_TARGET_H */
