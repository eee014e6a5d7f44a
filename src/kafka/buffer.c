/*
 * buffer.c
 *	  Records in hand: a batch of a scan or a stream, kept until it is cleared.
 *
 * The records point into messages of the client library, which pin its fetch
 * responses; so a buffer is bounded in records and bytes.  All messages go back
 * before their client is destroyed: the consumer that filled a buffer clears it
 * when it closes.
 */
#include "postgres.h"

#include "port.h"

#include "kafka/buffer.h"
#include "kafka/librdkafka.h"

struct KafkaBuffer
{
	int			max_records;
	int64		max_bytes;

	KafkaRecord *records;
	int			allocated;
	int			count;
	int			next;			/* the record that kfdw_buffer_next() returns next */
	int64		bytes;

	MemoryContext context;
	KafkaBuffer **holder;		/* where the consumer that filled it points to it */
	MemoryContextCallback callback;
};

/* The memory context goes away: the messages must go back before. */
static void
forget_buffer(void *argument)
{
	kfdw_buffer_detach(argument);
}

KafkaBuffer *
kfdw_buffer_create(int max_records, int64 max_bytes)
{
	KafkaBuffer *buffer = palloc0(sizeof(KafkaBuffer));

	buffer->max_records = max_records;
	buffer->max_bytes = max_bytes;
	buffer->allocated = Min(max_records, 1024);
	buffer->records = palloc(buffer->allocated * sizeof(KafkaRecord));
	buffer->context = CurrentMemoryContext;
	buffer->callback.func = forget_buffer;
	buffer->callback.arg = buffer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &buffer->callback);
	return buffer;
}

/* Tells a consumer, through its pointer, that the buffer holds messages of its client. */
void
kfdw_buffer_attach(KafkaBuffer *buffer, KafkaBuffer **holder)
{
	Assert(buffer->holder == NULL || buffer->holder == holder || buffer->count == 0);
	if (*holder != NULL && *holder != buffer)
		kfdw_buffer_detach(*holder);
	buffer->holder = holder;
	*holder = buffer;
}

/* Clears the buffer and lets the consumer forget it. */
void
kfdw_buffer_detach(KafkaBuffer *buffer)
{
	kfdw_buffer_clear(buffer);
	if (buffer->holder != NULL)
		*buffer->holder = NULL;
	buffer->holder = NULL;
}

/* Makes room for a record more. */
static KafkaRecord *
add_record(KafkaBuffer *buffer)
{
	if (buffer->count == buffer->allocated)
	{
		buffer->allocated *= 2;
		buffer->records = repalloc_huge(buffer->records, buffer->allocated * sizeof(KafkaRecord));
	}
	return &buffer->records[buffer->count];
}

/* Takes a message over; the library's message is freed when the buffer is cleared. */
void
kfdw_buffer_add_message(KafkaBuffer *buffer, const char *topic, void *message)
{
	rd_kafka_message_t *source = message;
	KafkaRecord *record = add_record(buffer);
	rd_kafka_timestamp_type_t type;

	record->topic = topic;
	record->partition = source->partition;
	record->offset = source->offset;
	record->timestamp = rd_kafka_message_timestamp(source, &type);
	record->timestamp_type = type == RD_KAFKA_TIMESTAMP_CREATE_TIME ? KAFKA_TIMESTAMP_CREATE_TIME :
		type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? KAFKA_TIMESTAMP_LOG_APPEND_TIME :
		KAFKA_TIMESTAMP_NONE;
	record->key = source->key;
	record->key_len = source->key_len;
	record->value = source->payload;
	record->value_len = source->len;
	record->headers = NULL;
	record->nheaders = -1;
	record->message = source;
	buffer->bytes += source->len + source->key_len;
	buffer->count++;
}

/* Adds a record that did not come from a consumer; what it points to must outlive the buffer's content. */
void
kfdw_buffer_inject(KafkaBuffer *buffer, const KafkaRecord *record)
{
	KafkaRecord *copy = add_record(buffer);

	*copy = *record;
	copy->message = NULL;
	buffer->bytes += record->value_len + record->key_len;
	buffer->count++;
}

static int
compare_records(const void *a, const void *b)
{
	const KafkaRecord *left = a;
	const KafkaRecord *right = b;

	if (left->partition != right->partition)
		return left->partition < right->partition ? -1 : 1;
	return left->offset < right->offset ? -1 : left->offset > right->offset;
}

/* Orders the records by partition and offset. */
void
kfdw_buffer_sort(KafkaBuffer *buffer)
{
	qsort(buffer->records, buffer->count, sizeof(KafkaRecord), compare_records);
}

/* The next record, NULL after the last one. */
KafkaRecord *
kfdw_buffer_next(KafkaBuffer *buffer)
{
	if (buffer->next == buffer->count)
		return NULL;
	return &buffer->records[buffer->next++];
}

/* Starts again with the first record. */
void
kfdw_buffer_rewind(KafkaBuffer *buffer)
{
	buffer->next = 0;
}

/* Gives all records back. */
void
kfdw_buffer_clear(KafkaBuffer *buffer)
{
	for (int i = 0; i < buffer->count; i++)
		if (buffer->records[i].message != NULL)
			rd_kafka_message_destroy(buffer->records[i].message);
	buffer->count = 0;
	buffer->next = 0;
	buffer->bytes = 0;
}

int
kfdw_buffer_count(const KafkaBuffer *buffer)
{
	return buffer->count;
}

int64
kfdw_buffer_bytes(const KafkaBuffer *buffer)
{
	return buffer->bytes;
}

/* True when it holds as many records or bytes as it may; one record always fits. */
bool
kfdw_buffer_full(const KafkaBuffer *buffer)
{
	return buffer->count >= buffer->max_records ||
		(buffer->count > 0 && buffer->bytes >= buffer->max_bytes);
}

/* The headers of a record, parsed at the first call; they live as long as the record. */
int
kfdw_record_headers(KafkaRecord *record, const KafkaHeader **headers)
{
	rd_kafka_headers_t *source = NULL;

	if (record->nheaders < 0)
	{
		record->nheaders = 0;
		if (rd_kafka_message_headers(record->message, &source) == RD_KAFKA_RESP_ERR_NO_ERROR)
		{
			int			count = (int) rd_kafka_header_cnt(source);

			record->headers = palloc(Max(count, 1) * sizeof(KafkaHeader));
			for (int i = 0; i < count; i++)
			{
				KafkaHeader *header = &record->headers[i];
				const void *value;

				if (rd_kafka_header_get_all(source, i, &header->key, &value, &header->value_len))
					break;
				header->value = value;
				record->nheaders++;
			}
		}
	}
	*headers = record->headers;
	return record->nheaders;
}
