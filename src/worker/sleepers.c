/*
 * sleepers.c
 *	  Workers that sleep: what they read a sentry watches, and wakes them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "stat/wait.h"
#include "worker/sleepers.h"

/* True for a worker that this process watches for; the lock is held. */
static bool
is_ours(const KafkaSlot *slot, Oid server)
{
	return slot->in_use && slot->wakefulness != KAFKA_AWAKE && slot->key.database == MyDatabaseId &&
		slot->owner == GetSessionUserId() && slot->sleep.server == server;
}

List *
kfdw_sleepers_list(Oid server)
{
	KafkaSleeper *sleepers = palloc(kfdw_shared->nslots * sizeof(KafkaSleeper));
	TimestampTz now = kfdw_wait_now();
	int			count = 0;
	List	   *list = NIL;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (!is_ours(slot, server))
			continue;
		slot->guarded_at = now;
		sleepers[count++] = (KafkaSleeper) {i, slot->sleeps, slot->wakefulness == KAFKA_ASLEEP, slot->sleep};
	}
	LWLockRelease(kfdw_shared->lock);
	for (int i = 0; i < count; i++)
		list = lappend(list, &sleepers[i]);
	return list;
}

/* Changes whether a worker is awake, and tells it; the lock is held. */
static void
change(KafkaSlot *slot, KafkaWakefulness wakefulness)
{
	slot->wakefulness = wakefulness;
	if (slot->latch != NULL)
		SetLatch(slot->latch);
}

/* The same for one that was looked at before. */
static void
change_sleeper(const KafkaSleeper *sleeper, KafkaWakefulness wakefulness)
{
	KafkaSlot  *slot = &kfdw_shared->slots[sleeper->slot];

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	if (is_ours(slot, sleeper->sleep.server) && slot->sleeps == sleeper->sleeps)
		change(slot, wakefulness);
	LWLockRelease(kfdw_shared->lock);
}

void
kfdw_sleepers_let_sleep(const KafkaSleeper *sleeper)
{
	change_sleeper(sleeper, KAFKA_ASLEEP);
}

void
kfdw_sleepers_wake(const KafkaSleeper *sleeper)
{
	change_sleeper(sleeper, KAFKA_AWAKE);
}

void
kfdw_sleepers_wake_all(Oid server, const char *alarm)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (!is_ours(slot, server))
			continue;
		strlcpy(slot->alarm, alarm != NULL ? alarm : "", sizeof(slot->alarm));
		change(slot, KAFKA_AWAKE);
	}
	LWLockRelease(kfdw_shared->lock);
}
