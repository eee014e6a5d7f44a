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
#include "kafka/lag.h"

#define FETCH_BATCH 1000

/*
 * librdkafka before 2.2 stops fetching for a second when its queue is full, however
 * soon it is drained; a request to the broker wakes it up again.  So one is made
 * after this many records, or this part of the bytes that the queue holds.  No other
 * time: behind a fetch that waits for records the broker does not look at it.
 */
#define KICK_RECORDS 20000
#define KICK_PART 8
#define KICK_TIMEOUT_MS 5

/* Waits that are further apart are not one wait. */
#define NOT_WAITING_MS	1000

typedef struct KafkaPartitionReader
{
	int32		partition;
	int64		end;
	int64		position;		/* everything below was fetched */
	bool		done;			/* position reached end */
	bool		started;		/* the library is fetching it */
} KafkaPartitionReader;

struct KafkaConsumer
{
	const KafkaConfig *config;
	KafkaClient *client;		/* NULL while nothing is to be fetched */
	rd_kafka_topic_t *topic;
	rd_kafka_queue_t *queue;
	char	   *topic_name;

	KafkaPartitionReader *readers;
	int			nreaders;
	int			active;			/* readers that are not done */
	int		   *reader_of;		/* by partition: index in readers, -1 */
	int			npartitions;	/* length of reader_of */

	rd_kafka_message_t *fetched[FETCH_BATCH];	/* from the queue, not yet in a buffer */
	int			nfetched;
	int			next_fetched;
	int			since_kick;		/* records */
	int64		bytes_since_kick;
	TimestampTz last_progress;
	TimestampTz last_wait;
	KafkaBuffer *buffer;		/* holds messages of ours */
	KafkaLagMeter *lag_meter;	/* NULL: nobody measures */

	MemoryContext context;
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

/* Lets go of everything that the library counts, so that its handle can be freed. */
static void
drop_library_objects(KafkaConsumer *consumer)
{
	drop_fetched(consumer);
	kfdw_lag_stop(consumer->lag_meter);
	consumer->lag_meter = NULL;
	if (consumer->buffer != NULL)
		kfdw_buffer_detach(consumer->buffer);
	if (consumer->queue != NULL)
	{
		rd_kafka_queue_io_event_enable(consumer->queue, -1, NULL, 0);
		rd_kafka_queue_destroy(consumer->queue);
	}
	if (consumer->topic != NULL)
		rd_kafka_topic_destroy(consumer->topic);
	consumer->queue = NULL;
	consumer->topic = NULL;
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
	consumer->topic = rd_kafka_topic_new(consumer->client->rk, consumer->topic_name, NULL);
	if (consumer->topic == NULL)
		kfdw_error_topic(consumer->client, consumer->topic_name, -1, rd_kafka_last_error(),
						 rd_kafka_err2str(rd_kafka_last_error()));
}

KafkaConsumer *
kfdw_consumer_open(const KafkaConfig *config, const char *topic)
{
	KafkaConsumer *consumer = palloc0(sizeof(KafkaConsumer));

	consumer->context = CurrentMemoryContext;
	consumer->config = config;
	consumer->topic_name = pstrdup(topic);
	consumer->callback.func = abandon_consumer;
	consumer->callback.arg = consumer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &consumer->callback);
	connect_consumer(consumer);
	return consumer;
}

KafkaTopicState *
kfdw_consumer_topic_outlook(KafkaConsumer *consumer)
{
	connect_consumer(consumer);
	return kfdw_outlook_take(consumer->client, consumer->topic_name);
}

void
kfdw_consumer_require(KafkaConsumer *consumer, KafkaTopicState *state, const KafkaPartitionFilter *filter)
{
	connect_consumer(consumer);
	kfdw_outlook_require(consumer->client, consumer->topic_name, state, filter);
}

int64 *
kfdw_consumer_first_since(KafkaConsumer *consumer, const int64 *times, int npartitions)
{
	connect_consumer(consumer);
	return kfdw_outlook_times(consumer->client, consumer->topic_name, times, npartitions);
}

