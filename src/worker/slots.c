/*
 * slots.c
 *	  The slots of workers in shared memory: one for each worker that is wanted.
 */
#include "postgres.h"

#include <signal.h>

#include "access/transam.h"
#include "commands/dbcommands.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "stat/wait.h"
#include "worker/shared.h"
#include "worker/slots.h"

/* Pauses between attempts double from the one to the other. */
#define MIN_BACKOFF_MS 100
#define MAX_BACKOFF_MS 10000

/* The class of a wait event. */
#define WAIT_CLASS_MASK 0xFF000000U

/* A worker that is paused or has failed does nothing before it is wanted anew. */
static inline bool
may_follow(KafkaWorkerState state, KafkaWorkerState next)
{
	switch (state)
	{
		case KAFKA_STATE_PAUSED:
			return next == KAFKA_STATE_STARTING;
		case KAFKA_STATE_FAILED:
			return next == KAFKA_STATE_STARTING || next == KAFKA_STATE_PAUSED;
		default:
			return true;
	}
}

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

void
kfdw_slot_set_state(KafkaSlot *slot, KafkaWorkerState state)
{
	Assert(state == slot->state || may_follow(slot->state, state));
	slot->state = state;
	slot->awaits[0] = '\0';
	slot->running_since = state == KAFKA_STATE_RUNNING ? GetCurrentTimestamp() : 0;
}

/* Copies a text, cut between characters where there is no room for all of it; NULL is an empty one. */
static void
copy_text(char *target, int size, const char *text)
{
	int			length = text == NULL ? 0 : strlen(text);

	if (length >= size)
		length = pg_mbcliplen(text, length, size - 1);
	if (length > 0)
		memcpy(target, text, length);
	target[length] = '\0';
}

void
kfdw_slot_set_error(KafkaSlot *slot, const char *message, const char *hint)
{
	copy_text(slot->stats.last_error, KAFKA_ERROR_LEN, message);
	copy_text(slot->stats.last_hint, KAFKA_HINT_LEN, hint);
	slot->stats.last_error_at = GetCurrentTimestamp();
}

void
kfdw_slot_set_plan(KafkaSlot *slot, const char *plan, int records, int piece, double ms)
{
	slot->plan.measured_at = GetCurrentTimestamp();
	slot->plan.records = records;
	slot->plan.piece = piece;
	slot->plan.ms = ms;
	copy_text(slot->plan.text, KAFKA_PLAN_LEN, plan);
}

int
kfdw_slot_backoff_ms(int faults)
{
	return Min(MIN_BACKOFF_MS << Min(Max(faults - 1, 0), 10), MAX_BACKOFF_MS);
}

void
kfdw_slot_delay(KafkaSlot *slot)
{
	slot->next_start = TimestampTzPlusMilliseconds(kfdw_wait_now(), kfdw_slot_backoff_ms(slot->faults));
	if (slot->state == KAFKA_STATE_RUNNING || slot->state == KAFKA_STATE_IDLE)
		kfdw_slot_set_state(slot, KAFKA_STATE_STARTING);
}

void
kfdw_slot_forgive(KafkaSlot *slot, bool has_worked)
{
	if (has_worked || TimestampDifferenceExceeds(slot->launched_at, kfdw_wait_now(), MAX_BACKOFF_MS))
		slot->faults = slot->ends = 0;
}

void
kfdw_slot_end_process(KafkaSlot *slot)
{
	slot->launched = false;
	slot->wakefulness = KAFKA_AWAKE;
	slot->awaits[0] = '\0';
	if (!slot->wanted && !slot->kept)
		slot->in_use = false;
}

/* The slot of a worker, NULL when there is none; the lock is held. */
static KafkaSlot *
find_slot(const KafkaWorkerKey *key)
{
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (slot->in_use && slot->key.database == key->database && slot->key.kind == key->kind &&
			slot->key.worker == key->worker && strcmp(slot->key.name, key->name) == 0)
			return slot;
	}
	return NULL;
}

bool
kfdw_slot_copy(const KafkaWorkerKey *key, KafkaSlot *copy)
{
	const KafkaSlot *slot;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	slot = find_slot(key);
	if (slot != NULL)
		*copy = *slot;
	LWLockRelease(kfdw_shared->lock);
	return slot != NULL;
}

void
kfdw_slot_wake(const KafkaWorkerKey *key)
{
	const KafkaSlot *slot;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	slot = find_slot(key);
	if (slot != NULL && slot->latch != NULL)
		SetLatch(slot->latch);
	LWLockRelease(kfdw_shared->lock);
}

