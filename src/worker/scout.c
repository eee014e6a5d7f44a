/*
 * scout.c
 *	  Looks into one database: which workers does it want?
 *
 * Only a process that is connected to a database can read its tables.  A scout
 * stays for milliseconds, as long sessions would be in the way of those who copy
 * or drop the database.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "catalog/instance.h"
#include "worker/job.h"
#include "worker/shared.h"
#include "worker/slots.h"
#include "worker/worker.h"

/* All databases share one scout: where a table is locked it fails, and is sent again later. */
#define LOCK_TIMEOUT_MS "1000"

/* What is wanted in this database. */
static List *
list_wants(void)
{
	List	   *wants = NIL;

	if (!OidIsValid(get_extension_oid("kafka_fdw", true)) ||
		kfdw_instance_state() != KAFKA_INSTANCE_OURS)
		return NIL;
	for (KafkaJobKind kind = 0; kind < KAFKA_JOB_KINDS; kind++)
		wants = list_concat(wants, kfdw_job_get(kind)->list_wants());
	return wants;
}

/*
 * The launcher may send the next one, and who waits for an empty database may go on.  Another
 * launcher may have sent one already.
 */
static void
leave(int code, Datum database)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	if (kfdw_shared->scouting == DatumGetObjectId(database))
		kfdw_shared->scouting = InvalidOid;
	LWLockRelease(kfdw_shared->lock);
	kfdw_shared_wake_launcher();
	ConditionVariableBroadcast(&kfdw_shared->ended);
}

void
kfdw_scout_main(Datum argument)
{
	Oid			database = DatumGetObjectId(argument);
	bool		expected;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	expected = kfdw_shared->scouting == database;
	LWLockRelease(kfdw_shared->lock);
	if (!expected)
		proc_exit(0);			/* the launcher that sent it has ended */
	before_shmem_exit(leave, argument);

	/* connecting needs locks, too; other databases wait for this one */
	SetConfigOption("lock_timeout", LOCK_TIMEOUT_MS, PGC_SUSET, PGC_S_OVERRIDE);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	SetConfigOption("role", "none", PGC_SUSET, PGC_S_OVERRIDE);

	/* a safe snapshot may be long in coming */
	SetConfigOption("default_transaction_deferrable", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());

	/* a table that is rewritten while its lock is waited for looks empty: the second look has the locks */
	(void) list_wants();
	kfdw_slot_set_wants(database, list_wants());
	PopActiveSnapshot();
	CommitTransactionCommand();

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	kfdw_shared->scouted |= kfdw_shared->scouting == database;
	LWLockRelease(kfdw_shared->lock);
	proc_exit(0);
}
