/*
 * own_slot.c
 *	  The slot of this process, if it is a worker.
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "stat/wait.h"
#include "worker/own_slot.h"
#include "worker/shared.h"
#include "worker/slots.h"

/* A sentry that has not been seen for so long is not relied on. */
#define SENTRY_MS 30000

/* So often in a row a process was ended in its batch when that is told: nobody did it once. */
#define ENDS_TOLD 3

/* The slot of this process, and what it knows of it. */
static KafkaSlot *my_slot = NULL;
static KafkaWorkerKey my_key;
static TransactionId my_revision = InvalidTransactionId;
static char exit_reason[KAFKA_ERROR_LEN];

/* The process ended by an error or a signal: says why the worker is not at work, where there is something to say. */
static void
explain_end(void)
{
	if (my_slot->state == KAFKA_STATE_RUNNING)
		my_slot->ends++;
	if (exit_reason[0] != '\0')
		kfdw_slot_set_error(my_slot, exit_reason, NULL);
	else if (my_slot->state == KAFKA_STATE_RUNNING && my_slot->ends >= ENDS_TOLD)
		kfdw_slot_set_error(my_slot, "its process was ended while it ran a batch",
							"The server's log says by what. What it runs must not end its own process.");
	else
		return;
	kfdw_slot_set_state(my_slot, KAFKA_STATE_STALLED);
}

/* The process ends: its slot is free for the next one, or for nobody. */
static void
detach(int code, Datum argument)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	my_slot->pid = 0;
	my_slot->latch = NULL;
	my_slot->watched = InvalidOid;
	kfdw_slot_end_process(my_slot);
	if (my_slot->wanted)
	{
		if (code != 0 && !my_slot->gives_way)
		{
			my_slot->faults++;
			if (my_slot->state != KAFKA_STATE_FAILED)
				explain_end();
		}
		kfdw_slot_delay(my_slot);
	}
	my_slot->gives_way = false;
	LWLockRelease(kfdw_shared->lock);
	my_slot = NULL;
	kfdw_shared_wake_launcher();
	ConditionVariableBroadcast(&kfdw_shared->ended);
}

const KafkaWorkerKey *
kfdw_own_slot_attach(int index, uint32 launch, Oid *owner)
{
	KafkaSlot  *slot = &kfdw_shared->slots[index];
	bool		ours;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	ours = slot->in_use && slot->launched && slot->launch == launch && slot->pid == 0;
	if (ours)
	{
		slot->pid = MyProcPid;
		slot->latch = MyLatch;
		my_key = slot->key;
		my_slot = slot;
		*owner = slot->owner;
	}
	LWLockRelease(kfdw_shared->lock);
	if (!ours)
		return NULL;
	before_shmem_exit(detach, (Datum) 0);
	return &my_key;
}

bool
kfdw_own_slot_exists(void)
{
	return my_slot != NULL;
}

void
kfdw_own_slot_set_exit_reason(const char *message)
{
	strlcpy(exit_reason, message, sizeof(exit_reason));
}

bool
kfdw_own_slot_follow(TransactionId *revision)
{
	bool		go_on;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	go_on = my_slot->wanted && my_slot->owner == GetSessionUserId();
	*revision = my_revision = my_slot->revision;
	LWLockRelease(kfdw_shared->lock);
	return go_on;
}

TransactionId
kfdw_own_slot_revision(void)
{
	return my_revision;
}

bool
kfdw_own_slot_has_failed(void)
{
	bool		has_failed;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	has_failed = my_slot->state == KAFKA_STATE_FAILED;
	LWLockRelease(kfdw_shared->lock);
	return has_failed;
}

void
kfdw_own_slot_set_looks_on(bool looks_on)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	my_slot->looks_on = looks_on && my_slot->state == KAFKA_STATE_FAILED;
	LWLockRelease(kfdw_shared->lock);
}

void
kfdw_own_slot_enter(KafkaWorkerState state)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	if (TransactionIdEquals(my_slot->revision, my_revision))
		kfdw_slot_set_state(my_slot, state);
	LWLockRelease(kfdw_shared->lock);
}

void
kfdw_own_slot_run(int partitions, int64 lag, int64 timestamp)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	if (TransactionIdEquals(my_slot->revision, my_revision))
		kfdw_slot_set_state(my_slot, KAFKA_STATE_RUNNING);
	my_slot->stats.partitions = partitions;
	my_slot->stats.lag = lag;
	if (my_slot->stats.newest_record < 0)
		my_slot->stats.newest_record = timestamp;
	my_slot->blame.topic[0] = '\0';
	my_slot->steps_back = false;
	LWLockRelease(kfdw_shared->lock);
}

bool
kfdw_own_slot_steps_back(void)
{
	return my_slot->steps_back;
}

void
kfdw_own_slot_blame(const KafkaRecord *record)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	strlcpy(my_slot->blame.topic, record->topic, sizeof(my_slot->blame.topic));
	my_slot->blame.partition = record->partition;
	my_slot->blame.offset = record->offset;
	LWLockRelease(kfdw_shared->lock);
}

