/*
 * readers.c
 *	  The partitions that a consumer reads, and how far each is.
 */
#include "postgres.h"

#include "kafka/error.h"
#include "kafka/readers.h"

/*
 * A leader that was cut off from the others and is back says for a moment that it does not have
 * what they have: it is asked so many times, for three seconds in all, before it is believed.
 */
#define CONFIRM_TRIES 30

void
kfdw_readers_init(KafkaReaders *readers, const KafkaSelection *selection)
{
	readers->context = CurrentMemoryContext;
	readers->ntopics = selection->ntopics;
	readers->topics = palloc0(selection->ntopics * sizeof(KafkaReaderTopic));
	for (int t = 0; t < selection->ntopics; t++)
		readers->topics[t].name = selection->topics[t];
}

void
kfdw_readers_connect(KafkaReaders *readers, KafkaClient *client)
{
	for (int t = 0; t < readers->ntopics; t++)
	{
		KafkaReaderTopic *topic = &readers->topics[t];

		topic->handle = rd_kafka_topic_new(client->rk, topic->name, NULL);
		if (topic->handle == NULL)
			kfdw_error_topic(client, topic->name, -1, rd_kafka_last_error(),
							 rd_kafka_err2str(rd_kafka_last_error()));
	}
}

void
kfdw_readers_disconnect(KafkaReaders *readers)
{
	for (int t = 0; t < readers->ntopics; t++)
	{
		if (readers->topics[t].handle != NULL)
			rd_kafka_topic_destroy(readers->topics[t].handle);
		readers->topics[t].handle = NULL;
	}
}

/* Forgets all readers. */
static void
clear(KafkaReaders *readers)
{
	if (readers->readers != NULL)
		pfree(readers->readers);
	readers->readers = NULL;
	for (int t = 0; t < readers->ntopics; t++)
	{
		if (readers->topics[t].reader_of != NULL)
			pfree(readers->topics[t].reader_of);
		readers->topics[t].reader_of = NULL;
		readers->topics[t].nnumbers = 0;
	}
	readers->count = readers->active = 0;
}

/* Makes room for a partition in its topic's table. */
static void
make_room(KafkaReaders *readers, const KafkaPartition *partition)
{
	KafkaReaderTopic *topic = &readers->topics[partition->topic_index];
	int			nnumbers = Max(partition->number + 1, 2 * topic->nnumbers);

	if (partition->number < topic->nnumbers)
		return;
	if (topic->reader_of == NULL)
		topic->reader_of = MemoryContextAlloc(readers->context, nnumbers * sizeof(int));
	else
		topic->reader_of = repalloc(topic->reader_of, nnumbers * sizeof(int));
	for (int i = topic->nnumbers; i < nnumbers; i++)
		topic->reader_of[i] = -1;
	topic->nnumbers = nnumbers;
}

void
kfdw_readers_set(KafkaReaders *readers, const KafkaSlice *slices, int nslices)
{
	clear(readers);
	readers->readers = MemoryContextAllocZero(readers->context, (nslices + 1) * sizeof(KafkaSliceReader));
	for (int i = 0; i < nslices; i++)
	{
		const KafkaPartition *partition = slices[i].partition;
		KafkaReaderTopic *topic = &readers->topics[partition->topic_index];
		KafkaSliceReader *reader = &readers->readers[readers->count];

		make_room(readers, partition);
		topic->reader_of[partition->number] = readers->count++;
		reader->index = partition->index;
		reader->topic_index = partition->topic_index;
		reader->topic = topic->name;
		reader->partition = partition->number;
		reader->position = slices[i].from;
		reader->end = slices[i].end;
		reader->done = reader->position >= reader->end;
		readers->active += !reader->done;
	}
}

void
kfdw_readers_start(KafkaReaders *readers, KafkaSliceReader *reader, KafkaClient *client, rd_kafka_queue_t *queue)
{
	if (rd_kafka_consume_start_queue(readers->topics[reader->topic_index].handle, reader->partition,
									 reader->position, queue) != 0)
		kfdw_error_topic(client, reader->topic, reader->partition, rd_kafka_last_error(),
						 rd_kafka_err2str(rd_kafka_last_error()));
	reader->started = true;
	reader->in_doubt = false;
	reader->event = -1;
}

void
kfdw_readers_stop(KafkaReaders *readers, KafkaSliceReader *reader)
{
	if (reader->started)
		rd_kafka_consume_stop(readers->topics[reader->topic_index].handle, reader->partition);
	reader->started = false;
}

