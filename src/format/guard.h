/*
 * guard.h
 *	  Catches errors that are the fault of a record.
 */
#ifndef KFDW_GUARD_H
#define KFDW_GUARD_H

#include "utils/elog.h"

/* What it takes to go on after an error; the greater includes the lesser. */
typedef enum KafkaGuard
{
	KAFKA_GUARD_PLAIN,			/* nothing: what failed held nothing */
	KAFKA_GUARD_SUBTRANSACTION
} KafkaGuard;

/* What the input of a type needs. */
extern KafkaGuard kfdw_guard_for_input(Oid type);

/*
 * Calls a function.  Returns NULL, or the error of a record, in the current memory
 * context; any other error is raised.
 */
extern ErrorData *kfdw_guard_call(KafkaGuard guard, void (*function) (void *argument), void *argument);

/* What is kept of an error beside the record: a line, in the current memory context. */
extern char *kfdw_guard_describe(const ErrorData *error);

#endif							/* KFDW_GUARD_H */
