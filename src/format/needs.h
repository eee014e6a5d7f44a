/*
 * needs.h
 *	  What it takes to convert columns by the functions of their types.
 */
#ifndef KFDW_NEEDS_H
#define KFDW_NEEDS_H

#include "format/columns.h"
#include "format/guard.h"
#include "format/settings.h"

typedef struct KafkaNeeds
{
	const KafkaColumns *columns;
	KafkaSettingsUse decode_use;	/* what the types' input needs */
	KafkaSettingsUse encode_use;	/* and their output */
	KafkaGuard	guard;			/* what it takes to catch an error of it */
	uint64		changes;		/* so many were known when this was found out */
} KafkaNeeds;

/* Finds out what the needed columns need, and again where types have changed since. */
extern void kfdw_needs_begin(KafkaNeeds *needs, const KafkaColumns *columns);
extern void kfdw_needs_update(KafkaNeeds *needs);

/* What it takes to catch an error of a column. */
extern KafkaGuard kfdw_needs_guard_for(const KafkaColumn *column);

/* Calls a function that decodes as kfdw_guard_call() does, with the guard that is needed now. */
extern ErrorData *kfdw_needs_call(KafkaNeeds *needs, void (*function) (void *argument), void *argument);

extern void kfdw_needs_init(void);

#endif							/* KFDW_NEEDS_H */
