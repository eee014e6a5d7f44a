/*
 * seek.c
 *	  Moves the positions of a consumer group, without reading.
 *
 * Brokers are asked before anything is claimed.  A claim is held until the end of the
 * transaction, as that of who reads: nobody else reads on from a position that a rollback
 * takes back.
 */
#include "postgres.h"

#include "foreign/foreign.h"
#include "lib/stringinfo.h"

#include "catalog/dead_letters.h"
#include "catalog/parked.h"
#include "kafka/group.h"
#include "source/claim.h"
#include "source/consumption.h"
#include "source/permit.h"
#include "source/poll_interval.h"
#include "source/positions.h"
#include "source/report.h"
#include "source/seek.h"

#define NO_OFFSET (-1)

struct KafkaSeeker
{
	const KafkaTableOptions *options;
	KafkaSeek	seek;
	KafkaConsumer *consumer;
	KafkaOutlook *outlook;
	KafkaPositions *positions;
	int64	   *offsets;		/* by index: where it goes, NO_OFFSET: nowhere */
};

/* For filters: true when a partition is to be moved. */
static bool
is_wanted(const void *argument, const KafkaPartition *partition)
{
	const KafkaSeek *seek = &((const KafkaSeeker *) argument)->seek;

	return (seek->partition == KAFKA_SEEK_ALL_PARTITIONS || seek->partition == partition->number) &&
		(seek->topic == NULL || strcmp(seek->topic, partition->topic) == 0);
}

/* Nothing is to be moved: there is no such topic, or partition, among those that the table reads. */
static void
report_nothing_wanted(const KafkaSeeker *seeker)
{
	const char *topic = seeker->seek.topic != NULL ? seeker->seek.topic : seeker->options->topic;

	if (!kfdw_selection_has_topic(&seeker->options->selection, topic) && seeker->seek.topic != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic \"%s\" is none of those that are read", topic),
				 errdetail("These are: %s.", seeker->options->topic)));
	if (seeker->seek.partition == KAFKA_SEEK_ALL_PARTITIONS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("topic \"%s\" has no partition yet that is read", topic),
				 errdetail("The table reads partitions %s.", seeker->options->partitions)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("topic \"%s\" has no partition %d that is read", topic, seeker->seek.partition),
			 errdetail("Partitions are counted from 0.")));
}

/* Asks the brokers for the partitions that are to be moved, and where they begin and end. */
static void
ask_topics(KafkaSeeker *seeker)
{
	KafkaPartitionFilter filter = {is_wanted, seeker};
	int			wanted = 0;

	seeker->outlook = kfdw_consumer_outlook(seeker->consumer);
	seeker->offsets = palloc(Max(seeker->outlook->npartitions, 1) * sizeof(int64));
	for (int p = 0; p < seeker->outlook->npartitions; p++)
	{
		seeker->offsets[p] = NO_OFFSET;
		wanted += is_wanted(seeker, &seeker->outlook->partitions[p]);
	}
	if (wanted == 0)
		report_nothing_wanted(seeker);
	kfdw_consumer_require(seeker->consumer, seeker->outlook, &filter);
}

/* The first record of the time, by partition. */
static void
find_time(KafkaSeeker *seeker)
{
	const KafkaOutlook *outlook = seeker->outlook;
	int64	   *times = palloc0(Max(outlook->npartitions, 1) * sizeof(int64));
	int64	   *found;

	for (int p = 0; p < outlook->npartitions; p++)
		times[p] = is_wanted(seeker, &outlook->partitions[p]) ? seeker->seek.number : 0;
	found = kfdw_consumer_first_since(seeker->consumer, outlook, times);
	for (int p = 0; p < outlook->npartitions; p++)
		if (times[p] > 0)
			seeker->offsets[p] = Max(Min(found[p], outlook->partitions[p].end), outlook->partitions[p].low);
}

/* Says which partitions stay, as nothing was committed for them; that there are no others is an error. */
static void
report_uncommitted(const KafkaSeeker *seeker, const KafkaGroupPosition *committed, int count)
{
	StringInfoData missing;
	int			nmissing = 0;

	initStringInfo(&missing);
	for (int i = 0; i < count; i++)
		if (committed[i].offset < 0)
			appendStringInfo(&missing, "%s%s/%d", nmissing++ > 0 ? ", " : "", committed[i].topic, committed[i].partition);
	if (nmissing == count)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("consumer group \"%s\" has committed nothing in Kafka for topic \"%s\"",
						seeker->options->group_id, seeker->options->topic)));
	if (nmissing > 0)
		ereport(NOTICE,
				(errmsg("consumer group \"%s\" has committed nothing in Kafka for some partitions of topic \"%s\", which stay where they are",
						seeker->options->group_id, seeker->options->topic),
				 errdetail("These are partitions %s.", missing.data)));
}

