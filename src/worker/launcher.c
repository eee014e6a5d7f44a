/*
 * launcher.c
 *	  Decides which workers run: sends scouts, starts workers and ends them.
 *
 * It sleeps until somebody pings, a process ends or a pause is over.
 */
#include "postgres.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "stat/wait.h"
#include "worker/job.h"
#include "worker/shared.h"
#include "worker/slots.h"
#include "worker/worker.h"

#define SCOUT_RETRY_MIN_MS 1000
#define SCOUT_RETRY_MAX_MS 60000
#define NO_PROCESS_RETRY_MS 5000

/* A scout that something holds up for so long is ended: other databases wait for it. */
#define SCOUT_MAX_MS 30000

/* A process that a worker leaves to another one is looked for so often, and for a scout kept free so long. */
#define ROOM_RETRY_MS 100
#define ROOM_MS 2000

/* Parallel queries need processes for moments. */
#define LACKING_MS 1000

/* A process that an earlier launcher asked for has this long to attach. */
#define ATTACH_TIMEOUT_MS 10000

/* A database that a scout is to look at. */
typedef struct ScoutErrand
{
	Oid			database;
	TimestampTz due;
	int			failures;
} ScoutErrand;

/* The process of a slot, if this launcher started it. */
typedef struct WorkerHandle
{
	BackgroundWorkerHandle *handle;
	uint32		launch;
} WorkerHandle;

static List *errands = NIL;
static ScoutErrand *scout_errand = NULL;	/* of the scout that is under way */
static BackgroundWorkerHandle *scout = NULL;
static TimestampTz scout_until = 0;
static WorkerHandle *workers;
static TimestampTz room_until = 0;	/* no worker is started before, as a scout lacks a process */
static TimestampTz lacking_since = 0;	/* since when none can be started; 0: one could */
static TimestampTz next_wakeup;

static KafkaWaitEvent main_wait = {"KafkaLauncherMain"};

/* The launcher is to look again at this moment at the latest. */
static void
wake_up_at(TimestampTz when)
{
	if (when < next_wakeup)
		next_wakeup = when;
}

/* This many milliseconds from now. */
static TimestampTz
in_ms(int ms)
{
	return TimestampTzPlusMilliseconds(kfdw_wait_now(), ms);
}

/* The databases that can be connected to and are no templates. */
static List *
list_databases(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *databases = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old = MemoryContextSwitchTo(context);

		if (database->datallowconn && !database->datistemplate &&
			database->datconnlimit != DATCONNLIMIT_INVALID_DB)
			databases = lappend_oid(databases, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return databases;
}

/* A database is to be looked at now. */
static void
add_errand(Oid database)
{
	MemoryContext old;
	ScoutErrand *errand;
	ListCell   *lc;

	foreach(lc, errands)
	{
		errand = lfirst(lc);
		if (errand->database == database)
		{
			errand->due = 0;
			return;
		}
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	errand = palloc0(sizeof(ScoutErrand));
	errand->database = database;
	errands = lappend(errands, errand);
	MemoryContextSwitchTo(old);
}

/* An errand is done. */
static void
remove_errand(ScoutErrand *errand)
{
	errands = list_delete_ptr(errands, errand);
	pfree(errand);
}

/* Turns pings into errands. */
static void
take_pings(void)
{
	Oid			pings[KAFKA_MAX_PINGS];
	int			npings;
	bool		all;
	ListCell   *lc;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	all = kfdw_slot_can_be_made() || kfdw_shared->ping_all;
	npings = kfdw_shared->npings;
	memcpy(pings, kfdw_shared->pings, sizeof(pings));
	kfdw_shared->ping_all = false;
	kfdw_shared->npings = 0;
	LWLockRelease(kfdw_shared->lock);

	for (int i = 0; i < npings; i++)
		add_errand(pings[i]);
	if (all)
		foreach(lc, list_databases())
			add_errand(lfirst_oid(lc));
}

/* Asks the postmaster for a process; NULL when max_worker_processes are in use. */
static BackgroundWorkerHandle *
start_process(BackgroundWorker *worker, const char *function)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	BackgroundWorkerHandle *handle = NULL;

	snprintf(worker->bgw_library_name, BGW_MAXLEN, "kafka_fdw");
	snprintf(worker->bgw_function_name, BGW_MAXLEN, "%s", function);
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	worker->bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(worker, &handle))
		handle = NULL;
	MemoryContextSwitchTo(old);
	return handle;
}

