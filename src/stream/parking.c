/*
 * parking.c
 *	  A worker looks at the parked records of its share, to see which have their row now.
 *
 * It looks when the table has changed, when a record has waited long enough, and by a timer,
 * which finds changes that nobody tells of.  After a look it rests in proportion to what
 * that took, however often the table changes.
 *
 * A record is decided on under one snapshot: the statement takes it, and its row in
 * kafka.parked is deleted in that transaction, or it stays.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "catalog/parked.h"
#include "stat/wait.h"
#include "stream/parking.h"
#include "stream/wake.h"
#include "worker/frame.h"

/* The timer goes slower as long as nothing comes of it, and slowly where somebody tells of changes. */
#define MIN_TIMER_MS 1000
#define MAX_TIMER_MS 60000

/* A rest is so many times as long as the look before, and at least this long. */
#define REST_TIMES 4
#define MIN_REST_MS 100

struct KafkaParking
{
	const KafkaStream *stream;
	KafkaParkedShare share;
	MemoryContext context;
	Oid			table;			/* whose rows are waited for; InvalidOid: it is not there */
	bool		has_trigger;	/* changes of it are told */
	int64		count;			/* records that wait */

	/* when to look */
	TimestampTz rested;			/* not before, by kfdw_wait_now() */
	TimestampTz timer;			/* then, even if the table has not changed; by that, too */
	TimestampTz expires;		/* then somebody has waited long enough; DT_NOEND: nobody waits */
	int			timer_ms;
	int			min_timer_ms;

	/* the look */
	bool		looking;
	bool		helped;			/* it was of use */
	bool		grew;			/* records were parked meanwhile */
	int64		staying;		/* records that it left where they are */
	int64		spent_us;
	KafkaRecord last;			/* of the portions so far */
	bool		is_first;		/* there was none */
	TimestampTz next_expires;	/* of what stays in the portions so far */

	/* the portion, in the memory of the step that runs it */
	KafkaPortion *portion;
	int			done;			/* records that do not stay */
	TimestampTz began;
	TimestampTz stay_expires;	/* of what stays */
};

/* Names may mean other relations, or these may have other triggers, than when somebody looked. */
static bool names_changed = false;

static void
note_relation(Datum argument, Oid relation)
{
	names_changed = true;
}

static void
note_schema(Datum argument, int cache, uint32 hash)
{
	names_changed = true;
}

/* Has it noted, once in a process. */
static void
note_names(void)
{
	static bool is_noted = false;

	if (is_noted)
		return;
	CacheRegisterRelcacheCallback(note_relation, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, note_schema, (Datum) 0);
	is_noted = true;
}

/*
 * Finds the table by its name, as statements do, and watches it.  Where it is another one
 * than before, or is told of otherwise, some changes may have been missed.
 */
static void
find_table(KafkaParking *parking)
{
	Oid			table;
	bool		has_trigger;

	names_changed = false;
	table = kfdw_wake_find_table(parking->stream->parking->table);
	has_trigger = kfdw_wake_has_trigger(table);
	if (table == parking->table && has_trigger == parking->has_trigger)
		return;
	kfdw_frame_watch(table);
	parking->table = table;
	parking->has_trigger = has_trigger;

	/* without the table nothing is found */
	if (!OidIsValid(table))
		return;
	parking->min_timer_ms = has_trigger ? MAX_TIMER_MS : MIN_TIMER_MS;
	parking->timer_ms = parking->min_timer_ms;
	parking->timer = 0;
}

KafkaParking *
kfdw_parking_open(const KafkaStream *stream, const KafkaParkedShare *share)
{
	KafkaParking *parking;

	kfdw_frame_watch(InvalidOid);
	if (stream->parking == NULL)
		return NULL;
	note_names();
	parking = palloc0(sizeof(KafkaParking));
	parking->stream = stream;
	parking->context = CurrentMemoryContext;
	parking->share = *share;
	parking->min_timer_ms = parking->timer_ms = MIN_TIMER_MS;
	parking->expires = DT_NOEND;
	find_table(parking);
	parking->count = kfdw_parked_count(&parking->share);
	return parking;
}

/* What a look sees that is under way is not all of one table. */
void
kfdw_parking_follow_table(KafkaParking *parking)
{
	MemoryContext context = CurrentMemoryContext;

	if (parking == NULL || parking->count <= 0 || parking->looking || !names_changed)
		return;
	StartTransactionCommand();
	find_table(parking);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
}

long
kfdw_parking_rest_ms(const KafkaParking *parking, long most)
{
	long		left;

	if (parking == NULL || parking->count <= 0)
		return most;
	if (parking->looking)
		return 0;
	left = kfdw_frame_is_stirred() ? 0 : Min(TimestampDifferenceMilliseconds(kfdw_wait_now(), parking->timer),
											TimestampDifferenceMilliseconds(GetCurrentTimestamp(), parking->expires));
	return Min(Max(left, TimestampDifferenceMilliseconds(kfdw_wait_now(), parking->rested)), most);
}

