/*
 * memory.h
 *	  The shared memory of the library, which there is where it is preloaded: who needs
 *	  some of it registers.
 */
#ifndef KFDW_MEMORY_H
#define KFDW_MEMORY_H

#include "storage/lwlock.h"

/* A piece of shared memory with a lock of its own. */
typedef struct KafkaMemory
{
	const char *name;
	Size		(*size) (void);

	/*
	 * Remembers where the piece is; a new one is zeroed, and to be filled.  When the
	 * server starts, and again after a crash of one of its processes.
	 */
	void		(*set_up) (void *memory, LWLock *lock, bool is_new);
} KafkaMemory;

/* Called while the library is preloaded; nothing happens else. */
extern void kfdw_memory_register(const KafkaMemory *memory);

/* Raises an error where a piece that a view shows is not there. */
extern void kfdw_memory_require(const void *memory, const char *view);

#endif							/* KFDW_MEMORY_H */
