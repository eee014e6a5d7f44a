/*
 * record_bytes.c
 *	  Records as bytes, to be read again on this machine.
 */
#include "postgres.h"

#include "delivery/record_bytes.h"

/* The fixed part of a record; key, value and headers follow it. */
typedef struct RecordHead
{
	int64		timestamp;
	int64		key_len;		/* -1: NULL */
	int64		value_len;		/* -1: NULL */
	int32		partition;
	int32		nheaders;
} RecordHead;

/* Appends a header: the length of its key and value, then both. */
static void
append_header(StringInfo out, const KafkaHeader *header)
{
	int64		lengths[2];

	lengths[0] = strlen(header->key) + 1;
	lengths[1] = header->value ? (int64) header->value_len : -1;
	appendBinaryStringInfo(out, (char *) lengths, sizeof(lengths));
	appendBinaryStringInfo(out, header->key, (int) lengths[0]);
	if (header->value)
		appendBinaryStringInfo(out, header->value, (int) header->value_len);
}

void
kfdw_bytes_append(StringInfo out, const KafkaRecord *record)
{
	RecordHead	head = {
		.timestamp = record->timestamp,
		.key_len = record->key ? (int64) record->key_len : -1,
		.value_len = record->value ? (int64) record->value_len : -1,
		.partition = record->partition,
		.nheaders = record->nheaders
	};

	appendBinaryStringInfo(out, (char *) &head, sizeof(head));
	if (record->key)
		appendBinaryStringInfo(out, record->key, (int) record->key_len);
	if (record->value)
		appendBinaryStringInfo(out, record->value, (int) record->value_len);
	for (int i = 0; i < record->nheaders; i++)
		append_header(out, &record->headers[i]);
}

/* Sets the headers of a record from their bytes; returns where these end. */
static const char *
read_headers(KafkaRecord *record, const char *data)
{
	record->headers = palloc(record->nheaders * sizeof(KafkaHeader));
	for (int i = 0; i < record->nheaders; i++)
	{
		KafkaHeader *header = &record->headers[i];
		int64		lengths[2];

		memcpy(lengths, data, sizeof(lengths));
		data += sizeof(lengths);
		header->key = data;
		data += lengths[0];
		header->value = lengths[1] >= 0 ? data : NULL;
		header->value_len = Max(lengths[1], 0);
		data += header->value_len;
	}
	return data;
}

const char *
kfdw_bytes_read(const char *data, KafkaRecord *record)
{
	RecordHead	head;

	memset(record, 0, sizeof(KafkaRecord));
	memcpy(&head, data, sizeof(head));
	data += sizeof(head);
	record->partition = head.partition;
	record->timestamp = head.timestamp;
	record->nheaders = head.nheaders;
	record->offset = KAFKA_NO_OFFSET;
	record->key = head.key_len >= 0 ? data : NULL;
	record->key_len = Max(head.key_len, 0);
	data += record->key_len;
	record->value = head.value_len >= 0 ? data : NULL;
	record->value_len = Max(head.value_len, 0);
	data += record->value_len;
	return record->nheaders > 0 ? read_headers(record, data) : data;
}