/* Remembers the slices; those that are empty are done before they start. */
static void
set_readers(KafkaConsumer *consumer, const KafkaSlice *slices, int nslices)
{
	MemoryContext old = MemoryContextSwitchTo(consumer->context);

	if (consumer->readers != NULL)
	{
		pfree(consumer->readers);
		pfree(consumer->reader_of);
	}
	consumer->npartitions = 0;
	for (int i = 0; i < nslices; i++)
		consumer->npartitions = Max(consumer->npartitions, slices[i].partition + 1);
	consumer->readers = palloc0((nslices + 1) * sizeof(KafkaPartitionReader));
	consumer->reader_of = palloc((consumer->npartitions + 1) * sizeof(int));
	memset(consumer->reader_of, -1, (consumer->npartitions + 1) * sizeof(int));
	consumer->nreaders = nslices;
	consumer->active = 0;
	for (int i = 0; i < nslices; i++)
	{
		KafkaPartitionReader *reader = &consumer->readers[i];

		reader->partition = slices[i].partition;
		reader->position = slices[i].from;
		reader->end = slices[i].end;
		reader->done = reader->position >= reader->end;
		consumer->reader_of[reader->partition] = i;
		consumer->active += !reader->done;
	}
	MemoryContextSwitchTo(old);
}

/* Starts fetching a partition from the reader's position. */
static void
start_reader(KafkaConsumer *consumer, KafkaPartitionReader *reader)
{
	if (rd_kafka_consume_start_queue(consumer->topic, reader->partition, reader->position,
									 consumer->queue) != 0)
		kfdw_error_topic(consumer->client, consumer->topic_name, reader->partition,
						 rd_kafka_last_error(), rd_kafka_err2str(rd_kafka_last_error()));
	reader->started = true;
}

/* Stops fetching a partition; local to the library, it waits for no broker. */
static void
stop_reader(KafkaConsumer *consumer, KafkaPartitionReader *reader)
{
	if (reader->started)
		rd_kafka_consume_stop(consumer->topic, reader->partition);
	reader->started = false;
}

/* Stops all fetching. */
static void
stop_fetching(KafkaConsumer *consumer)
{
	drop_fetched(consumer);
	for (int i = 0; i < consumer->nreaders; i++)
		stop_reader(consumer, &consumer->readers[i]);
	if (consumer->queue != NULL)
	{
		rd_kafka_queue_io_event_enable(consumer->queue, -1, NULL, 0);
		rd_kafka_queue_destroy(consumer->queue);
	}
	consumer->queue = NULL;
}

/* Starts reading the slices, at most one for a partition, on a fresh queue. */
void
kfdw_consumer_start(KafkaConsumer *consumer, const KafkaSlice *slices, int nslices)
{
	static const uint64 one = 1;

	stop_fetching(consumer);
	connect_consumer(consumer);
	set_readers(consumer, slices, nslices);
	consumer->queue = rd_kafka_queue_new(consumer->client->rk);
	rd_kafka_queue_io_event_enable(consumer->queue, consumer->client->wake_fd, &one, sizeof(one));
	for (int i = 0; i < consumer->nreaders; i++)
		if (!consumer->readers[i].done)
			start_reader(consumer, &consumer->readers[i]);
	consumer->since_kick = 0;
	consumer->bytes_since_kick = 0;
	consumer->last_progress = GetCurrentTimestamp();
}

/* The partitions that are not done, as the library takes them. */
static rd_kafka_topic_partition_list_t *
list_active(const KafkaConsumer *consumer)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(consumer->nreaders);

	for (int i = 0; i < consumer->nreaders; i++)
		if (!consumer->readers[i].done)
			rd_kafka_topic_partition_list_add(list, consumer->topic_name, consumer->readers[i].partition);
	return list;
}

void
kfdw_consumer_show_lag(KafkaConsumer *consumer, volatile int64 *lag)
{
	kfdw_lag_stop(consumer->lag_meter);
	consumer->lag_meter = kfdw_lag_start(consumer->client, list_active(consumer), lag);
}

void
kfdw_consumer_is_busy(KafkaConsumer *consumer, int64 done)
{
	kfdw_lag_measure(consumer->lag_meter, done);
}

/* Gives the client of a consumer that is in order back: it serves others. */
void
kfdw_consumer_close(KafkaConsumer *consumer)
{
	KafkaClient *client = consumer->client;

	if (client == NULL)
		return;
	stop_fetching(consumer);
	drop_library_objects(consumer);
	consumer->client = NULL;
	kfdw_client_release(client);
}

bool
kfdw_consumer_finished(KafkaConsumer *consumer)
{
	return consumer->active == 0;
}

/* The reader of a partition, NULL when it is none of ours. */
static KafkaPartitionReader *
find_reader(KafkaConsumer *consumer, int32 partition)
{
	if (partition < 0 || partition >= consumer->npartitions || consumer->reader_of[partition] < 0)
		return NULL;
	return &consumer->readers[consumer->reader_of[partition]];
}

