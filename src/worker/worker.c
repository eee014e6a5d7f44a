/*
 * worker.c
 *	  Background workers: what a library that is preloaded sets up.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"

#include "worker/changes.h"
#include "worker/deadlock.h"
#include "worker/shared.h"
#include "worker/utility.h"
#include "worker/worker.h"

/* The launcher ends with its server only.  While pg_upgrade reads and fills tables, nothing may change them. */
static void
register_launcher(void)
{
	BackgroundWorker worker = {0};

	if (IsBinaryUpgrade)
		return;
	snprintf(worker.bgw_name, BGW_MAXLEN, "kafka_fdw launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "kafka_fdw launcher");
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "kafka_fdw");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "kfdw_launcher_main");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}

void
kfdw_worker_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	kfdw_shared_init();
	kfdw_utility_init();
	kfdw_changes_init();
	kfdw_deadlock_init();
	register_launcher();
}