KafkaFailedRun
kfdw_own_slot_failed_run(bool parked)
{
	KafkaFailedRun run;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	run = my_slot->failed_runs[parked];
	LWLockRelease(kfdw_shared->lock);
	return run;
}

void
kfdw_own_slot_keep_failed_run(bool parked, KafkaFailedRun run)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	if (TransactionIdEquals(my_slot->revision, my_revision))
		my_slot->failed_runs[parked] = run;
	LWLockRelease(kfdw_shared->lock);
}

void
kfdw_own_slot_show_plan(const char *plan, int records, int piece, double ms)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	kfdw_slot_set_plan(my_slot, plan, records, piece, ms);
	LWLockRelease(kfdw_shared->lock);
}

int
kfdw_own_slot_fault(KafkaWorkerState state, const char *message, const char *hint)
{
	int			faults;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	kfdw_slot_set_error(my_slot, message, hint);
	if (TransactionIdEquals(my_slot->revision, my_revision))
		kfdw_slot_set_state(my_slot, state);
	faults = ++my_slot->faults;
	LWLockRelease(kfdw_shared->lock);
	return faults;
}

void
kfdw_own_slot_record(const KafkaWorkerStats *done)
{
	KafkaWorkerStats *stats = &my_slot->stats;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	kfdw_slot_forgive(my_slot, done->batches > 0);
	stats->partitions = done->partitions;
	stats->lag = done->lag;
	stats->parked = done->parked;
	stats->newest_record = Max(stats->newest_record, done->newest_record);
	stats->records_out += done->records_out;
	stats->dead_letters += done->dead_letters;
	if (done->batches > 0)
	{
		stats->batches += done->batches;
		stats->records_in += done->records_in;
		stats->bytes_in += done->bytes_in;
		stats->last_batch_ms = done->last_batch_ms;
	}
	if (done->last_commit_at != 0)
		stats->last_commit_at = done->last_commit_at;
	LWLockRelease(kfdw_shared->lock);
}

void
kfdw_own_slot_watch(Oid relation)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	my_slot->watched = relation;
	my_slot->stirred = false;
	LWLockRelease(kfdw_shared->lock);
}

bool
kfdw_own_slot_is_stirred(void)
{
	bool		stirred;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	stirred = my_slot->stirred;
	LWLockRelease(kfdw_shared->lock);
	return stirred;
}

void
kfdw_own_slot_calm(void)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	my_slot->stirred = false;
	LWLockRelease(kfdw_shared->lock);
}

uint64
kfdw_own_slot_question(void)
{
	uint64		question;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	question = my_slot->question > my_slot->answer ? my_slot->question : 0;
	LWLockRelease(kfdw_shared->lock);
	return question;
}

void
kfdw_own_slot_answer(uint64 question)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	if (TransactionIdEquals(my_slot->revision, my_revision))
		my_slot->answer = question;
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		const KafkaSlot *slot = &kfdw_shared->slots[i];

		if (slot->in_use && slot->key.database == my_key.database && slot->latch != NULL &&
			strcmp(slot->awaits, my_key.name) == 0)
			SetLatch(slot->latch);
	}
	LWLockRelease(kfdw_shared->lock);
}

void
kfdw_own_slot_await(const char *name)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	strlcpy(my_slot->awaits, name, NAMEDATALEN);
	LWLockRelease(kfdw_shared->lock);
}

void
kfdw_own_slot_sleep(const KafkaSleep *sleep)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	my_slot->sleep = *sleep;
	my_slot->sleeps++;
	my_slot->alarm[0] = '\0';
	my_slot->wakefulness = KAFKA_SLEEPY;
	LWLockRelease(kfdw_shared->lock);
}

void
kfdw_own_slot_stay_awake(void)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	my_slot->wakefulness = KAFKA_AWAKE;
	LWLockRelease(kfdw_shared->lock);
}

KafkaWakefulness
kfdw_own_slot_wakefulness(char **alarm)
{
	KafkaWakefulness wakefulness;
	char		reason[sizeof(my_slot->alarm)];
	TimestampTz guarded_at;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	wakefulness = my_slot->wakefulness;
	guarded_at = my_slot->guarded_at;
	strlcpy(reason, my_slot->alarm, sizeof(reason));
	LWLockRelease(kfdw_shared->lock);
	if (alarm != NULL)
		*alarm = reason[0] == '\0' ? NULL : pstrdup(reason);
	if (wakefulness == KAFKA_ASLEEP && TimestampDifferenceExceeds(guarded_at, kfdw_wait_now(), SENTRY_MS))
		return KAFKA_AWAKE;
	return wakefulness;
}

volatile int64 *
kfdw_own_slot_lag(void)
{
	return my_slot == NULL ? NULL : &my_slot->stats.lag;
}
