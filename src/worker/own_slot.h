/*
 * own_slot.h
 *	  The slot of this process, if it is a worker: what is wanted of it, and what it
 *	  says of itself.
 */
#ifndef KFDW_OWN_SLOT_H
#define KFDW_OWN_SLOT_H

#include "kafka/record.h"
#include "worker/shared.h"

/*
 * Takes the slot that this process was launched for, until it exits.  Returns NULL
 * when the slot has gone its way in the meantime.
 */
extern const KafkaWorkerKey *kfdw_own_slot_attach(int index, uint32 launch, Oid *owner);

/* True in the process of a worker. */
extern bool kfdw_own_slot_exists(void);

/* Why this process is about to exit, for those that look at the slot. */
extern void kfdw_own_slot_set_exit_reason(const char *message);

/*
 * False when the worker is not wanted any more, or as another role: its process is
 * to end.  Else tells in which revision it is wanted.
 */
extern bool kfdw_own_slot_follow(TransactionId *revision);

/* That revision. */
extern TransactionId kfdw_own_slot_revision(void);

/* True when the worker has failed, in the revision that is wanted. */
extern bool kfdw_own_slot_has_failed(void);

/* One that has failed is looked after by this process, and by another one where it is ended; or by none. */
extern void kfdw_own_slot_set_looks_on(bool looks_on);

/* Shows a state, unless what is wanted has changed since the worker looked. */
extern void kfdw_own_slot_enter(KafkaWorkerState state);

/*
 * Shows that it runs, on how many partitions, how many records it is behind until that is
 * done, and the time of the first of them.
 */
extern void kfdw_own_slot_run(int partitions, int64 lag, int64 timestamp);

/* The record at which it is about to fail. */
extern void kfdw_own_slot_blame(const KafkaRecord *record);

/* True when the batch was canceled for a session that changes what is wanted.  Takes no lock: errors ask. */
extern bool kfdw_own_slot_steps_back(void);

/* The run of failed records that new ones, or those that are parked, go on with. */
extern KafkaFailedRun kfdw_own_slot_failed_run(bool parked);

/* It is this one now, unless what is wanted has changed. */
extern void kfdw_own_slot_keep_failed_run(bool parked, KafkaFailedRun run);

/* The plan of a batch, with its rows and times, cut where it is too long. */
extern void kfdw_own_slot_show_plan(const char *plan, int records, int piece, double ms);

/* Something failed, perhaps with a hint what to do; returns how often in a row. */
extern int	kfdw_own_slot_fault(KafkaWorkerState state, const char *message, const char *hint);

/* Adds what was done; nothing fails any more. */
extern void kfdw_own_slot_record(const KafkaWorkerStats *done);

/* The relation whose changes it wants to know of, or InvalidOid. */
extern void kfdw_own_slot_watch(Oid relation);

/* True when it has changed since it was watched, or since the worker looked, which is said by calm. */
extern bool kfdw_own_slot_is_stirred(void);
extern void kfdw_own_slot_calm(void);

/* The newest question whether it has caught up, see slots.h; 0: all are answered. */
extern uint64 kfdw_own_slot_question(void);

/* It has: wakes those who wait for that. */
extern void kfdw_own_slot_answer(uint64 question);

/* Shows which worker's stream this one waits for; "": for none. */
extern void kfdw_own_slot_await(const char *name);

/*
 * Wants to sleep, or to be awake; what it is, and, for who asks, what it was woken for (NULL:
 * no trouble), in the current memory context.
 */
extern void kfdw_own_slot_sleep(const KafkaSleep *sleep);
extern void kfdw_own_slot_stay_awake(void);
extern KafkaWakefulness kfdw_own_slot_wakefulness(char **alarm);

/* Where a thread of this process may tell how far behind it is; NULL before it has a slot. */
extern volatile int64 *kfdw_own_slot_lag(void);

#endif							/* KFDW_OWN_SLOT_H */
