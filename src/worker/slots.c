/*
 * slots.c
 *	  The slots of workers in shared memory, and what a worker says in its own.
 */
#include "postgres.h"

#include <signal.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "catalog/streams.h"
#include "worker/worker.h"

/* Pauses between attempts double from the one to the other. */
#define MIN_BACKOFF_MS 100
#define MAX_BACKOFF_MS 10000

#define BIT(state) (1 << (state))

/* The slot of this process, and what it knows of it. */
static KafkaSlot *my_slot = NULL;
static KafkaWorkerKey my_key;
static TransactionId my_revision = InvalidTransactionId;
static char exit_reason[KAFKA_ERROR_LEN];

static void detach(int code, Datum argument);

/* Which states may follow; every one may follow itself. */
static const int next_states[] PG_USED_FOR_ASSERTS_ONLY = {
	[KAFKA_STATE_STARTING] = BIT(KAFKA_STATE_RUNNING) | BIT(KAFKA_STATE_IDLE) | BIT(KAFKA_STATE_PAUSED) |
	BIT(KAFKA_STATE_STALLED) | BIT(KAFKA_STATE_FAILED),
	[KAFKA_STATE_RUNNING] = BIT(KAFKA_STATE_STARTING) | BIT(KAFKA_STATE_IDLE) | BIT(KAFKA_STATE_PAUSED) |
	BIT(KAFKA_STATE_STALLED) | BIT(KAFKA_STATE_FAILED),
	[KAFKA_STATE_IDLE] = BIT(KAFKA_STATE_STARTING) | BIT(KAFKA_STATE_RUNNING) | BIT(KAFKA_STATE_PAUSED) |
	BIT(KAFKA_STATE_STALLED) | BIT(KAFKA_STATE_FAILED),
	[KAFKA_STATE_PAUSED] = BIT(KAFKA_STATE_STARTING),
	[KAFKA_STATE_STALLED] = BIT(KAFKA_STATE_STARTING) | BIT(KAFKA_STATE_RUNNING) | BIT(KAFKA_STATE_IDLE) |
	BIT(KAFKA_STATE_PAUSED) | BIT(KAFKA_STATE_FAILED),
	[KAFKA_STATE_FAILED] = BIT(KAFKA_STATE_STARTING) | BIT(KAFKA_STATE_PAUSED),
};

const char *
kfdw_slot_state_name(KafkaWorkerState state)
{
	static const char *const names[] = {
		[KAFKA_STATE_STARTING] = "starting",
		[KAFKA_STATE_RUNNING] = "running",
		[KAFKA_STATE_IDLE] = "idle",
		[KAFKA_STATE_PAUSED] = "paused",
		[KAFKA_STATE_STALLED] = "stalled",
		[KAFKA_STATE_FAILED] = "failed",
	};

	return names[state];
}

/* The only place where a state changes; the lock is held. */
void
kfdw_slot_set_state(KafkaSlot *slot, KafkaWorkerState state)
{
	Assert(state == slot->state || (next_states[slot->state] & BIT(state)) != 0);
	slot->state = state;
}

/* Keeps a message, cut where it is too long; the lock is held. */
void
kfdw_slot_set_error(KafkaSlot *slot, const char *message)
{
	strlcpy(slot->stats.last_error, message, KAFKA_ERROR_LEN);
	slot->stats.last_error[pg_mbcliplen(message, strlen(slot->stats.last_error),
										strlen(slot->stats.last_error))] = '\0';
	slot->stats.last_error_at = GetCurrentTimestamp();
}

/* How long to wait after so many faults in a row. */
int
kfdw_slot_backoff_ms(int faults)
{
	return Min(MIN_BACKOFF_MS << Min(Max(faults - 1, 0), 10), MAX_BACKOFF_MS);
}

/* No new process before a pause, which grows with every fault; the lock is held. */
void
kfdw_slot_delay(KafkaSlot *slot, bool fault)
{
	if (fault)
		slot->faults++;
	slot->next_start = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kfdw_slot_backoff_ms(slot->faults));
	if (slot->state == KAFKA_STATE_RUNNING || slot->state == KAFKA_STATE_IDLE)
		kfdw_slot_set_state(slot, KAFKA_STATE_STARTING);
}