void
kfdw_readers_advance(KafkaReaders *readers, KafkaSliceReader *reader, int64 position)
{
	if (position > reader->position)
	{
		reader->position = Min(position, reader->end);
		reader->doubts = 0;
	}
	if (!reader->done && reader->position >= reader->end)
	{
		reader->done = true;
		readers->active--;
	}
}

/* The topic of the library's one; what comes next is mostly of the same topic. */
static KafkaReaderTopic *
find_topic(KafkaReaders *readers, const rd_kafka_topic_t *handle)
{
	if (readers->topics[readers->last_topic].handle == handle)
		return &readers->topics[readers->last_topic];
	for (int t = 0; t < readers->ntopics; t++)
		if (strcmp(readers->topics[t].name, rd_kafka_topic_name(handle)) == 0)
		{
			readers->last_topic = t;
			return &readers->topics[t];
		}
	return NULL;
}

/* The reader of a partition of a topic, NULL when there is none. */
static KafkaSliceReader *
get_reader(const KafkaReaders *readers, const KafkaReaderTopic *topic, int32 partition)
{
	if (partition < 0 || partition >= topic->nnumbers || topic->reader_of[partition] < 0)
		return NULL;
	return &readers->readers[topic->reader_of[partition]];
}

KafkaSliceReader *
kfdw_readers_get(const KafkaReaders *readers, const KafkaPartition *partition)
{
	return get_reader(readers, &readers->topics[partition->topic_index], partition->number);
}

KafkaSliceReader *
kfdw_readers_find(KafkaReaders *readers, const rd_kafka_topic_t *handle, int32 partition)
{
	KafkaReaderTopic *topic = handle != NULL ? find_topic(readers, handle) : NULL;

	return topic != NULL ? get_reader(readers, topic, partition) : NULL;
}

rd_kafka_topic_partition_list_t *
kfdw_readers_list_active(const KafkaReaders *readers)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(readers->count);

	for (int i = 0; i < readers->count; i++)
	{
		KafkaSliceReader *reader = &readers->readers[i];

		if (!reader->done)
			rd_kafka_topic_partition_list_add(list, reader->topic, reader->partition)->opaque = reader;
	}
	return list;
}

const char *
kfdw_readers_awaited_topic(const KafkaReaders *readers)
{
	for (int i = 0; i < readers->count; i++)
		if (!readers->readers[i].done)
			return readers->readers[i].topic;
	return readers->topics[0].name;
}

/* An error of one partition reaches the client without its topic, but the library's words begin with "topic [partition]". */
const char *
kfdw_readers_blamed_topic(const KafkaReaders *readers, const char *reason)
{
	for (int t = 0; t < readers->ntopics; t++)
	{
		const char *name = readers->topics[t].name;

		if (strncmp(reason, name, strlen(name)) == 0 && strncmp(reason + strlen(name), " [", 2) == 0)
			return name;
	}
	return kfdw_readers_awaited_topic(readers);
}

/* What a reader was to read is not what the topic has, so it is another topic of that name. */
pg_noreturn static void
report_recreated(const KafkaSliceReader *reader, int64 low, int64 end)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("topic \"%s\", partition %d was recreated, or cut off, while it was read",
					reader->topic, reader->partition),
			 errdetail("Offset " INT64_FORMAT " was to be read; the topic has offsets " INT64_FORMAT " to " INT64_FORMAT ".",
					   reader->position, low, end),
			 errhint("Run the statement again.")));
}

pg_noreturn static void
report_lost(const KafkaSliceReader *reader, int64 low)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("records of topic \"%s\", partition %d were removed before they were read",
					reader->topic, reader->partition),
			 errdetail("Offset " INT64_FORMAT " is the first one missing, " INT64_FORMAT " the first one still there.",
					   reader->position, low),
			 errhint("Run the statement again, or set the option \"on_offset_out_of_range\" to \"earliest\" or \"latest\" to go on.")));
}

void
kfdw_readers_settle(KafkaReaders *readers, KafkaSliceReader *reader, const KafkaPartition *now, KafkaLostRecords lost)
{
	if (now == NULL)
		report_recreated(reader, 0, 0);
	if (reader->position >= now->low)
	{
		if (reader->doubts++ == CONFIRM_TRIES)
			report_recreated(reader, now->low, now->end);
		return;
	}
	if (lost == KAFKA_LOST_ERROR)
		report_lost(reader, now->low);
	kfdw_readers_advance(readers, reader, lost == KAFKA_LOST_TO_FIRST ? now->low : now->end);
}
