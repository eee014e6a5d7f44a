/*
 * activity.c
 *	  What the processes of the server do now: slots in shared memory.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "stat/activity.h"
#include "stat/memory.h"

/* Most processes do one thing at a time, some have a few cursors open; what has no slot is not seen. */
#define SLOTS_PER_PROCESS 2

typedef struct SharedActivities
{
	LWLock	   *lock;			/* to take and free a slot, and to read it */
	int			nslots;
	KafkaActivitySlot slots[FLEXIBLE_ARRAY_MEMBER];
} SharedActivities;

static SharedActivities *shared = NULL;
static dlist_head running = DLIST_STATIC_INIT(running);
static bool exit_callback_registered = false;

static Size
memory_size(void)
{
	return add_size(offsetof(SharedActivities, slots),
					mul_size(SLOTS_PER_PROCESS * (Size) MaxBackends, sizeof(KafkaActivitySlot)));
}

static void
set_up_memory(void *memory, LWLock *lock, bool is_new)
{
	shared = memory;
	if (!is_new)
		return;
	shared->lock = lock;
	shared->nslots = SLOTS_PER_PROCESS * MaxBackends;
}

/* Fills a slot with what does not change any more. */
static void
fill_slot(KafkaActivitySlot *slot, const KafkaActivity *activity)
{
	const PGPROC *leader = MyProc->lockGroupLeader;

	slot->pid = MyProcPid;
	slot->leader_pid = leader != NULL && leader != MyProc ? leader->pid : 0;
	slot->kind = activity->kind;
	slot->database = MyDatabaseId;
	slot->role = GetSessionUserId();
	slot->object = activity->object;
	slot->since = GetCurrentTimestamp();
	pg_atomic_init_u32(&slot->wait, KAFKA_WAIT_NONE);
	for (int i = 0; i < KAFKA_ACTIVITY_NUMBERS; i++)
		pg_atomic_init_u64(&slot->number[i], 0);
}

/* Takes a slot that is free; false when all are taken. */
static bool
take_slot(KafkaActivity *activity)
{
	bool		taken = false;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < shared->nslots && !taken; i++)
	{
		taken = shared->slots[i].pid == 0;
		if (!taken)
			continue;
		activity->slot = &shared->slots[i];
		fill_slot(activity->slot, activity);
	}
	LWLockRelease(shared->lock);
	return taken;
}

void
kfdw_activity_end(KafkaActivity *activity)
{
	if (!activity->running)
		return;
	activity->running = false;
	dlist_delete(&activity->node);
	if (activity->slot == &activity->hidden)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	activity->slot->pid = 0;
	LWLockRelease(shared->lock);
	activity->slot = &activity->hidden;
}

/* The memory context goes away. */
static void
end_with_context(void *argument)
{
	kfdw_activity_end(argument);
}

/* The process ends, in whatever it was doing. */
static void
end_all(int code, Datum argument)
{
	while (!dlist_is_empty(&running))
		kfdw_activity_end(dlist_head_element(KafkaActivity, node, &running));
}

KafkaActivity *
kfdw_activity_create(KafkaActivityKind kind, Oid object)
{
	KafkaActivity *activity = palloc0(sizeof(KafkaActivity));

	if (!exit_callback_registered)
	{
		on_shmem_exit(end_all, (Datum) 0);
		exit_callback_registered = true;
	}
	activity->kind = kind;
	activity->object = object;
	activity->slot = &activity->hidden;
	activity->callback.func = end_with_context;
	activity->callback.arg = activity;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &activity->callback);
	return activity;
}

void
kfdw_activity_begin(KafkaActivity *activity)
{
	if (activity->running)
		return;
	if (shared == NULL || !take_slot(activity))
		fill_slot(&activity->hidden, activity);
	activity->running = true;
	dlist_push_head(&running, &activity->node);
}

void
kfdw_activity_wait(KafkaWait wait)
{
	dlist_iter	iter;

	dlist_foreach(iter, &running)
		pg_atomic_write_u32(&dlist_container(KafkaActivity, node, iter.cur)->slot->wait, (uint32) wait);
}

List *
kfdw_activity_list(KafkaActivityKind kind, const char *view)
{
	List	   *result = NIL;
	KafkaActivitySlot *copy;
	Size		size;

	kfdw_memory_require(shared, view);
	size = mul_size(shared->nslots, sizeof(KafkaActivitySlot));
	copy = palloc(size);
	LWLockAcquire(shared->lock, LW_SHARED);
	memcpy(copy, shared->slots, size);
	LWLockRelease(shared->lock);
	for (int i = 0; i < shared->nslots; i++)
		if (copy[i].pid != 0 && copy[i].kind == kind && copy[i].database == MyDatabaseId)
			result = lappend(result, &copy[i]);
	return result;
}

void
kfdw_activity_init(void)
{
	static const KafkaMemory memory = {"kafka_fdw activities", memory_size, set_up_memory};

	kfdw_memory_register(&memory);
}