/* What the group has committed in Kafka, by partition. */
static void
find_committed(KafkaSeeker *seeker)
{
	const KafkaOutlook *outlook = seeker->outlook;
	KafkaGroupPosition *committed = palloc(Max(outlook->npartitions, 1) * sizeof(KafkaGroupPosition));
	int			count = 0;

	for (int p = 0; p < outlook->npartitions; p++)
		if (is_wanted(seeker, &outlook->partitions[p]))
			committed[count++] = (KafkaGroupPosition) {outlook->partitions[p].topic, outlook->partitions[p].number};
	(void) kfdw_group_ask(&seeker->options->consumer, seeker->options->group_id, committed, count, true);
	report_uncommitted(seeker, committed, count);
	for (int i = 0; i < count; i++)
		seeker->offsets[kfdw_outlook_find(outlook, committed[i].topic, committed[i].partition)->index] =
			committed[i].offset;
}

/* An offset is one of a topic: partitions of that number in other topics have nothing to do with it. */
static void
check_topic_given(const KafkaTableOptions *options, const KafkaSeek *seek)
{
	if (seek->target == KAFKA_SEEK_OFFSET && seek->topic == NULL && options->selection.ntopics > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"next_offset\" needs a topic where several are read"),
				 errdetail("These are: %s.", options->topic),
				 errhint("Offsets of different topics have nothing to do with each other: give \"topic\" too.")));
}

KafkaSeeker *
kfdw_seek_ask(const KafkaTableOptions *options, const KafkaSeek *seek)
{
	KafkaSeeker *seeker = palloc0(sizeof(KafkaSeeker));

	check_topic_given(options, seek);
	seeker->options = options;
	seeker->seek = *seek;
	seeker->consumer = kfdw_consumer_open(&options->consumer, &options->selection);
	ask_topics(seeker);
	if (seeker->seek.target == KAFKA_SEEK_TIME)
		find_time(seeker);
	if (seeker->seek.target == KAFKA_SEEK_COMMITTED)
		find_committed(seeker);
	return seeker;
}

/* An offset that the topic does not have. */
static int64
check_offset(const KafkaPartition *partition, int64 offset)
{
	if (offset < partition->low || offset > partition->end)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("offset " INT64_FORMAT " is out of range in topic \"%s\", partition %d",
						offset, partition->topic, partition->number),
				 errdetail("A position can be from " INT64_FORMAT ", the low watermark, to " INT64_FORMAT ", the end.",
						   partition->low, partition->end)));
	return offset;
}

/* A committed offset is judged as a position that is read from. */
static int64
check_committed(const KafkaSeeker *seeker, const KafkaPartition *partition)
{
	KafkaPosition committed = {
		.partition = partition->number,
		.exists = true,
		.next_offset = seeker->offsets[partition->index]
	};

	if (committed.next_offset < 0)
		return NO_OFFSET;
	return kfdw_positions_start_offset(seeker->positions, partition, &committed);
}

/*
 * So far from where it stands, within what the topic has, as Kafka's own tool does: also
 * where retention has passed it meanwhile.
 */
static int64
shift(const KafkaSeeker *seeker, const KafkaPartition *partition)
{
	const KafkaPartitionPosition *position = &seeker->positions->partitions[partition->index];
	KafkaPosition remaining = position->stored;
	int64		removed = position->outlived ? 0 : Max(partition->low - remaining.next_offset, 0);
	int64		from;

	if (!remaining.exists)
		return NO_OFFSET;
	remaining.next_offset += removed;
	from = kfdw_positions_start_offset(seeker->positions, partition, &remaining) - removed;
	return from + Max(Min(seeker->seek.number, partition->end - from), partition->low - from);
}

/* Where a partition goes that is to be moved. */
static int64
target_of(const KafkaSeeker *seeker, const KafkaPartition *partition)
{
	switch (seeker->seek.target)
	{
		case KAFKA_SEEK_EARLIEST:
			return partition->low;
		case KAFKA_SEEK_LATEST:
			return partition->end;
		case KAFKA_SEEK_COMMITTED:
			return check_committed(seeker, partition);
		case KAFKA_SEEK_TIME:
			return seeker->offsets[partition->index];
		case KAFKA_SEEK_SHIFT:
			return shift(seeker, partition);
		case KAFKA_SEEK_OFFSET:
			return check_offset(partition, seeker->seek.number);
	}
	pg_unreachable();
}

/* For filters: those of topics that the first use of the group is to place. */
static bool
is_to_place(const void *argument, const KafkaPartition *partition)
{
	return kfdw_positions_placing(argument, partition->index) == KAFKA_PLACING;
}

/*
 * Decides where partitions go.  The first position of a group that begins at the ends
 * places all the others of the topic there, as its first use would.
 */
