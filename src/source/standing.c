/*
 * standing.c
 *	  How a consumer group stands in a topic, for who only looks.
 */
#include "postgres.h"

#include "kafka/group.h"
#include "source/claim.h"
#include "source/positions.h"
#include "source/standing.h"

/* Records in hand at a time when the first unread ones are looked for. */
#define LOOK_RECORDS 1000
#define LOOK_BYTES (1024 * 1024)
#define LOOK_WAIT_MS 100

/* Where the group would read on; unknown where that would be an error, but for what retention removed, which is no lag. */
static int64
start_of(const KafkaPositions *positions, const KafkaPartition *partition)
{
	const KafkaPosition *stored = &positions->partitions[partition->index].stored;
	int64		start;

	if (partition->end < 0)
		return KAFKA_UNKNOWN;
	if (kfdw_positions_find_start(positions, partition, stored, &start))
		return start;
	return kfdw_positions_is_passed(positions, partition, stored) ? partition->low : KAFKA_UNKNOWN;
}

/* The positions, and ends that are not older where others have read on meanwhile. */
static void
read_positions(KafkaPositions *positions, KafkaConsumer *consumer)
{
	for (int p = 0; p < positions->outlook->npartitions; p++)
		positions->partitions[p].claim = KAFKA_CLAIM_TAKEN;
	kfdw_positions_read(positions);
	kfdw_positions_renew_ends(positions, consumer);
}

/* What the group's positions and the topics as it reads them say. */
static KafkaStanding *
describe_positions(const KafkaPositions *positions)
{
	const KafkaOutlook *outlook = positions->outlook;
	KafkaStanding *standings = palloc0(Max(outlook->npartitions, 1) * sizeof(KafkaStanding));

	for (int p = 0; p < outlook->npartitions; p++)
	{
		const KafkaPartition *partition = &outlook->partitions[p];
		const KafkaPosition *stored = &positions->partitions[p].stored;
		int64		start = start_of(positions, partition);

		standings[p] = (KafkaStanding) {
			.topic = partition->topic,
			.partition = partition->number,
			.next_offset = stored->exists ? stored->next_offset : KAFKA_UNKNOWN,
			.low = partition->low,
			.start = start,
			.lag = start < 0 ? KAFKA_UNKNOWN : partition->end - start,
			.waiting_since = KAFKA_UNKNOWN,
			.share = kfdw_outlook_share(outlook, partition),
			.holder = kfdw_claim_holder(kfdw_positions_key(positions, p), partition->number),
		};
	}
	return standings;
}

/* Where the partitions end under an isolation level. */
static void
ask_ends(const KafkaTableOptions *options, bool committed, KafkaStanding *standings, int count)
{
	KafkaConfig config = kfdw_config_copy(&options->consumer);
	KafkaConsumer *consumer;
	KafkaOutlook *outlook;

	kfdw_config_set(&config, KAFKA_PROPERTY_ISOLATION_LEVEL, committed ? "read_committed" : "read_uncommitted");
	consumer = kfdw_consumer_open(&config, &options->selection);
	outlook = kfdw_consumer_outlook(consumer);
	for (int p = 0; p < count; p++)
	{
		const KafkaPartition *partition = kfdw_outlook_find(outlook, standings[p].topic, standings[p].partition);
		int64		end = partition != NULL ? partition->end : KAFKA_UNKNOWN;

		if (committed)
			standings[p].stable = end;
		else
			standings[p].high = end;
	}
	kfdw_consumer_close(consumer);
}

/* What Kafka has of the group. */
static void
ask_group(const KafkaTableOptions *options, KafkaStanding *standings, int count)
{
	KafkaGroupPosition *reported = palloc(Max(count, 1) * sizeof(KafkaGroupPosition));

	for (int p = 0; p < count; p++)
		reported[p] = (KafkaGroupPosition) {standings[p].topic, standings[p].partition};
	(void) kfdw_group_ask(&options->consumer, options->group_id, reported, count, false);
	for (int p = 0; p < count; p++)
		standings[p].reported = reported[p].offset;
}

/* Slices of the partitions whose first unread record is to be found, from where they were looked through to. */
static int
make_slices(const KafkaOutlook *outlook, const KafkaStanding *standings, const int64 *looked, KafkaSlice *slices)
{
	int			nslices = 0;

	for (int p = 0; p < outlook->npartitions; p++)
	{
		const KafkaStanding *standing = &standings[p];
		int64		end = standing->start + standing->lag;

		if (standing->lag > 0 && !standing->waits && looked[p] < end)
			slices[nslices++] = (KafkaSlice) {&outlook->partitions[p], looked[p], end};
	}
	return nslices;
}

/* Takes a bufferful of records and notes the first one of each partition. */
static void
look_at_records(KafkaConsumer *consumer, KafkaBuffer *buffer, KafkaStanding *standings)
{
	while (kfdw_consumer_fill(consumer, buffer) == 0 && !kfdw_consumer_finished(consumer))
		kfdw_consumer_wait(consumer, LOOK_WAIT_MS);
	for (int i = 0; i < kfdw_buffer_count(buffer); i++)
	{
		const KafkaRecord *record = kfdw_buffer_get(buffer, i);
		KafkaStanding *standing = &standings[record->index];

		if (!standing->waits)
			standing->waiting_since = record->timestamp;
		standing->waits = true;
	}
	kfdw_buffer_clear(buffer);
}

/*
 * Finds the first unread record of each partition.  A few records of each round are read;
 * partitions that have shown theirs take no part in the next one.
 */
static void
find_waiting(KafkaConsumer *consumer, const KafkaOutlook *outlook, KafkaStanding *standings)
{
	KafkaBuffer *buffer = kfdw_buffer_create(LOOK_RECORDS, LOOK_BYTES);
	KafkaSlice *slices = palloc(Max(outlook->npartitions, 1) * sizeof(KafkaSlice));
	int64	   *looked = palloc(Max(outlook->npartitions, 1) * sizeof(int64));
	int			nslices;

	for (int p = 0; p < outlook->npartitions; p++)
		looked[p] = standings[p].start;
	while ((nslices = make_slices(outlook, standings, looked, slices)) > 0)
	{
		kfdw_consumer_start(consumer, slices, nslices);
		look_at_records(consumer, buffer, standings);

		/* the next round knows nothing of partitions that take no part in it */
		for (int i = 0; i < nslices; i++)
			looked[slices[i].partition->index] = kfdw_consumer_position(consumer, slices[i].partition);
	}
}

KafkaStanding *
kfdw_standing_take(const KafkaTableOptions *options, int *count)
{
	KafkaConsumer *consumer = kfdw_consumer_open(&options->consumer, &options->selection);
	KafkaPositions *positions;
	KafkaStanding *standings;

	kfdw_consumer_skip_lost(consumer);
	positions = kfdw_positions_create(options, kfdw_consumer_outlook(consumer));
	read_positions(positions, consumer);
	standings = describe_positions(positions);
	*count = positions->outlook->npartitions;
	find_waiting(consumer, positions->outlook, standings);
	kfdw_consumer_close(consumer);
	ask_ends(options, true, standings, *count);
	ask_ends(options, false, standings, *count);
	ask_group(options, standings, *count);
	return standings;
}