/* The slot of a worker of a stream, NULL when there is none; the lock is held. */
static KafkaSlot *
find_slot(Oid database, const char *name, int worker)
{
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (slot->in_use && slot->key.database == database && slot->key.kind == KAFKA_WORKER_STREAM &&
			slot->key.worker == worker && strcmp(slot->key.name, name) == 0)
			return slot;
	}
	return NULL;
}

/* Copies the slot of a worker of a stream; false when there is none. */
bool
kfdw_slot_copy(Oid database, const char *name, int worker, KafkaSlot *copy)
{
	const KafkaSlot *slot;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	slot = find_slot(database, name, worker);
	if (slot != NULL)
		*copy = *slot;
	LWLockRelease(kfdw_shared->lock);
	return slot != NULL;
}

/* A slot to use: a free one, else one that only remembers a paused worker. */
static KafkaSlot *
take_slot(void)
{
	KafkaSlot  *paused = NULL;

	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (!slot->in_use)
			return slot;
		if (!slot->wanted && !slot->launched)
			paused = slot;
	}
	return paused;
}

/* True when a worker that got no slot could have one now; the lock is held. */
bool
kfdw_slot_can_be_made(void)
{
	return kfdw_shared->slots_missing && take_slot() != NULL;
}

static KafkaSlot *
make_slot(Oid database, const char *name, int worker)
{
	KafkaSlot  *slot = take_slot();
	uint32		launch;

	if (slot == NULL)
	{
		kfdw_shared->slots_missing = true;
		return NULL;
	}
	launch = slot->launch;
	memset(slot, 0, sizeof(KafkaSlot));
	slot->in_use = true;
	slot->launch = launch;
	slot->key.database = database;
	slot->key.kind = KAFKA_WORKER_STREAM;
	strlcpy(slot->key.name, name, NAMEDATALEN);
	slot->key.worker = worker;
	slot->state = KAFKA_STATE_STARTING;
	slot->stats.lag = slot->stats.newest_record = -1;
	return slot;
}

/* A worker is not wanted any more: its process, if any, ends.  A slot that is not kept is then free. */
static void
unwant(KafkaSlot *slot, bool keep)
{
	slot->wanted = false;
	slot->kept = keep;
	slot->revision = InvalidTransactionId;
	kfdw_slot_set_state(slot, KAFKA_STATE_PAUSED);
	if (slot->latch != NULL)
		SetLatch(slot->latch);
	if (!slot->launched && !keep)
		slot->in_use = false;
}

/* A worker is wanted, in this revision of its stream. */
static void
want(const KafkaStream *stream, int worker)
{
	KafkaSlot  *slot = find_slot(MyDatabaseId, stream->name, worker);

	if (slot == NULL && (slot = make_slot(MyDatabaseId, stream->name, worker)) == NULL)
		return;
	if (slot->wanted && TransactionIdEquals(slot->revision, stream->revision))
		return;
	slot->wanted = true;
	slot->owner = stream->owner;
	slot->revision = stream->revision;
	slot->faults = 0;
	slot->next_start = 0;
	kfdw_slot_set_state(slot, KAFKA_STATE_STARTING);
	if (slot->latch != NULL)
		SetLatch(slot->latch);
}

/* The stream that a slot belongs to, NULL when it is not among them. */
static const KafkaStream *
find_stream(List *streams, const KafkaSlot *slot)
{
	ListCell   *lc;

	foreach(lc, streams)
	{
		const KafkaStream *stream = lfirst(lc);

		if (strcmp(stream->name, slot->key.name) == 0 && slot->key.worker < stream->workers)
			return stream;
	}
	return NULL;
}

/*
 * Makes the slots of a database what its streams (those of this database, or none)
 * ask for.  Paused ones keep their slot and counters.
 */
