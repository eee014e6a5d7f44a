/*
 * sleepers.h
 *	  Workers that sleep: what they read a sentry watches, and wakes them.
 *
 * A worker that wants to sleep says from where it reads, and goes on reading.  It sleeps
 * once a sentry has seen that nothing is there, and is awake again when something comes,
 * when anything is in doubt, or when the sentry ends.
 */
#ifndef KFDW_SLEEPERS_H
#define KFDW_SLEEPERS_H

#include "worker/shared.h"

/* A worker that is not awake, as it was when it was looked at. */
typedef struct KafkaSleeper
{
	int			slot;
	uint32		sleeps;
	bool		asleep;
	KafkaSleep	sleep;
} KafkaSleeper;

/* Those of this database and user that read from a server: they rely on being looked at. */
extern List *kfdw_sleepers_list(Oid server);

/* Lets one sleep, or wakes it, unless it has done either meanwhile.  Cannot fail. */
extern void kfdw_sleepers_let_sleep(const KafkaSleeper *sleeper);
extern void kfdw_sleepers_wake(const KafkaSleeper *sleeper);

/* Wakes all of them, for some trouble (NULL: for none that is known).  Cannot fail. */
extern void kfdw_sleepers_wake_all(Oid server, const char *alarm);

#endif							/* KFDW_SLEEPERS_H */