int64
kfdw_consumer_position(KafkaConsumer *consumer, int32 partition)
{
	KafkaPartitionReader *reader = find_reader(consumer, partition);

	return reader ? reader->position : -1;
}

int64
kfdw_consumer_cached_end(KafkaConsumer *consumer, int32 partition)
{
	int64_t		low,
				high;

	if (consumer->client == NULL ||
		rd_kafka_get_watermark_offsets(consumer->client->rk, consumer->topic_name, partition,
									   &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR || high < 0)
		return -1;
	return high;
}

/* Everything below position was fetched. */
static void
advance(KafkaConsumer *consumer, KafkaPartitionReader *reader, int64 position)
{
	if (position > reader->position)
		reader->position = Min(position, reader->end);
	if (!reader->done && reader->position >= reader->end)
	{
		reader->done = true;
		consumer->active--;
	}
}

/* For filters: the one partition of a reader. */
static bool
is_of_reader(const void *argument, int32 partition)
{
	return ((const KafkaPartitionReader *) argument)->partition == partition;
}

/* What a reader was to read is not what the topic has: it is another topic of that name. */
static void
report_recreated(const KafkaConsumer *consumer, const KafkaPartitionReader *reader, int64 low, int64 end)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("topic \"%s\", partition %d was recreated, or cut off, while it was read",
					consumer->topic_name, reader->partition),
			 errdetail("Offset " INT64_FORMAT " was to be read; the topic has offsets " INT64_FORMAT " to " INT64_FORMAT ".",
					   reader->position, low, end),
			 errhint("Run the statement again.")));
}

/* Records were removed before they were read. */
static void
report_lost(const KafkaConsumer *consumer, const KafkaPartitionReader *reader, int64 low)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("records of topic \"%s\", partition %d were removed before they were read",
					consumer->topic_name, reader->partition),
			 errdetail("Offset " INT64_FORMAT " is the first one missing, " INT64_FORMAT " the first one still there.",
					   reader->position, low),
			 errhint("Run the statement again, or set the option \"on_offset_out_of_range\" to \"earliest\" or \"latest\" to go on.")));
}

/* The broker has no record at a reader's position: an error, or the reader goes on elsewhere. */
static void
meet_lost_records(KafkaConsumer *consumer, KafkaPartitionReader *reader)
{
	KafkaTopicState *topic = kfdw_consumer_topic_outlook(consumer);
	KafkaPartitionFilter filter = {is_of_reader, reader};
	int64		low,
				end;

	if (reader->partition >= topic->npartitions)
		report_recreated(consumer, reader, 0, 0);
	kfdw_consumer_require(consumer, topic, &filter);
	low = topic->low[reader->partition];
	end = topic->end[reader->partition];
	if (reader->position >= low)
		report_recreated(consumer, reader, low, end);
	if (consumer->config->lost_records == KAFKA_LOST_ERROR)
		report_lost(consumer, reader, low);

	stop_reader(consumer, reader);
	advance(consumer, reader, consumer->config->lost_records == KAFKA_LOST_TO_FIRST ? low : end);
	if (!reader->done)
		start_reader(consumer, reader);
}

/* An event in place of a record: the end of a partition, or an error. */
static void
take_event(KafkaConsumer *consumer, rd_kafka_message_t *message)
{
	KafkaPartitionReader *reader = find_reader(consumer, message->partition);
	rd_kafka_resp_err_t error = message->err;
	int64		offset = message->offset;
	int32		partition = message->partition;
	char		reason[256];

	snprintf(reason, sizeof(reason), "%s", rd_kafka_message_errstr(message));
	rd_kafka_message_destroy(message);
	if (error == RD_KAFKA_RESP_ERR__PARTITION_EOF)
	{
		if (reader != NULL)
			advance(consumer, reader, offset);
		return;
	}
	if (reader != NULL && reader->done)
		return;					/* everything wanted of it is here */
	if (reader != NULL &&
		(error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || error == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE))
	{
		meet_lost_records(consumer, reader);
		return;
	}
	kfdw_error_topic(consumer->client, consumer->topic_name, partition, error, reason);
}