void
kfdw_slot_set_want(Oid database, List *streams)
{
	ListCell   *lc;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];
		const KafkaStream *stream;

		if (!slot->in_use || slot->key.database != database)
			continue;
		stream = find_stream(streams, slot);
		if (stream == NULL || !stream->enabled)
			unwant(slot, stream != NULL);
	}
	foreach(lc, streams)
	{
		const KafkaStream *stream = lfirst(lc);

		for (int worker = 0; stream->enabled && worker < stream->workers; worker++)
			want(stream, worker);
	}
	LWLockRelease(kfdw_shared->lock);
}

/* Ends the processes of a database at once; false when there were none. */
bool
kfdw_slot_end_database(Oid database)
{
	bool		found;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	found = kfdw_shared->scouting == database;
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (!slot->in_use || slot->key.database != database || !slot->launched)
			continue;
		found = true;
		if (slot->pid != 0)
			kill(slot->pid, SIGTERM);
	}
	LWLockRelease(kfdw_shared->lock);
	return found;
}

/*
 * Takes the slot that this process was launched for, until it exits.  Returns NULL
 * when the slot has gone its way in the meantime.
 */
const KafkaWorkerKey *
kfdw_slot_attach(int index, uint32 launch, Oid *owner)
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

/* The process ends: its slot is free for the next one, or for nobody. */
static void
detach(int code, Datum argument)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	my_slot->pid = 0;
	my_slot->latch = NULL;
	my_slot->launched = false;
	if (!my_slot->wanted && !my_slot->kept)
		my_slot->in_use = false;
	else if (my_slot->wanted)
	{
		if (exit_reason[0] != '\0')
		{
			kfdw_slot_set_error(my_slot, exit_reason);
			kfdw_slot_set_state(my_slot, KAFKA_STATE_STALLED);
		}
		kfdw_slot_delay(my_slot, code != 0);
	}
	LWLockRelease(kfdw_shared->lock);
	my_slot = NULL;
	kfdw_shared_wake_launcher();
	ConditionVariableBroadcast(&kfdw_shared->ended);
}

/* Why this process is about to exit, for those that look at the slot. */
void
kfdw_slot_set_exit_reason(const char *message)
{
	strlcpy(exit_reason, message, sizeof(exit_reason));
}

/*
 * False when the worker is not wanted any more, or as another role: its process is
 * to end.  Else tells which revision of the stream is to run.
 */
bool
kfdw_slot_follow(TransactionId *revision)
{
	bool		go_on;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	go_on = my_slot->wanted && my_slot->owner == GetSessionUserId();
	*revision = my_revision = my_slot->revision;
	LWLockRelease(kfdw_shared->lock);
	return go_on;
}

/* Shows a state, unless the stream has changed since the worker looked. */
void
kfdw_slot_enter(KafkaWorkerState state)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	if (TransactionIdEquals(my_slot->revision, my_revision))
		kfdw_slot_set_state(my_slot, state);
	LWLockRelease(kfdw_shared->lock);
}

/* Something failed; returns how often in a row. */
int
kfdw_slot_fault(KafkaWorkerState state, const char *message)
{
	int			faults;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	kfdw_slot_set_error(my_slot, message);
	if (TransactionIdEquals(my_slot->revision, my_revision))
		kfdw_slot_set_state(my_slot, state);
	faults = ++my_slot->faults;
	LWLockRelease(kfdw_shared->lock);
	return faults;
}

/* Adds what a transaction that committed did. */
void
kfdw_slot_record(const KafkaWorkerStats *batch)
{
	KafkaWorkerStats *stats = &my_slot->stats;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	my_slot->faults = 0;
	stats->partitions = batch->partitions;
	stats->lag = batch->lag;
	stats->newest_record = Max(stats->newest_record, batch->newest_record);
	if (batch->batches > 0)
	{
		stats->batches += batch->batches;
		stats->records_in += batch->records_in;
		stats->records_out += batch->records_out;
		stats->bytes_in += batch->bytes_in;
		stats->last_batch_ms = batch->last_batch_ms;
	}
	if (batch->last_commit_at != 0)
		stats->last_commit_at = batch->last_commit_at;
	LWLockRelease(kfdw_shared->lock);
}