int64
kfdw_parking_count(const KafkaParking *parking)
{
	return parking ? parking->count : 0;
}

/* How long records wait. */
static int64
timeout_us(const KafkaParking *parking)
{
	return parking->stream->settings.park_timeout * 1000;
}

void
kfdw_parking_add(KafkaParking *parking, int64 count)
{
	TimestampTz now = GetCurrentTimestamp();

	if (count == 0)
		return;
	parking->count += count;
	parking->grew = true;
	parking->timer_ms = parking->min_timer_ms;
	parking->timer = Min(parking->timer, TimestampTzPlusMilliseconds(kfdw_wait_now(), parking->timer_ms));
	parking->expires = Min(parking->expires, now + timeout_us(parking));
	parking->next_expires = Min(parking->next_expires, now + timeout_us(parking));
}

/* A change that is told of from here on is seen by the next look only. */
void
kfdw_parking_begin(KafkaParking *parking)
{
	if (parking->looking)
		return;
	kfdw_frame_calm();
	parking->looking = parking->is_first = true;
	parking->helped = parking->grew = false;
	parking->staying = parking->spent_us = 0;
	parking->next_expires = DT_NOEND;
}

/* Deletes what does not stay; notes when the rest has waited long enough. */
static void
delete_done(KafkaParking *parking, const bool *stays)
{
	const KafkaPortion *portion = parking->portion;
	ItemPointerData *tids = palloc(portion->count * sizeof(ItemPointerData));

	for (int i = 0; i < portion->count; i++)
	{
		if (stays[i])
			parking->stay_expires = Min(parking->stay_expires, portion->parked_at[i] + timeout_us(parking));
		else
			tids[parking->done++] = portion->tids[i];
	}
	if (parking->done > 0)
		kfdw_parked_delete(parking->stream->name, tids, parking->done);
}

/* Runs the statement for the portion. */
static KafkaTrialResult
run_portion(KafkaParking *parking, KafkaTrial *trial)
{
	const KafkaPortion *portion = parking->portion;
	KafkaBuffer *buffer = kfdw_buffer_create(portion->count, PG_INT64_MAX);
	bool	   *stays = palloc0(portion->count * sizeof(bool));
	bool	   *expired = palloc(portion->count * sizeof(bool));
	TimestampTz now = GetCurrentTimestamp();
	KafkaTrialResult result;

	for (int i = 0; i < portion->count; i++)
	{
		kfdw_buffer_add(buffer, portion->records[i]);
		expired[i] = portion->parked_at[i] + timeout_us(parking) <= now;
	}
	result = kfdw_trial_run_parked(trial, buffer, expired, stays);
	delete_done(parking, stays);
	return result;
}

/* Where rows are is good as long as the snapshot is held under which they were read. */
KafkaTrialResult
kfdw_parking_run(KafkaParking *parking, KafkaTrial *trial)
{
	KafkaTrialResult result = {0};
	Snapshot	snapshot;

	parking->began = kfdw_wait_now();
	parking->done = 0;
	parking->stay_expires = DT_NOEND;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	parking->portion = kfdw_parked_read(&parking->share, parking->is_first ? NULL : &parking->last);
	if (parking->portion->count > 0)
		result = run_portion(parking, trial);
	UnregisterSnapshot(snapshot);
	return result;
}

/* The look is over. */
static void
rest(KafkaParking *parking)
{
	TimestampTz now = kfdw_wait_now();

	parking->looking = false;

	/* somebody may have deleted some */
	if (!parking->grew)
		parking->count = parking->staying;
	parking->rested = now + Max(parking->spent_us * REST_TIMES, MIN_REST_MS * INT64CONST(1000));
	parking->timer_ms = parking->helped ? parking->min_timer_ms : Min(parking->timer_ms * 2, MAX_TIMER_MS);
	parking->timer = TimestampTzPlusMilliseconds(now, parking->timer_ms);
	parking->expires = parking->next_expires;
}

/* Remembers where the next portion begins. */
static void
remember_last(KafkaParking *parking)
{
	const KafkaRecord *last = parking->portion->records[parking->portion->count - 1];
	char	   *topic = MemoryContextStrdup(parking->context, last->topic);

	if (parking->last.topic != NULL)
		pfree(unconstify(char *, parking->last.topic));
	parking->last = (KafkaRecord) {.topic = topic,.partition = last->partition,.offset = last->offset};
	parking->is_first = false;
}

void
kfdw_parking_committed(KafkaParking *parking)
{
	parking->spent_us += kfdw_wait_now() - parking->began;
	parking->count -= parking->done;
	parking->helped |= parking->done > 0;
	parking->staying += parking->portion->count - parking->done;
	parking->next_expires = Min(parking->next_expires, parking->stay_expires);
	if (parking->portion->count > 0 && parking->count > 0)
		remember_last(parking);
	else
		rest(parking);
}