/* Takes one message from those fetched: into the buffer, or as an event.  True when a record was added. */
static bool
take_message(KafkaConsumer *consumer, KafkaBuffer *buffer)
{
	rd_kafka_message_t *message = consumer->fetched[consumer->next_fetched];
	KafkaPartitionReader *reader;
	int64		offset = message->offset;

	if (message->err)
	{
		consumer->next_fetched++;
		take_event(consumer, message);
		return false;
	}
	reader = find_reader(consumer, message->partition);
	if (reader == NULL || reader->done || offset < reader->position || offset >= reader->end)
	{
		consumer->next_fetched++;
		rd_kafka_message_destroy(message);
		if (reader != NULL && !reader->done)
			advance(consumer, reader, offset);
		return false;
	}

	/* it is still ours if there is no memory to add it */
	kfdw_buffer_add_message(buffer, consumer->topic_name, message);
	consumer->next_fetched++;
	advance(consumer, reader, offset + 1);
	return true;
}

/* Stops partitions that are done, so that they do not crowd out the others. */
static void
stop_done(KafkaConsumer *consumer)
{
	for (int i = 0; i < consumer->nreaders; i++)
		if (consumer->readers[i].done)
			stop_reader(consumer, &consumer->readers[i]);
}

/* Wakes up the library's fetchers (see KICK_RECORDS); an answer is not needed. */
static void
kick(KafkaConsumer *consumer)
{
	rd_kafka_topic_partition_list_t *list;

	consumer->since_kick = 0;
	consumer->bytes_since_kick = 0;
	if (!consumer->client->needs_kick || consumer->active == 0)
		return;
	list = list_active(consumer);
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
	if (consumer->active == 0 || consumer->queue == NULL)
		return false;
	if (consumer->since_kick >= KICK_RECORDS ||
		consumer->bytes_since_kick >= consumer->client->ahead_kb * INT64CONST(1024) / KICK_PART)
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
	consumer->last_progress = GetCurrentTimestamp();
	return true;
}

int
kfdw_consumer_fill(KafkaConsumer *consumer, KafkaBuffer *buffer)
{
	int			added = 0;

	if (consumer->active == 0 && consumer->next_fetched == consumer->nfetched &&
		kfdw_buffer_count(buffer) == 0)
	{
		kfdw_consumer_close(consumer);
		return 0;
	}
	kfdw_lag_rest(consumer->lag_meter);
	kfdw_buffer_attach(buffer, &consumer->buffer);
	while (!kfdw_buffer_full(buffer))
	{
		if (consumer->next_fetched == consumer->nfetched && !fetch(consumer))
			break;
		added += take_message(consumer, buffer);
	}
	return added;
}

/* Aborted records and markers move the library's position without any event. */
static void
look_at_positions(KafkaConsumer *consumer)
{
	rd_kafka_topic_partition_list_t *list = list_active(consumer);

	if (rd_kafka_position(consumer->client->rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR)
		for (int i = 0; i < list->cnt; i++)
		{
			KafkaPartitionReader *reader = find_reader(consumer, list->elems[i].partition);

			/* behind what the queue still holds is nothing, as it was drained */
			if (reader->end != PG_INT64_MAX && list->elems[i].offset >= reader->end)
				advance(consumer, reader, list->elems[i].offset);
		}
	rd_kafka_topic_partition_list_destroy(list);
}

/* True when a slice that has an end waits for a broker for longer than a statement may. */
static bool
is_overdue(KafkaConsumer *consumer)
{
	for (int i = 0; i < consumer->nreaders; i++)
		if (!consumer->readers[i].done && consumer->readers[i].end != PG_INT64_MAX)
			return TimestampDifferenceExceeds(consumer->last_progress, GetCurrentTimestamp(),
											  consumer->client->request_timeout_ms);
	return false;
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
	TimestampTz before = GetCurrentTimestamp();

	connect_consumer(consumer);

	/* a cursor that was not fetched from did not wait for a broker */
	if (TimestampDifferenceExceeds(consumer->last_wait, before, NOT_WAITING_MS))
		consumer->last_progress = before;
	kfdw_client_wait(consumer->client, timeout_ms);
	if (is_refused(consumer->client) || is_overdue(consumer))
		kfdw_error_unreachable(consumer->client, consumer->topic_name);
	consumer->last_wait = GetCurrentTimestamp();
	if (TimestampDifferenceExceeds(before, consumer->last_wait, (int) Min(timeout_ms, 50)))
		look_at_positions(consumer);
}

const char *
kfdw_consumer_trouble(KafkaConsumer *consumer)
{
	return consumer->client && consumer->client->error ? consumer->client->reason : NULL;
}