/* True when a process that was asked for is gone, or never came. */
static bool
has_ended(BackgroundWorkerHandle *handle)
{
	pid_t		pid;

	return GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED;
}

/* Looks after the scout that is under way; one that failed is sent again later. */
static void
await_scout(void)
{
	bool		done;

	if (scout == NULL)
		return;
	if (!has_ended(scout))
	{
		if (scout_until <= kfdw_wait_now())
			TerminateBackgroundWorker(scout);
		else
			wake_up_at(scout_until);
		return;
	}
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	done = kfdw_shared->scouted;
	kfdw_shared->scouting = InvalidOid;
	LWLockRelease(kfdw_shared->lock);
	pfree(scout);
	scout = NULL;
	room_until = 0;

	/* a ping while it was under way made the errand due again */
	if (done && scout_errand->due != 0)
		remove_errand(scout_errand);
	else if (!done)
	{
		int			ms = SCOUT_RETRY_MIN_MS << Min(scout_errand->failures++, 6);

		scout_errand->due = in_ms(Min(ms, SCOUT_RETRY_MAX_MS));
	}
	scout_errand = NULL;
}

/* An errand whose time has come and whose database is not held; NULL when there is none. */
static ScoutErrand *
find_due_errand(void)
{
	TimestampTz now = kfdw_wait_now();
	ScoutErrand   *found = NULL;
	ListCell   *lc;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	foreach(lc, errands)
	{
		ScoutErrand *errand = lfirst(lc);

		if (errand->due > now)
			wake_up_at(errand->due);
		else if (found == NULL && !kfdw_shared_is_held(errand->database))
			found = errand;
	}
	LWLockRelease(kfdw_shared->lock);
	return found;
}

/* Ends the process of a worker for another one; the lock is held. */
static void
end_for_another(KafkaSlot *slot)
{
	slot->gives_way = true;
	kill(slot->pid, SIGTERM);
}

/*
 * Without scouts no worker would ever end, and so give its process back: where there is none
 * for a scout for a while a worker ends, if possible one that does nothing, and is started
 * again after it.  False when there is none of ours.
 */
static bool
make_room(void)
{
	KafkaSlot  *chosen = NULL;

	if (lacking_since == 0)
		lacking_since = kfdw_wait_now();
	if (room_until > kfdw_wait_now() || !TimestampDifferenceExceeds(lacking_since, kfdw_wait_now(), LACKING_MS))
		return true;			/* one is about to end, or may be */
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (slot->pid != 0 && (chosen == NULL || chosen->state == KAFKA_STATE_RUNNING))
			chosen = slot;
	}
	if (chosen != NULL)
		end_for_another(chosen);
	LWLockRelease(kfdw_shared->lock);
	if (chosen != NULL)
		room_until = in_ms(ROOM_MS);
	return chosen != NULL;
}

/* Sends a scout into the next database. */
static void
send_scout(ScoutErrand *errand)
{
	BackgroundWorker worker = {0};
	bool		were_missing;

	if (!list_member_oid(list_databases(), errand->database))
	{
		/* dropped: nothing runs there */
		kfdw_slot_set_wants(errand->database, NIL);
		remove_errand(errand);
		wake_up_at(0);
		return;
	}
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	kfdw_shared->scouting = errand->database;
	kfdw_shared->scouted = false;
	LWLockRelease(kfdw_shared->lock);
	snprintf(worker.bgw_name, BGW_MAXLEN, "kafka_fdw scout");
	snprintf(worker.bgw_type, BGW_MAXLEN, "kafka_fdw scout");
	worker.bgw_main_arg = ObjectIdGetDatum(errand->database);
	scout = start_process(&worker, "kfdw_scout_main");
	errand->due = in_ms(scout == NULL && make_room() ? ROOM_RETRY_MS : NO_PROCESS_RETRY_MS);
	wake_up_at(errand->due);
	if (scout != NULL)
	{
		scout_errand = errand;
		scout_until = in_ms(SCOUT_MAX_MS);
		lacking_since = 0;
	}
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	if (scout == NULL)
		kfdw_shared->scouting = InvalidOid;
	were_missing = kfdw_shared->processes_missing;
	kfdw_shared->processes_missing = scout == NULL;
	LWLockRelease(kfdw_shared->lock);
	if (scout == NULL && !were_missing)
		ereport(LOG,
				(errmsg("could not start %s: %s", worker.bgw_name, KAFKA_NO_PROCESS),
				 errhint("%s", KAFKA_NO_PROCESS_HINT)));
}

