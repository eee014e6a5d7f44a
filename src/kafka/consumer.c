/*
 * consumer.c
 *	  Reading partitions of a topic between given offsets.
 *
 * The library's simple consumer reads from explicit offsets into one queue for all
 * partitions.  The end of a slice is judged by what was seen: a record at or past
 * its last offset, an end-of-partition event or a position at or past its end.
 * Each alone falls short: the tail may be transaction markers, a compacted gap or
 * aborted records.  Silence is never the end.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "kafka/client.h"
#include "kafka/consumer.h"
#include "kafka/error.h"
#include "kafka/fault.h"
#include "kafka/observer.h"
#include "kafka/readers.h"
#include "stat/wait.h"

#define FETCH_BATCH 1000

/*
 * librdkafka before 2.2 stops fetching for a second when its queue is full, however
 * soon it is drained; a request to the broker wakes it up again.  So one is made
 * after this part of the records, or of the bytes, that the queue holds.  No other
 * time: behind a fetch that waits for records the broker does not look at it.
 */
#define KICK_PART 8
#define KICK_TIMEOUT_MS 0

/* Waits that are further apart are not one wait. */
#define NOT_WAITING_MS	1000

/* How long after a doubt that was not confirmed a broker is asked again. */
#define DOUBT_PAUSE_MS 100

/*
 * How long nothing may come where the library reads from a replica that is near: it stays with
 * that one for minutes, also when it is down.  Another client begins with the leader.
 */
#define REPLICA_PATIENCE_MS 5000

struct KafkaConsumer
{
	const KafkaConfig *config;
	KafkaLostRecords lost_records;
	KafkaClient *client;		/* NULL while nothing is to be fetched */
	rd_kafka_queue_t *queue;
	KafkaSelection selection;
	KafkaReaders readers;

	rd_kafka_message_t *fetched[FETCH_BATCH];	/* from the queue, not yet in a buffer */
	int			nfetched;
	int			next_fetched;
	int			since_kick;		/* records */
	int64		bytes_since_kick;
	TimestampTz ask_at;			/* when topics are asked for positions in doubt; 0: none is */
	TimestampTz connected_at;
	TimestampTz last_progress;
	TimestampTz last_wait;
	KafkaBuffer *buffer;		/* holds messages of ours */
	KafkaObserver *observer;	/* NULL: nobody observes */

	MemoryContextCallback callback;
};

/* Gives messages back that are not in a buffer. */
static void
drop_fetched(KafkaConsumer *consumer)
{
	for (int i = consumer->next_fetched; i < consumer->nfetched; i++)
		rd_kafka_message_destroy(consumer->fetched[i]);
	consumer->nfetched = consumer->next_fetched = 0;
}

/* Stops all fetching. */
static void
stop_fetching(KafkaConsumer *consumer)
{
	drop_fetched(consumer);
	for (int i = 0; i < consumer->readers.count; i++)
		kfdw_readers_stop(&consumer->readers, &consumer->readers.readers[i]);
	if (consumer->queue != NULL)
	{
		rd_kafka_queue_io_event_enable(consumer->queue, -1, NULL, 0);
		rd_kafka_queue_destroy(consumer->queue);
	}
	consumer->queue = NULL;
}

/*
 * Lets go of everything that the library counts, so that its handle can be freed: one with a
 * consumer group does not end before its partitions are stopped.
 */
static void
drop_library_objects(KafkaConsumer *consumer)
{
	stop_fetching(consumer);
	kfdw_observer_stop(consumer->observer);
	consumer->observer = NULL;
	if (consumer->buffer != NULL)
		kfdw_buffer_detach(consumer->buffer);
	kfdw_readers_disconnect(&consumer->readers);
}

/* The memory context goes away, most likely by an error: nothing of the handle is kept. */
static void
abandon_consumer(void *argument)
{
	KafkaConsumer *consumer = argument;

	if (consumer->client == NULL)
		return;
	drop_library_objects(consumer);
	kfdw_client_discard(consumer->client);
	consumer->client = NULL;
}

/* Makes sure that the consumer has a client. */
static void
connect_consumer(KafkaConsumer *consumer)
{
	if (consumer->client != NULL)
		return;
	consumer->client = kfdw_client_acquire(consumer->config);
	consumer->connected_at = kfdw_wait_now();
	kfdw_readers_connect(&consumer->readers, consumer->client);
}

