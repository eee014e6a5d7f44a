/*
 * memory.c
 *	  The shared memory of the library: requested and set up in one place.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "stat/memory.h"

#define MAX_PIECES 8
#define TRANCHE "kafka_fdw"

static const KafkaMemory *pieces[MAX_PIECES];
static int	npieces = 0;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/* Sizes may depend on settings, which are known by now. */
static void
request_memory(void)
{
	if (previous_request_hook != NULL)
		previous_request_hook();
	for (int i = 0; i < npieces; i++)
		RequestAddinShmemSpace(pieces[i]->size());
	RequestNamedLWLockTranche(TRANCHE, npieces);
}

static void
set_up_memory(void)
{
	LWLockPadded *locks;

	if (previous_startup_hook != NULL)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	locks = GetNamedLWLockTranche(TRANCHE);
	for (int i = 0; i < npieces; i++)
	{
		Size		size = pieces[i]->size();
		bool		found;
		void	   *memory = ShmemInitStruct(pieces[i]->name, size, &found);

		if (!found)
			memset(memory, 0, size);
		pieces[i]->set_up(memory, &locks[i].lock, !found);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
kfdw_memory_register(const KafkaMemory *memory)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	if (npieces == MAX_PIECES)
		elog(ERROR, "too many pieces of shared memory");
	pieces[npieces++] = memory;
	if (npieces > 1)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = set_up_memory;
}

void
kfdw_memory_require(const void *memory, const char *view)
{
	if (memory == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s needs kafka_fdw to be preloaded", view),
				 errhint("Add kafka_fdw to \"shared_preload_libraries\" and restart the server.")));
}
