/*
 * absence.h
 *	  Why a worker that is wanted has no process.
 */
#ifndef KFDW_ABSENCE_H
#define KFDW_ABSENCE_H

#include "worker/shared.h"

/* A state, and why when it is not a worker that says so. */
typedef struct KafkaAbsence
{
	KafkaWorkerState state;
	const char *reason;			/* NULL: none is needed */
	const char *hint;			/* what to do about it; NULL: nothing */
} KafkaAbsence;

/* What is to say of a worker without a slot, and (paused) of all where none may run. */
extern KafkaAbsence kfdw_absence_explain(void);

#endif							/* KFDW_ABSENCE_H */