KafkaConsumer *
kfdw_consumer_open(const KafkaConfig *config, const KafkaSelection *selection)
{
	KafkaConsumer *consumer = palloc0(sizeof(KafkaConsumer));

	consumer->config = config;
	consumer->lost_records = config->lost_records;
	consumer->selection = kfdw_selection_copy(selection);
	kfdw_readers_init(&consumer->readers, &consumer->selection);
	consumer->callback.func = abandon_consumer;
	consumer->callback.arg = consumer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &consumer->callback);
	return consumer;
}

void
kfdw_consumer_skip_lost(KafkaConsumer *consumer)
{
	consumer->lost_records = KAFKA_LOST_TO_FIRST;
}

KafkaClient *
kfdw_consumer_client(KafkaConsumer *consumer)
{
	connect_consumer(consumer);
	return consumer->client;
}

KafkaOutlook *
kfdw_consumer_outlook(KafkaConsumer *consumer)
{
	connect_consumer(consumer);
	return kfdw_outlook_take(consumer->client, &consumer->selection);
}

void
kfdw_consumer_require(KafkaConsumer *consumer, KafkaOutlook *outlook, const KafkaPartitionFilter *filter)
{
	connect_consumer(consumer);
	kfdw_outlook_require(consumer->client, outlook, filter);
}

int64 *
kfdw_consumer_first_since(KafkaConsumer *consumer, const KafkaOutlook *outlook, const int64 *times)
{
	connect_consumer(consumer);
	return kfdw_outlook_times(consumer->client, outlook, times);
}

/* Starts fetching a partition from the reader's position. */
static void
start_reader(KafkaConsumer *consumer, KafkaSliceReader *reader)
{
	kfdw_readers_start(&consumer->readers, reader, consumer->client, consumer->queue);
}

/* Starts fetching all that is not done, on a fresh queue. */
static void
start_readers(KafkaConsumer *consumer)
{
	static const uint64 one = 1;

	connect_consumer(consumer);
	consumer->queue = rd_kafka_queue_new(consumer->client->rk);
	rd_kafka_queue_io_event_enable(consumer->queue, consumer->client->wake_fd, &one, sizeof(one));
	for (int i = 0; i < consumer->readers.count; i++)
		if (!consumer->readers.readers[i].done)
			start_reader(consumer, &consumer->readers.readers[i]);
	consumer->ask_at = 0;
	consumer->since_kick = 0;
	consumer->bytes_since_kick = 0;
}

/* Starts reading the slices, at most one for a partition. */
void
kfdw_consumer_start(KafkaConsumer *consumer, const KafkaSlice *slices, int nslices)
{
	stop_fetching(consumer);
	kfdw_readers_set(&consumer->readers, slices, nslices);
	start_readers(consumer);
	consumer->last_progress = kfdw_wait_now();
}

void
kfdw_consumer_extend(KafkaConsumer *consumer, const KafkaPartition *partition, int64 end)
{
	KafkaSliceReader *reader = kfdw_readers_get(&consumer->readers, partition);

	Assert(!reader->done && end >= reader->end);
	reader->end = end;
}

void
kfdw_consumer_observe(KafkaConsumer *consumer, const KafkaOutlook *outlook, const KafkaPartitionFilter *awaited,
					  volatile int64 *lag)
{
	KafkaObserved observed = {
		.topics = rd_kafka_topic_partition_list_new(outlook->ntopics),
		.awaited = rd_kafka_topic_partition_list_new(0),
		.read = kfdw_readers_list_active(&consumer->readers),
		.lag = lag,
	};

	for (int t = 0; t < outlook->ntopics; t++)
		kfdw_observed_add_topic(&observed, outlook->topics[t].name, outlook->topics[t].npartitions, outlook->topics[t].topic_id);
	for (int p = 0; p < outlook->npartitions; p++)
		if (awaited->admits(awaited->argument, &outlook->partitions[p]))
			rd_kafka_topic_partition_list_add(observed.awaited, outlook->partitions[p].topic, outlook->partitions[p].number);
	kfdw_observer_stop(consumer->observer);
	consumer->observer = kfdw_observer_start(consumer->client, &observed);
}