/* One scout after the other. */
static void
run_scouts(void)
{
	ScoutErrand *errand;

	await_scout();
	if (scout != NULL)
		return;
	errand = find_due_errand();
	if (errand != NULL)
		send_scout(errand);
}

/* A process that never attached to its slot is gone, or will not be let in; the lock is held. */
static void
look_after_launch(KafkaSlot *slot, WorkerHandle *worker)
{
	bool		gone;

	if (!slot->launched || slot->pid != 0)
		return;
	if (worker->handle != NULL && worker->launch == slot->launch)
		gone = has_ended(worker->handle);
	else
	{
		gone = TimestampDifferenceExceeds(slot->launched_at, kfdw_wait_now(), ATTACH_TIMEOUT_MS);
		wake_up_at(in_ms(ATTACH_TIMEOUT_MS + 1));
	}
	if (!gone)
		return;
	kfdw_slot_end_process(slot);
	if (slot->wanted)
	{
		slot->faults++;
		kfdw_slot_delay(slot);
	}
	ConditionVariableBroadcast(&kfdw_shared->ended);
}

/* True for a worker that the others can do without, as one that only looks after work that has failed; the lock is held. */
static bool
is_optional(const KafkaSlot *slot)
{
	return kfdw_job_get(slot->key.kind)->is_optional || (slot->state == KAFKA_STATE_FAILED && slot->looks_on);
}

/* True for a worker that is to have a process, now or after a pause, and has none; the lock is held. */
static bool
lacks_process(const KafkaSlot *slot)
{
	return slot->in_use && slot->wanted && !slot->launched && (slot->state != KAFKA_STATE_FAILED || slot->looks_on) &&
		kfdw_streams_enabled && !kfdw_shared_is_held(slot->key.database);
}

/* True when a worker that cannot be done without lacks a process; the lock is held. */
static bool
others_lack_process(void)
{
	for (int i = 0; i < kfdw_shared->nslots; i++)
		if (!is_optional(&kfdw_shared->slots[i]) && lacks_process(&kfdw_shared->slots[i]))
			return true;
	return false;
}

/* Ends a worker that the others can do without, one at a time; false when there is none.  The lock is held. */
static bool
end_optional(void)
{
	KafkaSlot  *chosen = NULL;

	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (slot->launched && is_optional(slot) && (chosen == NULL || slot->gives_way))
			chosen = slot;
	}
	if (chosen != NULL && chosen->pid != 0 && !chosen->gives_way)
		end_for_another(chosen);
	return chosen != NULL;
}

/*
 * True when a slot is to get a process now, which is noted; the lock is held.  One that the
 * others can do without waits until they have theirs: it would be ended for them again.
 */
static bool
claim_launch(KafkaSlot *slot)
{
	if (!lacks_process(slot))
		return false;
	if (Max(slot->next_start, room_until) > kfdw_wait_now())
	{
		wake_up_at(Max(slot->next_start, room_until));
		return false;
	}
	if (is_optional(slot) && others_lack_process())
		return false;			/* each of them has us look again */
	if (slot->launched_at != 0)
		slot->stats.restarts++;
	slot->launched = true;
	slot->launch++;
	slot->launched_at = kfdw_wait_now();
	return true;
}

