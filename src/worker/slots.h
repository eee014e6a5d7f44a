/*
 * slots.h
 *	  The slots of workers in shared memory: one for each worker that is wanted.
 */
#ifndef KFDW_SLOTS_H
#define KFDW_SLOTS_H

#include "worker/shared.h"

/* With the lock held: */

/* The only place where a state changes. */
extern void kfdw_slot_set_state(KafkaSlot *slot, KafkaWorkerState state);

/* Keeps a message and its hint (NULL: none), cut where they are too long. */
extern void kfdw_slot_set_error(KafkaSlot *slot, const char *message, const char *hint);

/* Keeps the plan of a batch, cut where it is too long. */
extern void kfdw_slot_set_plan(KafkaSlot *slot, const char *plan, int records, int piece, double ms);

/* No new process before a pause, which grows with every fault. */
extern void kfdw_slot_delay(KafkaSlot *slot);

/* Earlier faults count no more when there was work done since, or the process has lived for longer than the longest pause. */
extern void kfdw_slot_forgive(KafkaSlot *slot, bool has_worked);

/* It has no process any more; a slot that nobody wants or looks at is free then. */
extern void kfdw_slot_end_process(KafkaSlot *slot);

/* True when a worker that got no slot could have one now: all databases are to be looked at again. */
extern bool kfdw_slot_can_be_made(void);

/* Without: */

extern const char *kfdw_slot_state_name(KafkaWorkerState state);

/* How long to wait after so many faults in a row. */
extern int	kfdw_slot_backoff_ms(int faults);

/* Copies the slot of a worker; false when there is none. */
extern bool kfdw_slot_copy(const KafkaWorkerKey *key, KafkaSlot *copy);

/* Wakes a worker, if it runs.  Cannot fail. */
extern void kfdw_slot_wake(const KafkaWorkerKey *key);

/*
 * Wakes the workers that watch a relation (InvalidOid: whatever they watch), and do not know
 * yet that it has changed.  Cannot fail.
 */
extern void kfdw_slot_stir(Oid database, Oid relation);

/*
 * Who waits until workers have caught up with what there was when he began takes the
 * number of a new question, and asks with it again and again: a worker is woken by the
 * first time, and wakes those who wait when it has answered.
 */
typedef enum KafkaAnswer
{
	KAFKA_ANSWER_YES,			/* all workers of that name have */
	KAFKA_ANSWER_NOT_YET,
	KAFKA_ANSWER_NOBODY			/* there are no workers of that name */
} KafkaAnswer;

extern uint64 kfdw_slot_new_question(void);
extern KafkaAnswer kfdw_slot_ask(Oid database, KafkaJobKind kind, const char *name, uint64 question);

/* Makes the slots of a database what its wants ask for. */
extern void kfdw_slot_set_wants(Oid database, List *wants);

/*
 * Lets workers step back that wait for a lock: somebody who changes what they do may
 * hold it, and is about to wait for them.
 */
extern void kfdw_slot_step_back(Oid database, KafkaJobKind kind, const char *name);

/*
 * Ends the processes of a database at once, and wants none until a scout has looked
 * again; false when there were none.
 */
extern bool kfdw_slot_end_database(Oid database);

#endif							/* KFDW_SLOTS_H */
