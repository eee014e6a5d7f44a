/*
 * wait.c
 *	  Waiting for what brokers say: measured, named, and shown to others.
 */
#include "postgres.h"

#include <time.h>
#include <unistd.h>

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "stat/wait.h"

static KafkaWaitEvent events[] = {
	[KAFKA_WAIT_NONE] = {NULL},
	[KAFKA_WAIT_ANSWER] = {"KafkaAnswer"},
	[KAFKA_WAIT_RECORDS] = {"KafkaRecords"},
	[KAFKA_WAIT_ACKNOWLEDGEMENT] = {"KafkaAcknowledgement"},
};

static int64 total_us = 0;

void
kfdw_wait(KafkaWait wait, int wake_fd, long timeout_ms)
{
	uint32		event = kfdw_wait_event(&events[wait]);
	instr_time	before;
	instr_time	after;
	uint64		count;
	int			woken;

	INSTR_TIME_SET_CURRENT(before);
	kfdw_activity_wait(wait);
	woken = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							  wake_fd, timeout_ms, event);
	kfdw_activity_wait(KAFKA_WAIT_NONE);
	INSTR_TIME_SET_CURRENT(after);
	INSTR_TIME_SUBTRACT(after, before);
	total_us += (int64) INSTR_TIME_GET_MICROSEC(after);

	/* what cannot be read was read or disabled by somebody else: as good */
	if ((woken & WL_SOCKET_READABLE) && read(wake_fd, &count, sizeof(count)) < 0)
		count = 0;
	if (woken & WL_LATCH_SET)
		ResetLatch(MyLatch);
}

TimestampTz
kfdw_wait_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * USECS_PER_SEC + now.tv_nsec / 1000;
}

int64
kfdw_wait_total_us(void)
{
	return total_us;
}

char *
kfdw_wait_describe(int pid, KafkaWait wait)
{
	const PGPROC *process = pid == 0 ? NULL : BackendPidGetProc(pid);
	uint32		info = process == NULL ? 0 : process->wait_event_info;

	if (wait != KAFKA_WAIT_NONE)
		return psprintf("Extension: %s", events[wait].name);
	return info == 0 ? NULL : psprintf("%s: %s", pgstat_get_wait_event_type(info), pgstat_get_wait_event(info));
}
