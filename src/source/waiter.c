/*
 * waiter.c
 *	  Waits until a consumer group has something to read.
 *
 * A consumer of its own waits behind the ends that are known, so that a record wakes the
 * process at once.  What tells nobody is looked for now and then: a partition that becomes
 * free, a position that is moved, an end that moves without a record.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "source/claim.h"
#include "source/positions.h"
#include "source/waiter.h"

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
	KafkaConsumer *consumer;
	KafkaBuffer *buffer;

	/* the last look */
	MemoryContext context;
	KafkaPositions *positions;	/* NULL: none yet */
	bool		missed;			/* something is unread, and held by others */
};

KafkaWaiter *
kfdw_waiter_open(const KafkaTableOptions *options)
{
	KafkaWaiter *waiter = palloc0(sizeof(KafkaWaiter));

	waiter->options = options;
	waiter->config = options->consumer;
	waiter->config.kind = KAFKA_CLIENT_STREAM;
	waiter->config.lost_records = KAFKA_LOST_TO_END;
	waiter->consumer = kfdw_consumer_open(&waiter->config, &options->selection);
	waiter->buffer = kfdw_buffer_create(WAKE_RECORDS, WAKE_BYTES);
	waiter->context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw waiter", ALLOCSET_SMALL_SIZES);
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

/* Has the consumer wait behind the ends. */
static void
start_consumer(KafkaWaiter *waiter, const KafkaOutlook *outlook)
{
	KafkaSlice *slices = palloc(Max(outlook->npartitions, 1) * sizeof(KafkaSlice));
	int			nslices = 0;

	for (int p = 0; p < outlook->npartitions; p++)
		if (outlook->partitions[p].end >= 0)
			slices[nslices++] = (KafkaSlice) {&outlook->partitions[p], outlook->partitions[p].end, PG_INT64_MAX};
	kfdw_consumer_start(waiter->consumer, slices, nslices);
	pfree(slices);
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

/* True when a topic is the one that was known, as far as it can be told. */
static bool
is_same_topic(const KafkaTopic *known, const KafkaTopic *now)
{
	return known->topic_id == NULL || now->topic_id == NULL || strcmp(known->topic_id, now->topic_id) == 0;
}

/* True when the same topics and partitions are known as before. */
static bool
is_same(const KafkaOutlook *known, const KafkaOutlook *now)
{
	if (known->npartitions != now->npartitions)
		return false;
	for (int t = 0; t < known->ntopics; t++)
		if (!is_same_topic(&known->topics[t], &now->topics[t]))
			return false;
	for (int p = 0; p < known->npartitions; p++)
		if (known->partitions[p].number != now->partitions[p].number ||
			strcmp(known->partitions[p].topic, now->partitions[p].topic) != 0)
			return false;
	return true;
}

/* Keeps what brokers say for the next look; the consumer keeps pointing to it. */
static void
remember(KafkaWaiter *waiter)
{
	MemoryContext old;

	kfdw_consumer_close(waiter->consumer);
	MemoryContextReset(waiter->context);
	old = MemoryContextSwitchTo(waiter->context);
	waiter->consumer = kfdw_consumer_open(&waiter->config, &waiter->options->selection);
	waiter->positions = kfdw_positions_create(waiter->options, kfdw_consumer_outlook(waiter->consumer));
	start_consumer(waiter, waiter->positions->outlook);
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

KafkaReadiness
kfdw_waiter_ask(KafkaWaiter *waiter)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw ends", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KafkaOutlook *now = kfdw_consumer_outlook(waiter->consumer);
	bool		is_known = waiter->positions != NULL && is_same(waiter->positions->outlook, now);

	if (is_known)
		renew_ends(waiter->positions->outlook, now);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	if (!is_known)
	{
		remember(waiter);
		return KAFKA_LOOK_AGAIN;
	}
	return can_read(waiter) ? KAFKA_READY : KAFKA_NOT_READY;
}

void
kfdw_waiter_wait(KafkaWaiter *waiter, long timeout_ms)
{
	TimestampTz began = GetCurrentTimestamp();
	long		longest_ms = Min(timeout_ms, waiter->missed ? LOOK_AT_CLAIMS_MS : LOOK_MS);
	long		left_ms = longest_ms;

	while (left_ms > 0 && kfdw_consumer_fill(waiter->consumer, waiter->buffer) == 0)
	{
		kfdw_consumer_wait(waiter->consumer, left_ms);
		left_ms = longest_ms - TimestampDifferenceMilliseconds(began, GetCurrentTimestamp());
	}
	kfdw_buffer_clear(waiter->buffer);
}

void
kfdw_waiter_close(KafkaWaiter *waiter)
{
	kfdw_consumer_close(waiter->consumer);
}
