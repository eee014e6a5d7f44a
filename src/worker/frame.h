/*
 * frame.h
 *	  What a job says to the process that it runs in.
 */
#ifndef KFDW_FRAME_H
#define KFDW_FRAME_H

#include "kafka/record.h"
#include "worker/shared.h"

/* Shows a state in which nothing runs, in the slot and in pg_stat_activity. */
extern void kfdw_frame_enter(KafkaWorkerState state);

/* Shows that a piece of work begins, on how many partitions, and how many records the worker is behind until it is done. */
extern void kfdw_frame_run(int partitions, int64 lag);

/* Before an error is raised: it is about this record. */
extern void kfdw_frame_blame(const KafkaRecord *record);

/* Where the lag is shown, for a job that has it measured while a step runs. */
extern volatile int64 *kfdw_frame_lag(void);

/* Adds what was done: whatever trouble there was is over. */
extern void kfdw_frame_record(const KafkaWorkerStats *done);

/* Waits between two steps until the time has passed or the process is woken. */
extern void kfdw_frame_wait(long ms);

/* Something that is no error, and that passes, keeps the job from working. */
extern void kfdw_frame_stall(const char *why);

/* True for errors that pass by themselves; all others need somebody who changes something. */
extern bool kfdw_frame_passes(const ErrorData *error);

#endif							/* KFDW_FRAME_H */
