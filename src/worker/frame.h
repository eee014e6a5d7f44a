/*
 * frame.h
 *	  What a job says to the process that it runs in.
 */
#ifndef KFDW_FRAME_H
#define KFDW_FRAME_H

#include "kafka/record.h"
#include "worker/shared.h"
#include "worker/slots.h"

/* Outside any transaction: shows that the worker has nothing to do, and adds what was done. */
extern void kfdw_frame_rest(const KafkaWorkerStats *done);

/*
 * Shows that a piece of work begins, and which; on how many partitions, how many records the
 * worker is behind until it is done, and the time of the first of them.
 */
extern void kfdw_frame_run(const char *what, int partitions, int64 lag, int64 timestamp);

/* Before an error is raised: it is about this record. */
extern void kfdw_frame_blame(const KafkaRecord *record);

/* The run of failed records that new ones, or those that are parked, go on with; it outlives work and process. */
extern KafkaFailedRun kfdw_frame_failed_run(bool parked);
extern void kfdw_frame_keep_failed_run(bool parked, KafkaFailedRun run);

/* Where the lag is shown, for a job that has it measured while a step runs. */
extern volatile int64 *kfdw_frame_lag(void);

/* A question whether this worker has caught up, see slots.h, and the answer that it has. */
extern uint64 kfdw_frame_question(void);
extern void kfdw_frame_answer(uint64 question);

/* See sleepers.h: that this worker would sleep, or stays awake; what has become of it. */
extern void kfdw_frame_sleep(const KafkaSleep *sleep);
extern void kfdw_frame_stay_awake(void);
extern KafkaWakefulness kfdw_frame_wakefulness(char **alarm);

/* Asks the workers of the same kind and another name, with a question that is new or not. */
extern uint64 kfdw_frame_new_question(void);
extern KafkaAnswer kfdw_frame_ask(const char *name, uint64 question);

/* Waits for their answer for so long, and shows whom it waits for; false when it has not come. */
extern bool kfdw_frame_await(const char *name, uint64 question, long ms);

/*
 * Outside any transaction: adds what was done.  Whatever trouble there was is over, unless
 * there is some that is no error, beside which the work goes on.
 */
extern void kfdw_frame_record(const KafkaWorkerStats *done, bool in_trouble);

/* Shows the plan of a batch, or of a piece of it, with its rows and times; the milliseconds are those of the batch. */
extern void kfdw_frame_show_plan(const char *plan, int records, int piece, double ms);

/* Waits between two steps until the time has passed or the process is woken; for its pace's sake, or asleep. */
extern void kfdw_frame_wait(long ms);
extern void kfdw_frame_sleep_on(long ms);

/* The relation whose changes are to wake the worker (InvalidOid: none), and whether there were some since that or calm. */
extern void kfdw_frame_watch(Oid relation);
extern bool kfdw_frame_is_stirred(void);
extern void kfdw_frame_calm(void);

/* True in the worker of a stream. */
extern bool kfdw_frame_is_of_stream(const char *name);

/* Outside any transaction: something that is no error, and that passes, keeps the job from working. */
extern void kfdw_frame_stall(const char *why);

/* True while the trouble that was told of lasts. */
extern bool kfdw_frame_in_trouble(void);

/* True for errors that pass by themselves; all others need somebody who changes something. */
extern bool kfdw_frame_passes(const ErrorData *error);

#endif							/* KFDW_FRAME_H */
