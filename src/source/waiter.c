/*
 * waiter.c
 *	  Waits until a consumer group has something to read.
 *
 * Where there is nothing yet a consumer of its own waits behind the ends that are known, so
 * that a record wakes the process at once.  What tells nobody is looked for now and then: a
 * partition that becomes free, a position that is moved, an end that moves without a record.
 * That is asked for by another client, as a broker answers nothing while a fetch waits.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "source/claim.h"
#include "source/positions.h"
#include "source/waiter.h"
#include "stat/wait.h"

/* How often the brokers and the positions are looked at, and partitions that are held. */
#define LOOK_MS 1000
#define LOOK_AT_CLAIMS_MS 100

/* Records only wake: they are let go of at once. */
#define WAKE_RECORDS 1000
#define WAKE_BYTES (1024 * 1024)

struct KafkaWaiter
{
	const KafkaTableOptions *options;
	KafkaConfig config;
	KafkaBuffer *buffer;

	/* the last look */
	MemoryContext context;
	KafkaPositions *positions;	/* NULL: none yet */
	KafkaConsumer *consumer;	/* waits behind their ends; NULL: not yet */
	bool		is_fresh;		/* the ends are known, nobody looked at positions since */
	bool		missed;			/* something is unread, and held by others */
};

KafkaWaiter *
kfdw_waiter_open(const KafkaTableOptions *options)
{
	KafkaWaiter *waiter = palloc0(sizeof(KafkaWaiter));

	waiter->options = options;
	waiter->config = options->consumer;
	waiter->config.kind = KAFKA_CLIENT_WAITER;
	waiter->config.lost_records = KAFKA_LOST_TO_END;
	waiter->buffer = kfdw_buffer_create(WAKE_RECORDS, WAKE_BYTES);
	return waiter;
}

/* Which partitions there are is asked for first, in kfdw_waiter_ask(), outside the transaction. */
void
kfdw_waiter_look(KafkaWaiter *waiter)
{
	if (waiter->positions != NULL)
		kfdw_positions_read(waiter->positions);
}

/*
 * True when a SELECT would do something about a partition, be it to raise an error.  The
 * ends are newer than the positions.  A group that begins at the ends is placed there by its
 * first SELECT, which is not to be put off.
 */
static bool
has_unread(const KafkaWaiter *waiter, const KafkaPartition *partition)
{
	const KafkaPosition *position = &waiter->positions->partitions[partition->index].stored;

	if (partition->end < 0)
		return false;			/* its leader does not answer */
	if (position->exists)
		return kfdw_positions_differ(waiter->positions, partition->index, partition->end);
	return waiter->options->auto_offset_reset == KAFKA_RESET_NONE || partition->low < partition->end ||
		kfdw_positions_placing(waiter->positions, partition->index) == KAFKA_PLACING;
}

/* Has a consumer wait behind the ends. */
static void
start_consumer(KafkaWaiter *waiter)
{
	MemoryContext old = MemoryContextSwitchTo(waiter->context);
	const KafkaOutlook *outlook = waiter->positions->outlook;
	KafkaSlice *slices = palloc(Max(outlook->npartitions, 1) * sizeof(KafkaSlice));
	int			nslices = 0;

	for (int p = 0; p < outlook->npartitions; p++)
		if (outlook->partitions[p].end >= 0)
			slices[nslices++] = (KafkaSlice) {&outlook->partitions[p], outlook->partitions[p].end, PG_INT64_MAX};
	waiter->consumer = kfdw_consumer_open(&waiter->config, &waiter->options->selection);
	kfdw_consumer_start(waiter->consumer, slices, nslices);
	pfree(slices);
	MemoryContextSwitchTo(old);
}

/* True when a position is behind an end that is known: others were faster than the answer. */
static bool
is_outrun(const KafkaWaiter *waiter)
{
	const KafkaOutlook *outlook = waiter->positions->outlook;

	for (int p = 0; p < outlook->npartitions; p++)
	{
		const KafkaPosition *position = &waiter->positions->partitions[p].stored;

		if (position->exists && position->next_offset > outlook->partitions[p].end)
			return true;
	}
	return false;
}

/* True when one of the partitions that were looked at can be read. */
static bool
can_read(KafkaWaiter *waiter)
{
	const KafkaOutlook *outlook = waiter->positions->outlook;

	waiter->missed = false;
	for (int p = 0; p < outlook->npartitions; p++)
	{
		if (!has_unread(waiter, &outlook->partitions[p]))
			continue;
		if (kfdw_claim_holder(kfdw_positions_key(waiter->positions, p), outlook->partitions[p].number) < 0)
			return true;
		waiter->missed = true;
	}
	return false;
}