void
kfdw_consumer_is_busy(KafkaConsumer *consumer, int64 done)
{
	kfdw_observer_measure(consumer->observer, done);
}

void
kfdw_consumer_look(KafkaConsumer *consumer)
{
	kfdw_observer_look(consumer->observer);
}

/* True when the library may read from other brokers than the leaders. */
static bool
reads_from_replicas(const KafkaConsumer *consumer)
{
	return kfdw_config_get(consumer->config, KAFKA_PROPERTY_CLIENT_RACK) != NULL;
}

KafkaSight
kfdw_consumer_sight(KafkaConsumer *consumer)
{
	KafkaSight	sight = kfdw_observer_sight(consumer->observer);

	/* brokers answer: whatever trouble there was is over, unless it is one of a replica that is read from */
	if (sight == KAFKA_SIGHT_SAME && consumer->client->error && reads_from_replicas(consumer))
		return KAFKA_SIGHT_OTHER;
	if (sight == KAFKA_SIGHT_SAME)
		consumer->client->error = RD_KAFKA_RESP_ERR_NO_ERROR;
	return sight;
}

/* Gives the client of a consumer that is in order back: it serves others. */
void
kfdw_consumer_close(KafkaConsumer *consumer)
{
	KafkaClient *client = consumer->client;

	if (client == NULL)
		return;
	drop_library_objects(consumer);
	consumer->client = NULL;
	kfdw_client_release(client);
}

bool
kfdw_consumer_finished(KafkaConsumer *consumer)
{
	return consumer->readers.active == 0;
}

int64
kfdw_consumer_position(KafkaConsumer *consumer, const KafkaPartition *partition)
{
	KafkaSliceReader *reader = kfdw_readers_get(&consumer->readers, partition);

	return reader ? reader->position : -1;
}