static void
choose_offsets(KafkaSeeker *seeker)
{
	KafkaPartitionFilter to_place = {is_to_place, seeker->positions};
	int			moved = 0;

	kfdw_positions_renew_ends(seeker->positions, seeker->consumer);
	kfdw_consumer_require(seeker->consumer, seeker->outlook, &to_place);
	for (int p = 0; p < seeker->outlook->npartitions; p++)
	{
		const KafkaPartition *partition = &seeker->outlook->partitions[p];

		if (is_wanted(seeker, partition))
			seeker->offsets[p] = target_of(seeker, partition);
		moved += seeker->offsets[p] != NO_OFFSET;
		if (seeker->offsets[p] == NO_OFFSET && is_to_place(seeker->positions, partition))
			seeker->offsets[p] = partition->end;
	}
	if (seeker->seek.target == KAFKA_SEEK_SHIFT && moved == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("consumer group \"%s\" has no position in topic \"%s\" that could be shifted",
						seeker->options->group_id, seeker->options->topic)));
}

/* Claims a partition until the end of the transaction. */
static void
claim(const KafkaPositionKey *key, int32 number)
{
	kfdw_consumption_check_unread(key, number);
	if (!kfdw_claim_for_transaction(key, number))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("partition %d of topic \"%s\" is being read by another consumer of group \"%s\"",
						number, key->topic, key->group_id),
				 errhint("Its position can be moved when that transaction is over; kafka.lag() shows whose it is.")));
}

/* Claims what is to be moved, so that it stays as it is read now. */
static void
claim_and_read(KafkaSeeker *seeker, bool is_stream)
{
	KafkaPositions *positions = seeker->positions;

	kfdw_positions_read(positions);
	for (int p = 0; p < seeker->outlook->npartitions; p++)
	{
		const KafkaPartition *partition = &seeker->outlook->partitions[p];

		if (!is_to_place(positions, partition) && !is_wanted(seeker, partition))
			continue;
		if (!is_stream)
			claim(kfdw_positions_key(positions, p), partition->number);
		positions->partitions[p].claim = KAFKA_CLAIM_TAKEN;
	}
	kfdw_positions_read(positions);
}

/* True when a topic is moved as a whole, to where it does not matter what was. */
static bool
begins_anew(const KafkaSeek *seek, const KafkaTopic *topic)
{
	return seek->partition == KAFKA_SEEK_ALL_PARTITIONS && (seek->topic == NULL || strcmp(seek->topic, topic->name) == 0) &&
		(seek->target == KAFKA_SEEK_EARLIEST || seek->target == KAFKA_SEEK_LATEST || seek->target == KAFKA_SEEK_TIME);
}

/* Moves a position; what was set aside of records that are read from there is none of it any more. */
static void
move_position(KafkaSeeker *seeker, int partition, bool is_stream)
{
	const KafkaPositionKey *key = kfdw_positions_key(seeker->positions, partition);
	int32		number = seeker->outlook->partitions[partition].number;
	int64		offset = seeker->offsets[partition];

	kfdw_positions_move(seeker->positions, partition, offset);
	kfdw_dead_letters_delete_ahead(key, number, offset);
	if (is_stream)
		kfdw_parked_delete_ahead(key, number, offset);
}

/* Moves the positions under the name that the server has until the end of the transaction. */
static void
move_positions(KafkaSeeker *seeker, bool is_stream)
{
	KafkaTableOptions current = *seeker->options;

	kfdw_options_keep_server(current.serverid);
	current.server = GetForeignServer(current.serverid)->servername;
	seeker->positions = kfdw_positions_create(&current, seeker->outlook);
	claim_and_read(seeker, is_stream);
	choose_offsets(seeker);
	for (int p = 0; p < seeker->outlook->npartitions; p++)
		if (seeker->offsets[p] != NO_OFFSET)
			move_position(seeker, p, is_stream);
	for (int t = 0; t < seeker->outlook->ntopics; t++)
		if (begins_anew(&seeker->seek, &seeker->outlook->topics[t]))
			kfdw_positions_forget_missing(seeker->positions, t);
	kfdw_report_at_commit(&current, seeker->consumer);
	kfdw_consumer_close(seeker->consumer);
}

void
kfdw_seek_table(KafkaSeeker *seeker)
{
	KafkaPermit permit;

	kfdw_consumption_write_pending();
	permit = kfdw_permit_check(seeker->options);
	kfdw_poll_interval_begin(seeker->options->max_poll_interval_ms);
	move_positions(seeker, false);
	kfdw_permit_use(&permit, seeker->positions->server, seeker->options->group_id);
}

void
kfdw_seek_stream(KafkaSeeker *seeker)
{
	move_positions(seeker, true);
}