/* All of max_worker_processes are in use: said in the slot, once in the log, and tried again. */
static void
note_no_process(KafkaSlot *slot, const char *name)
{
	bool		is_known;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	is_known = slot->state == KAFKA_STATE_FAILED ||
		(slot->state == KAFKA_STATE_STALLED && strcmp(slot->stats.last_error, KAFKA_NO_PROCESS) == 0);
	kfdw_slot_end_process(slot);
	slot->next_start = in_ms(!is_optional(slot) && end_optional() ? ROOM_RETRY_MS : NO_PROCESS_RETRY_MS);
	wake_up_at(slot->next_start);
	if (slot->wanted && slot->state != KAFKA_STATE_FAILED)
	{
		kfdw_slot_set_error(slot, KAFKA_NO_PROCESS, KAFKA_NO_PROCESS_HINT);
		kfdw_slot_set_state(slot, KAFKA_STATE_STALLED);
	}
	LWLockRelease(kfdw_shared->lock);
	if (!is_known)
		ereport(LOG,
				(errmsg("could not start %s: %s", name, KAFKA_NO_PROCESS),
				 errhint("%s", KAFKA_NO_PROCESS_HINT)));
}

/* Starts the worker of a slot. */
static void
launch(int index, const KafkaWorkerKey *key, uint32 launch_number)
{
	const char *noun = kfdw_job_get(key->kind)->noun;
	BackgroundWorker worker = {0};

	snprintf(worker.bgw_name, BGW_MAXLEN, "kafka_fdw %s %s, worker %d", noun, key->name, key->worker);
	snprintf(worker.bgw_type, BGW_MAXLEN, "kafka_fdw %s", noun);
	worker.bgw_main_arg = Int32GetDatum(index);
	memcpy(worker.bgw_extra, &launch_number, sizeof(launch_number));
	if (workers[index].handle != NULL)
		pfree(workers[index].handle);
	workers[index].launch = launch_number;
	workers[index].handle = start_process(&worker, "kfdw_worker_main");
	if (workers[index].handle == NULL)
		note_no_process(&kfdw_shared->slots[index], worker.bgw_name);
}

/* Starts and ends workers as their slots ask for; those that the others can do without have the last ones. */
static void
run_workers(void)
{
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];
		KafkaWorkerKey key;
		uint32		launch_number;
		bool		start;

		LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
		look_after_launch(slot, &workers[i]);
		start = claim_launch(slot);
		key = slot->key;
		launch_number = slot->launch;
		if (slot->pid != 0 && (!kfdw_streams_enabled || kfdw_shared_is_held(key.database)))
			kill(slot->pid, SIGTERM);
		LWLockRelease(kfdw_shared->lock);
		if (start)
			launch(i, &key, launch_number);
	}
}

/* Sleeps until there is something to do. */
static void
wait_for_work(void)
{
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	long		ms = -1;

	if (next_wakeup != DT_NOEND)
	{
		events |= WL_TIMEOUT;
		ms = TimestampDifferenceMilliseconds(kfdw_wait_now(), next_wakeup);
	}
	(void) WaitLatch(MyLatch, events, ms, kfdw_wait_event(&main_wait));
	ResetLatch(MyLatch);
}

/* The launcher ends: there is nobody to ping. */
static void
forget_launcher(int code, Datum argument)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	kfdw_shared->launcher = NULL;
	LWLockRelease(kfdw_shared->lock);
}

/* From now on pings are heard; all databases are to be looked at. */
static void
announce_launcher(void)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	kfdw_shared->launcher = MyLatch;
	kfdw_shared->scouting = InvalidOid;
	kfdw_shared->ping_all = true;
	LWLockRelease(kfdw_shared->lock);
	before_shmem_exit(forget_launcher, (Datum) 0);
}

void
kfdw_launcher_main(Datum argument)
{
	MemoryContext cycle;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	workers = MemoryContextAllocZero(TopMemoryContext, kfdw_shared->nslots * sizeof(WorkerHandle));
	cycle = AllocSetContextCreate(TopMemoryContext, "kafka_fdw launcher", ALLOCSET_DEFAULT_SIZES);
	announce_launcher();

	while (!ShutdownRequestPending)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		MemoryContextSwitchTo(cycle);
		next_wakeup = DT_NOEND;
		take_pings();
		if (kfdw_streams_enabled)
			run_scouts();
		run_workers();
		MemoryContextReset(cycle);
		wait_for_work();
	}

	/* an exit with 0 would be for good */
	proc_exit(1);
}