int64
kfdw_consumer_cached_end(KafkaConsumer *consumer, const KafkaPartition *partition)
{
	const KafkaSliceReader *reader = kfdw_readers_get(&consumer->readers, partition);
	int64_t		low,
				high;

	if (consumer->client == NULL ||
		rd_kafka_get_watermark_offsets(consumer->client->rk, partition->topic, partition->number,
									   &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR || high < 0)
		return -1;
	/* where nothing is fetched behind the end that the client met there are records of open transactions only */
	return reader != NULL && reader->event == reader->position && consumer->next_fetched == consumer->nfetched &&
		rd_kafka_queue_length(consumer->queue) == 0 ? reader->position : high;
}

/* A broker says that it does not have a reader's position: settle_doubts() asks for what there is, at once the first time. */
static void
doubt_position(KafkaConsumer *consumer, KafkaSliceReader *reader)
{
	TimestampTz now = kfdw_wait_now();

	kfdw_readers_stop(&consumer->readers, reader);
	reader->in_doubt = true;
	reader->event = -1;
	consumer->ask_at = Max(consumer->ask_at, TimestampTzPlusMilliseconds(now, reader->doubts == 0 ? 0 : DOUBT_PAUSE_MS));
}

/* For filters: the partitions whose positions are in doubt. */
static bool
is_in_doubt(const void *argument, const KafkaPartition *partition)
{
	const KafkaSliceReader *reader = kfdw_readers_get(argument, partition);

	return reader != NULL && reader->in_doubt && !reader->done;
}

/* Asks once for all positions in doubt when it is time to; other partitions are read meanwhile. */
static void
settle_doubts(KafkaConsumer *consumer)
{
	KafkaReaders *readers = &consumer->readers;
	KafkaPartitionFilter filter = {is_in_doubt, readers};
	KafkaOutlook *outlook;

	if (consumer->ask_at == 0 || kfdw_wait_now() < consumer->ask_at)
		return;
	consumer->ask_at = 0;
	outlook = kfdw_consumer_outlook(consumer);
	kfdw_consumer_require(consumer, outlook, &filter);
	for (int i = 0; i < readers->count; i++)
	{
		KafkaSliceReader *reader = &readers->readers[i];

		if (!reader->in_doubt || reader->done)
			continue;
		kfdw_readers_settle(readers, reader, kfdw_outlook_find(outlook, reader->topic, reader->partition),
							consumer->lost_records);
		if (!reader->done)
			start_reader(consumer, reader);
	}
}

/* An event in place of a record: the end of a partition, or an error. */
static void
take_event(KafkaConsumer *consumer, rd_kafka_message_t *message)
{
	KafkaSliceReader *reader = kfdw_readers_find(&consumer->readers, message->rkt, message->partition);
	rd_kafka_resp_err_t error = message->err;
	int64		offset = message->offset;
	int32		partition = message->partition;
	const char *topic = reader != NULL ? reader->topic : kfdw_readers_awaited_topic(&consumer->readers);
	char		reason[256];

	snprintf(reason, sizeof(reason), "%s", rd_kafka_message_errstr(message));
	rd_kafka_message_destroy(message);
	if (reader != NULL)
		reader->event = offset;
	if (error == RD_KAFKA_RESP_ERR__PARTITION_EOF)
	{
		if (reader != NULL)
		{
			reader->doubts = 0;
			kfdw_readers_advance(&consumer->readers, reader, offset);
		}
		return;
	}
	if (reader != NULL && reader->done)
		return;					/* everything wanted of it is here */
	if (reader != NULL &&
		(error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || error == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE))
	{
		doubt_position(consumer, reader);
		return;
	}
	kfdw_error_topic(consumer->client, topic, partition, error, reason);
}

/* Takes one message from those fetched: into the buffer, or as an event.  True when a record was added. */
static bool
take_message(KafkaConsumer *consumer, KafkaBuffer *buffer)
{
	rd_kafka_message_t *message = consumer->fetched[consumer->next_fetched];
	KafkaSliceReader *reader;
	int64		offset = message->offset;

	if (message->err)
	{
		consumer->next_fetched++;
		take_event(consumer, message);
		return false;
	}
	reader = kfdw_readers_find(&consumer->readers, message->rkt, message->partition);
	if (reader == NULL || reader->done || offset < reader->position || offset >= reader->end)
	{
		consumer->next_fetched++;
		rd_kafka_message_destroy(message);
		if (reader != NULL && !reader->done)
			kfdw_readers_advance(&consumer->readers, reader, offset);
		return false;
	}

	/* it is still ours if there is no memory to add it */
	kfdw_buffer_add_message(buffer, reader->topic, reader->index, message);
	consumer->next_fetched++;
	kfdw_readers_advance(&consumer->readers, reader, offset + 1);
	return true;
}

/* Stops partitions that are done, so that they do not crowd out the others. */
static void
stop_done(KafkaConsumer *consumer)
{
	for (int i = 0; i < consumer->readers.count; i++)
		if (consumer->readers.readers[i].done)
			kfdw_readers_stop(&consumer->readers, &consumer->readers.readers[i]);
}

/* Wakes up the library's fetchers (see KICK_PART); an answer is not needed. */
static void
kick(KafkaConsumer *consumer)
{
	rd_kafka_topic_partition_list_t *list;

	consumer->since_kick = 0;
	consumer->bytes_since_kick = 0;
	if (!consumer->client->needs_kick || consumer->readers.active == 0)
		return;
	list = kfdw_readers_list_active(&consumer->readers);
	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = 0;
	(void) rd_kafka_offsets_for_times(consumer->client->rk, list, KICK_TIMEOUT_MS);
	rd_kafka_topic_partition_list_destroy(list);
}

/* Fetches what the library has ready; false when that is nothing. */
static bool
fetch(KafkaConsumer *consumer)
{
	ssize_t		count;

	stop_done(consumer);
	if (consumer->readers.active == 0 || consumer->queue == NULL)
		return false;
	if (consumer->since_kick >= consumer->client->ahead.records / KICK_PART ||
		consumer->bytes_since_kick >= consumer->client->ahead.kb * INT64CONST(1024) / KICK_PART)
		kick(consumer);
	count = rd_kafka_consume_batch_queue(consumer->queue, 0, consumer->fetched, FETCH_BATCH);
	if (count <= 0)
		return false;
	consumer->nfetched = (int) count;
	consumer->next_fetched = 0;
	consumer->since_kick += (int) count;
	for (int i = 0; i < consumer->nfetched; i++)
		consumer->bytes_since_kick += consumer->fetched[i]->len;
	consumer->client->error = RD_KAFKA_RESP_ERR_NO_ERROR;
	consumer->last_progress = kfdw_wait_now();
	return true;
}

/*
 * Aborted records and markers move the library's position without any event; nothing that it gave is left.
 * From 2.2 on, before 2.13.2, it takes an event for a record: behind one its position is one too far, and
 * believed only when it has moved on.
 */
static void
look_at_positions(KafkaConsumer *consumer)
{
	rd_kafka_topic_partition_list_t *list = kfdw_readers_list_active(&consumer->readers);

	if (rd_kafka_position(consumer->client->rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR)
		for (int i = 0; i < list->cnt; i++)
		{
			KafkaSliceReader *reader = list->elems[i].opaque;

			if (!reader->in_doubt && list->elems[i].offset != reader->event + 1)
				kfdw_readers_advance(&consumer->readers, reader, list->elems[i].offset);
		}
	rd_kafka_topic_partition_list_destroy(list);
}

int
kfdw_consumer_fill(KafkaConsumer *consumer, KafkaBuffer *buffer)
{
	int			added = 0;

	if (consumer->readers.active == 0 && consumer->next_fetched == consumer->nfetched &&
		kfdw_buffer_count(buffer) == 0)
	{
		kfdw_consumer_close(consumer);
		return 0;
	}
	kfdw_observer_rest(consumer->observer);
	settle_doubts(consumer);
	kfdw_buffer_attach(buffer, &consumer->buffer);
	while (!kfdw_buffer_full(buffer))
	{
		if (consumer->next_fetched == consumer->nfetched && !fetch(consumer))
			break;
		added += take_message(consumer, buffer);
	}
	if (added == 0 && consumer->queue != NULL && consumer->next_fetched == consumer->nfetched)
		look_at_positions(consumer);
	return added;
}

/* True when a slice that has an end has waited for a broker for so long. */
static bool
is_overdue(const KafkaConsumer *consumer, int patience_ms)
{
	for (int i = 0; i < consumer->readers.count; i++)
		if (!consumer->readers.readers[i].done && consumer->readers.readers[i].end != PG_INT64_MAX)
			return TimestampDifferenceExceeds(consumer->last_progress, kfdw_wait_now(), patience_ms);
	return false;
}

/* Goes on with another client where the replica that is read from may be gone. */
static void
leave_lost_replica(KafkaConsumer *consumer)
{
	KafkaClient *client = consumer->client;

	if (!reads_from_replicas(consumer) || !is_overdue(consumer, REPLICA_PATIENCE_MS) ||
		!TimestampDifferenceExceeds(consumer->connected_at, kfdw_wait_now(), REPLICA_PATIENCE_MS))
		return;
	drop_library_objects(consumer);
	consumer->client = NULL;
	kfdw_client_discard_like(client);
	start_readers(consumer);
}

/* True when waiting is of no use, as the brokers refuse the client. */
static bool
is_refused(const KafkaClient *client)
{
	return client->error && kfdw_fault_course(client->error) != KAFKA_PASSES;
}

void
kfdw_consumer_wait(KafkaConsumer *consumer, long timeout_ms)
{
	TimestampTz before = kfdw_wait_now();

	connect_consumer(consumer);

	/* a cursor that was not fetched from did not wait for a broker */
	if (TimestampDifferenceExceeds(consumer->last_wait, before, NOT_WAITING_MS))
		consumer->last_progress = before;
	if (consumer->ask_at != 0)
		timeout_ms = Min(timeout_ms, TimestampDifferenceMilliseconds(before, consumer->ask_at));
	kfdw_client_wait(consumer->client, timeout_ms);
	if (is_refused(consumer->client))
		kfdw_error_unreachable(consumer->client, kfdw_readers_blamed_topic(&consumer->readers, consumer->client->reason));
	if (is_overdue(consumer, consumer->client->request_timeout_ms))
		kfdw_error_unreachable(consumer->client, kfdw_readers_awaited_topic(&consumer->readers));
	leave_lost_replica(consumer);
	consumer->last_wait = kfdw_wait_now();
}

const char *
kfdw_consumer_trouble(KafkaConsumer *consumer)
{
	const rd_kafka_topic_partition_t *leaderless = kfdw_observer_leaderless(consumer->observer);

	if (consumer->client != NULL && consumer->client->error)
		return consumer->client->reason;
	return leaderless == NULL ? NULL :
		kfdw_fault_describe_silence(leaderless->topic, leaderless->partition,
									rd_kafka_err2str(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE));
}
