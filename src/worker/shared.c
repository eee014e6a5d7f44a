/*
 * shared.c
 *	  Settings and shared memory of the background workers; pings and holds.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "stat/memory.h"
#include "worker/shared.h"
#include "xact.h"

bool		kfdw_streams_enabled = true;
int			kfdw_max_workers = 64;
KafkaShared *kfdw_shared = NULL;

/* This transaction changed what is wanted, or holds a database. */
static bool ping_at_end = false;

/* Databases that it has altered, in its memory context. */
static List *altered = NIL;

static void
define_settings(void)
{
	DefineCustomBoolVariable("kafka_fdw.streams",
							 "Runs the streams of all databases.",
							 "Switch it off before a copy of a server is started.",
							 &kfdw_streams_enabled, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("kafka_fdw.max_workers",
							"Sets how many workers of streams there can be.",
							"Each of them also needs one of max_worker_processes.",
							&kfdw_max_workers, 64, 1, 1024,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

/* Those that serve others take nothing from them. */
static int
count_slots(void)
{
	return kfdw_max_workers + kfdw_max_workers / KAFKA_WORKERS_SERVED;
}

static Size
memory_size(void)
{
	return add_size(offsetof(KafkaShared, slots), mul_size(count_slots(), sizeof(KafkaSlot)));
}

static void
set_up_memory(void *memory, LWLock *lock, bool is_new)
{
	kfdw_shared = memory;
	if (!is_new)
		return;
	kfdw_shared->lock = lock;
	kfdw_shared->nslots = count_slots();
	ConditionVariableInit(&kfdw_shared->ended);
}

void
kfdw_shared_wake_launcher(void)
{
	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	if (kfdw_shared->launcher != NULL)
		SetLatch(kfdw_shared->launcher);
	LWLockRelease(kfdw_shared->lock);
}

void
kfdw_shared_ping(Oid database)
{
	bool		known = false;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < kfdw_shared->npings; i++)
		known |= kfdw_shared->pings[i] == database;
	if (!known && kfdw_shared->npings < KAFKA_MAX_PINGS)
		kfdw_shared->pings[kfdw_shared->npings++] = database;
	else if (!known)
		kfdw_shared->ping_all = true;
	LWLockRelease(kfdw_shared->lock);
	kfdw_shared_wake_launcher();
}

/* Ends the holds of this session; their databases are to be looked at again. */
static void
release_holds(void)
{
	for (int i = 0; i < KAFKA_MAX_HOLDS; i++)
	{
		Oid			database = InvalidOid;

		LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
		if (OidIsValid(kfdw_shared->holds[i].database) && kfdw_shared->holds[i].pid == MyProcPid)
		{
			database = kfdw_shared->holds[i].database;
			kfdw_shared->holds[i].database = InvalidOid;
		}
		LWLockRelease(kfdw_shared->lock);
		if (OidIsValid(database))
			kfdw_shared_ping(database);
	}
}

/* The transaction that changed what is wanted, or held a database, is over. */
static void
end_transaction(bool committed)
{
	ListCell   *lc;

	if (committed)
		foreach(lc, altered)
			kfdw_shared_ping(lfirst_oid(lc));
	altered = NIL;
	if (!ping_at_end)
		return;
	ping_at_end = false;
	release_holds();
	kfdw_shared_ping(MyDatabaseId);
}

/* At COMMIT PREPARED nobody would tell the workers of a changed stream. */
static void
refuse_prepare(void)
{
	if (ping_at_end)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot prepare a transaction that has changed a stream"),
				 errhint("Use COMMIT.")));
}

static const KafkaParticipant participant = {
	.check_prepare = refuse_prepare,
	.end = end_transaction,
};

void
kfdw_shared_ping_at_end(void)
{
	ping_at_end = kfdw_shared != NULL;
}

void
kfdw_shared_ping_altered_at_end(Oid database)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	altered = list_append_unique_oid(altered, database);
	MemoryContextSwitchTo(old);
}

void
kfdw_shared_hold(Oid database)
{
	ping_at_end = true;
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < KAFKA_MAX_HOLDS; i++)
		if (!OidIsValid(kfdw_shared->holds[i].database))
		{
			kfdw_shared->holds[i].database = database;
			kfdw_shared->holds[i].pid = MyProcPid;
			break;
		}
	LWLockRelease(kfdw_shared->lock);
}

bool
kfdw_shared_is_held(Oid database)
{
	for (int i = 0; i < KAFKA_MAX_HOLDS; i++)
		if (kfdw_shared->holds[i].database == database)
			return true;
	return false;
}

void
kfdw_shared_init(void)
{
	static const KafkaMemory memory = {"kafka_fdw workers", memory_size, set_up_memory};

	define_settings();
	kfdw_memory_register(&memory);
	kfdw_xact_register(&participant);
}
