/*
 * wait.h
 *	  Waiting for what brokers say: the only place where a statement does.
 */
#ifndef KFDW_WAIT_H
#define KFDW_WAIT_H

#include "datatype/timestamp.h"

#include "stat/activity.h"

/*
 * Waits until a thread of the library wakes this process by an eventfd, the latch is
 * set or the time is up.  Leaves interrupts to the caller.
 */
extern void kfdw_wait(KafkaWait wait, int wake_fd, long timeout_ms);

/*
 * Microseconds by a clock that is the same for all processes and never set, unlike the
 * time: what is waited for is measured by it.  May be called on any thread.
 */
extern TimestampTz kfdw_wait_now(void);

/* Microseconds that this process has waited so, ever. */
extern int64 kfdw_wait_total_us(void);

/*
 * What a process waits for, as pg_stat_activity would show it; NULL for nothing.  It is
 * known of waits of ours also where PostgreSQL has no name for them.
 */
extern char *kfdw_wait_describe(int pid, KafkaWait wait);

#endif							/* KFDW_WAIT_H */
