/*
 * relay.h
 *	  The workers that publish what is in the outbox: one for each server and role.
 */
#ifndef KFDW_RELAY_H
#define KFDW_RELAY_H

#include "worker/job.h"

/* The name by which workers know a relay, in the current memory context. */
extern char *kfdw_relay_name(int id);

/* There is something to publish.  Never fails. */
extern void kfdw_relay_wake(int id);

extern void kfdw_relay_init(void);

#endif							/* KFDW_RELAY_H */