/* True for a worker that watches a relation, or any, and does not know yet that it has changed. */
static bool
is_to_stir(const KafkaSlot *slot, Oid database, Oid relation)
{
	return slot->in_use && slot->key.database == database && OidIsValid(slot->watched) &&
		(slot->watched == relation || !OidIsValid(relation)) && !slot->stirred;
}

/* The same for any worker; takes the lock in shared mode, as there is mostly nobody to tell. */
static bool
anybody_to_stir(Oid database, Oid relation)
{
	bool		any = false;

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	for (int i = 0; i < kfdw_shared->nslots && !any; i++)
		any = is_to_stir(&kfdw_shared->slots[i], database, relation);
	LWLockRelease(kfdw_shared->lock);
	return any;
}

void
kfdw_slot_stir(Oid database, Oid relation)
{
	if (!anybody_to_stir(database, relation))
		return;
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (!is_to_stir(slot, database, relation))
			continue;
		slot->stirred = true;
		if (slot->latch != NULL)
			SetLatch(slot->latch);
	}
	LWLockRelease(kfdw_shared->lock);
}

uint64
kfdw_slot_new_question(void)
{
	uint64		question;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	question = ++kfdw_shared->questions;
	LWLockRelease(kfdw_shared->lock);
	return question;
}

/* Puts a question to a worker that has not answered it yet. */
static void
ask(KafkaSlot *slot, uint64 question)
{
	if (slot->question >= question)
		return;
	slot->question = question;
	if (slot->latch != NULL)
		SetLatch(slot->latch);
}

KafkaAnswer
kfdw_slot_ask(Oid database, KafkaJobKind kind, const char *name, uint64 question)
{
	int			asked = 0;
	int			answered = 0;
	int			workers = 1;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (!slot->in_use || slot->key.database != database || slot->key.kind != kind ||
			strcmp(slot->key.name, name) != 0)
			continue;
		asked++;
		workers = Max(slot->workers, 1);
		if (slot->answer >= question)
			answered++;
		else
			ask(slot, question);
	}
	LWLockRelease(kfdw_shared->lock);
	if (asked == 0)
		return KAFKA_ANSWER_NOBODY;
	return answered >= workers ? KAFKA_ANSWER_YES : KAFKA_ANSWER_NOT_YET;
}

/* A slot to use: a free one, else one that only remembers a paused worker. */
static KafkaSlot *
take_slot(bool optional)
{
	int			end = optional ? kfdw_shared->nslots : kfdw_max_workers;
	KafkaSlot  *paused = NULL;

	for (int i = optional ? kfdw_max_workers : 0; i < end; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (!slot->in_use)
			return slot;
		if (!slot->wanted && !slot->launched)
			paused = slot;
	}
	return paused;
}

bool
kfdw_slot_can_be_made(void)
{
	bool		can_be = kfdw_shared->slots_missing && take_slot(false) != NULL;
	bool		optional_can_be = kfdw_shared->optional_slots_missing && take_slot(true) != NULL;

	if (can_be)
		kfdw_shared->slots_missing = false;
	if (optional_can_be)
		kfdw_shared->optional_slots_missing = false;
	return can_be || optional_can_be;
}

/* A new slot for a worker, NULL when all are in use. */
static KafkaSlot *
make_slot(const KafkaWorkerKey *key)
{
	bool		optional = kfdw_job_get(key->kind)->is_optional;
	KafkaSlot  *slot = take_slot(optional);
	uint32		launch;

	if (slot == NULL)
	{
		if (optional)
			kfdw_shared->optional_slots_missing = true;
		else
			kfdw_shared->slots_missing = true;
		return NULL;
	}
	launch = slot->launch;
	memset(slot, 0, sizeof(KafkaSlot));
	slot->in_use = true;
	slot->launch = launch;
	slot->key = *key;
	slot->state = KAFKA_STATE_STARTING;
	return slot;
}

/* A worker is not wanted any more: its process, if any, ends; a slot that is not kept is then free. */
static void
stop_wanting(KafkaSlot *slot)
{
	slot->wanted = false;
	slot->revision = InvalidTransactionId;
	kfdw_slot_set_state(slot, KAFKA_STATE_PAUSED);
	if (slot->latch != NULL)
		SetLatch(slot->latch);
	if (!slot->launched && !slot->kept)
		slot->in_use = false;
}

/* The counters of a predecessor, dropped before anybody looked, are not those of its successor. */
static void
look_at_want(KafkaSlot *slot, const KafkaWant *want)
{
	if (slot->created == want->created)
		return;
	memset(&slot->stats, 0, sizeof(slot->stats));
	slot->plan.measured_at = 0;
	slot->stats.lag = slot->stats.newest_record = slot->stats.parked = -1;
	slot->launched_at = slot->launched ? slot->launched_at : 0;
	slot->created = want->created;
}