/* True when the same topics and partitions are known as before. */
static bool
is_same(const KafkaOutlook *known, const KafkaOutlook *now)
{
	if (known->npartitions != now->npartitions)
		return false;
	for (int t = 0; t < known->ntopics; t++)
		if (kfdw_outlook_tells_apart(known->topics[t].topic_id, now->topics[t].topic_id))
			return false;
	for (int p = 0; p < known->npartitions; p++)
		if (known->partitions[p].number != now->partitions[p].number ||
			strcmp(known->partitions[p].topic, now->partitions[p].topic) != 0)
			return false;
	return true;
}

/* Keeps what brokers say, in a memory context of its own, for the next look. */
static void
remember(KafkaWaiter *waiter, KafkaOutlook *now, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	kfdw_waiter_close(waiter);
	if (waiter->context != NULL)
		MemoryContextDelete(waiter->context);
	waiter->context = context;
	waiter->positions = kfdw_positions_create(waiter->options, now);
	waiter->is_fresh = true;
	MemoryContextSwitchTo(old);
}

/* Takes over the newer ends of the same partitions. */
static void
renew_ends(KafkaOutlook *known, const KafkaOutlook *now)
{
	for (int p = 0; p < known->npartitions; p++)
	{
		known->partitions[p].low = now->partitions[p].low;
		known->partitions[p].end = now->partitions[p].end;
	}
}

/* What the brokers say now. */
static KafkaOutlook *
ask(const KafkaWaiter *waiter)
{
	KafkaConsumer *consumer = kfdw_consumer_open(&waiter->options->consumer, &waiter->options->selection);
	KafkaOutlook *now = kfdw_consumer_outlook(consumer);

	kfdw_consumer_close(consumer);
	return now;
}

/* Has the ends renewed; true when the partitions are those that were looked at. */
static bool
renew(KafkaWaiter *waiter)
{
	MemoryContext context = AllocSetContextCreate(GetMemoryChunkContext(waiter), "kafka_fdw waiter", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KafkaOutlook *now = ask(waiter);
	bool		is_known = waiter->positions != NULL && is_same(waiter->positions->outlook, now);

	MemoryContextSwitchTo(old);
	if (is_known)
	{
		renew_ends(waiter->positions->outlook, now);
		MemoryContextDelete(context);
	}
	else
		remember(waiter, now, context);
	return is_known;
}

KafkaReadiness
kfdw_waiter_ask(KafkaWaiter *waiter)
{
	bool		is_fresh = waiter->is_fresh && !is_outrun(waiter);

	waiter->is_fresh = false;
	if (!is_fresh && !renew(waiter))
		return KAFKA_LOOK_AGAIN;
	return can_read(waiter) ? KAFKA_READY : KAFKA_NOT_READY;
}

/* Records have come: these are ends that are known. */
static void
take_ends(KafkaWaiter *waiter)
{
	const KafkaOutlook *outlook = waiter->positions->outlook;

	for (int i = 0; i < kfdw_buffer_count(waiter->buffer); i++)
	{
		const KafkaRecord *record = kfdw_buffer_get(waiter->buffer, i);
		KafkaPartition *partition = &outlook->partitions[record->index];

		partition->end = Max(partition->end, record->offset + 1);
	}
	waiter->is_fresh = kfdw_buffer_count(waiter->buffer) > 0;
	kfdw_buffer_clear(waiter->buffer);
}

void
kfdw_waiter_wait(KafkaWaiter *waiter, long timeout_ms)
{
	TimestampTz began = kfdw_wait_now();
	long		longest_ms = Min(timeout_ms, waiter->missed ? LOOK_AT_CLAIMS_MS : LOOK_MS);
	long		left_ms = longest_ms;

	if (waiter->consumer == NULL)
		start_consumer(waiter);
	while (left_ms > 0 && kfdw_consumer_fill(waiter->consumer, waiter->buffer) == 0)
	{
		kfdw_consumer_wait(waiter->consumer, left_ms);
		left_ms = longest_ms - TimestampDifferenceMilliseconds(began, kfdw_wait_now());
	}
	take_ends(waiter);
}

void
kfdw_waiter_close(KafkaWaiter *waiter)
{
	if (waiter->consumer != NULL)
		kfdw_consumer_close(waiter->consumer);
	waiter->consumer = NULL;
}
