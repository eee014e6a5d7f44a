/*
 * worker.h
 *	  Background workers: set up by the postmaster, entered by name.
 *
 * The launcher has no database.  A scout connects to one, asks each kind of job
 * what it wants there and writes that into slots; the launcher starts a worker for
 * every wanted slot that has no process.  Whoever changes what is wanted pings the
 * launcher after its commit, and a scout looks again.
 */
#ifndef KFDW_WORKER_H
#define KFDW_WORKER_H

#include "compat.h"

/* Called when the library is loaded; only where it is preloaded there are workers. */
extern void kfdw_worker_init(void);

pg_noreturn extern PGDLLEXPORT void kfdw_launcher_main(Datum argument);
pg_noreturn extern PGDLLEXPORT void kfdw_scout_main(Datum argument);
pg_noreturn extern PGDLLEXPORT void kfdw_worker_main(Datum argument);

#endif							/* KFDW_WORKER_H */