/* A worker is wanted, in this revision. */
static void
start_wanting(const KafkaWorkerKey *key, const KafkaWant *want)
{
	KafkaSlot  *slot = find_slot(key);

	if (slot == NULL)
		slot = make_slot(key);
	if (slot == NULL)
		return;
	look_at_want(slot, want);
	if (slot->wanted && TransactionIdEquals(slot->revision, want->revision))
		return;
	slot->wanted = true;
	slot->owner = want->owner;
	slot->workers = want->workers;
	slot->answer = 0;			/* it may have another share now */
	slot->revision = want->revision;
	slot->faults = slot->ends = 0;
	memset(slot->failed_runs, 0, sizeof(slot->failed_runs));
	slot->next_start = 0;
	slot->looks_on = false;
	kfdw_slot_set_state(slot, KAFKA_STATE_STARTING);
	if (slot->latch != NULL)
		SetLatch(slot->latch);
}

/* What a slot stands for, NULL when it is not among the wants. */
static const KafkaWant *
find_want(List *wants, const KafkaSlot *slot)
{
	ListCell   *lc;

	foreach(lc, wants)
	{
		const KafkaWant *want = lfirst(lc);

		if (want->kind == slot->key.kind && strcmp(want->name, slot->key.name) == 0 &&
			slot->key.worker < want->workers)
			return want;
	}
	return NULL;
}

/* Slots that nothing asks for any more; paused ones keep their slot and counters. */
static void
free_slots(Oid database, List *wants)
{
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];
		const KafkaWant *want;

		if (!slot->in_use || slot->key.database != database)
			continue;
		want = find_want(wants, slot);
		slot->kept = want != NULL && !want->enabled;
		if (want != NULL)
			look_at_want(slot, want);
		if (want == NULL || !want->enabled)
			stop_wanting(slot);
	}
}

void
kfdw_slot_set_wants(Oid database, List *wants)
{
	bool		were_missing;
	bool		are_missing;
	ListCell   *lc;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	were_missing = kfdw_shared->slots_missing;
	free_slots(database, wants);
	foreach(lc, wants)
	{
		const KafkaWant *want = lfirst(lc);
		KafkaWorkerKey key = {.database = database, .kind = want->kind};

		strlcpy(key.name, want->name, NAMEDATALEN);
		for (key.worker = 0; want->enabled && key.worker < want->workers; key.worker++)
			start_wanting(&key, want);
	}
	are_missing = kfdw_shared->slots_missing;
	LWLockRelease(kfdw_shared->lock);
	if (are_missing && !were_missing)
		ereport(LOG,
				(errmsg("could not start workers of database \"%s\": %s", get_database_name(database), KAFKA_NO_SLOT),
				 errhint("%s", KAFKA_NO_SLOT_HINT)));
}

/* True when a process waits for a heavyweight lock. */
static bool
waits_for_lock(pid_t pid)
{
	const PGPROC *process = BackendPidGetProc(pid);

	return process != NULL && (process->wait_event_info & WAIT_CLASS_MASK) == PG_WAIT_LOCK;
}

void
kfdw_slot_step_back(Oid database, KafkaJobKind kind, const char *name)
{
	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (!slot->in_use || slot->key.database != database || slot->key.kind != kind ||
			strcmp(slot->key.name, name) != 0 || slot->pid == 0 || !waits_for_lock(slot->pid))
			continue;
		slot->steps_back = true;
		kill(slot->pid, SIGINT);
	}
	LWLockRelease(kfdw_shared->lock);
}

bool
kfdw_slot_end_database(Oid database)
{
	bool		found;

	LWLockAcquire(kfdw_shared->lock, LW_EXCLUSIVE);
	found = kfdw_shared->scouting == database;
	for (int i = 0; i < kfdw_shared->nslots; i++)
	{
		KafkaSlot  *slot = &kfdw_shared->slots[i];

		if (!slot->in_use || slot->key.database != database)
			continue;

		/* what is wanted may be another thing afterwards: a scout will say */
		slot->kept = true;
		slot->looks_on = false;
		if (slot->state != KAFKA_STATE_FAILED)
			stop_wanting(slot);
		if (!slot->launched)
			continue;
		found = true;
		if (slot->pid != 0)
			kill(slot->pid, SIGTERM);
	}
	LWLockRelease(kfdw_shared->lock);
	return found;
}
