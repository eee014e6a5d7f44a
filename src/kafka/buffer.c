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

#include "compat.h"
#include "kafka/buffer.h"
#include "kafka/librdkafka.h"

/*
 * So many records before it is looked at, a value is fetched into the processor's
 * cache: another thread received it.
 */
#define PREFETCH_RECORDS 8

/* Of one record in so many the headers are measured, and hold for those behind it: they have to be parsed for that. */
#define HEADERS_EVERY 8

struct KafkaBuffer
{
	int			max_records;
	int64		max_bytes;

	KafkaRecord *records;
	int			allocated;
	int			count;
	int64		bytes;			/* of keys and values */
	int64		header_bytes;	/* about */
	int64		measured;		/* of the record that was measured last */

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

/* How large the headers of a message are. */
static int64
measure_headers(const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	int64		bytes = 0;
	const char *name;
	const void *value;
	size_t		len;

	if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return 0;
	for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
		bytes += strlen(name) + len;
	return bytes;
}

/* Takes a message over; the library's message is freed when the buffer is cleared. */
void
kfdw_buffer_add_message(KafkaBuffer *buffer, const char *topic, int index, void *message)
{
	rd_kafka_message_t *source = message;
	KafkaRecord *record = add_record(buffer);
	rd_kafka_timestamp_type_t type;

	record->server = NULL;
	record->topic = topic;
	record->partition = source->partition;
	record->index = index;
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
	record->nheaders = 0;
	record->message = source;
	if (buffer->count % HEADERS_EVERY == 0)
		buffer->measured = measure_headers(source);
	buffer->bytes += source->len + source->key_len;
	buffer->header_bytes += buffer->measured;
	buffer->count++;
}

void
kfdw_buffer_add(KafkaBuffer *buffer, const KafkaRecord *record)
{
	*add_record(buffer) = *record;
	buffer->bytes += record->value_len + record->key_len;
	buffer->count++;
}

static int
compare_records(const void *a, const void *b)
{
	const KafkaRecord *left = a;
	const KafkaRecord *right = b;

	if (left->index != right->index)
		return left->index < right->index ? -1 : 1;
	return left->offset < right->offset ? -1 : left->offset > right->offset;
}

/* Orders the records by topic, partition and offset. */
void
kfdw_buffer_sort(KafkaBuffer *buffer)
{
	qsort(buffer->records, buffer->count, sizeof(KafkaRecord), compare_records);
}

KafkaRecord *
kfdw_buffer_get(KafkaBuffer *buffer, int index)
{
	if (index + PREFETCH_RECORDS < buffer->count)
		kfdw_prefetch(buffer->records[index + PREFETCH_RECORDS].value);
	return index < buffer->count ? &buffer->records[index] : NULL;
}

/* Gives all records back. */
void
kfdw_buffer_clear(KafkaBuffer *buffer)
{
	for (int i = 0; i < buffer->count; i++)
		if (buffer->records[i].message != NULL)
			rd_kafka_message_destroy(buffer->records[i].message);
	buffer->count = 0;
	buffer->bytes = buffer->header_bytes = 0;
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
		(buffer->count > 0 && buffer->bytes + buffer->header_bytes >= buffer->max_bytes);
}

/* Parses the headers of a message of the library. */
static int
parse_headers(rd_kafka_message_t *message, KafkaHeader **headers)
{
	rd_kafka_headers_t *source;
	int			count;

	*headers = NULL;
	if (rd_kafka_message_headers(message, &source) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return 0;
	count = (int) rd_kafka_header_cnt(source);
	*headers = palloc(Max(count, 1) * sizeof(KafkaHeader));
	for (int i = 0; i < count; i++)
	{
		KafkaHeader *header = &(*headers)[i];
		const void *value;

		if (rd_kafka_header_get_all(source, i, &header->key, &value, &header->value_len))
			return i;
		header->value = value;
	}
	return count;
}

/* The headers of a record: the array is the current memory context's, what it points to the record's. */
int
kfdw_record_headers(const KafkaRecord *record, const KafkaHeader **headers)
{
	KafkaHeader *parsed;
	int			count;

	if (record->message == NULL)
	{
		*headers = record->headers;
		return record->nheaders;
	}
	count = parse_headers(record->message, &parsed);
	*headers = parsed;
	return count;
}
