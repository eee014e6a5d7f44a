/*
 * metadata.c
 *	  The columns that stand outside key and value, one function for each kind and
 *	  direction.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "format/convert.h"
#include "format/metadata.h"

bool
kfdw_metadata_timestamp(const KafkaRecord *record, TimestampTz *timestamp)
{
	const int64 epoch = (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (SECS_PER_DAY * INT64CONST(1000));

	if (record->timestamp < MIN_TIMESTAMP / 1000 + epoch || record->timestamp - epoch >= END_TIMESTAMP / 1000)
		return false;
	*timestamp = (record->timestamp - epoch) * 1000;
	return true;
}

/* A record's timestamp, which it has. */
static TimestampTz
timestamp_from_kafka(const KafkaRecord *record)
{
	TimestampTz timestamp;

	if (!kfdw_metadata_timestamp(record, &timestamp))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("record timestamp out of range"),
				 errdetail("It is " INT64_FORMAT " milliseconds since 1970, which no timestamp holds; a bigint column does.",
						   record->timestamp)));
	return timestamp;
}

int64
kfdw_metadata_milliseconds(TimestampTz timestamp)
{
	const TimestampTz epoch = SetEpochTimestamp();

	if (TIMESTAMP_NOT_FINITE(timestamp) || timestamp < epoch)
		return -1;

	/* the last timestamps are too late for a difference in microseconds */
	return timestamp / 1000 - epoch / 1000 - (timestamp % 1000 < 0);
}

int64
kfdw_metadata_now(void)
{
	return kfdw_metadata_milliseconds(GetCurrentTimestamp());
}

/* The timestamp column: NULL for a record without one. */
static bool
decode_timestamp(const KafkaColumn *column, const KafkaRecord *record, Datum *value)
{
	if (record->timestamp_type == KAFKA_TIMESTAMP_NONE || record->timestamp == KAFKA_NO_TIMESTAMP)
		return false;
	if (column->base_type == INT8OID)
	{
		*value = Int64GetDatum(record->timestamp);
		return true;
	}
	*value = TimestampTzGetDatum(timestamp_from_kafka(record));
	if (column->base_typmod >= 0)
		*value = DirectFunctionCall2(timestamptz_scale, *value, Int32GetDatum(column->base_typmod));
	return true;
}

/* A header's key with a ? for each byte that is no ASCII. */
static const char *
ascii_key(const char *key)
{
	char	   *ascii = pstrdup(key);

	for (char *p = ascii; *p != '\0'; p++)
		if (IS_HIGHBIT_SET(*p))
			*p = '?';
	return ascii;
}

/* One element of the headers column. */
static Datum
decode_header(TupleDesc header, const KafkaHeader *from, bool ascii)
{
	Datum		values[2];
	bool		nulls[2] = {false, from->value == NULL};
	size_t		len = strlen(from->key);
	const char *key = ascii ? ascii_key(from->key) : kfdw_text_from_utf8(from->key, &len);

	values[0] = PointerGetDatum(cstring_to_text_with_len(key, (int) len));
	values[1] = (Datum) 0;
	if (from->value != NULL)
		values[1] = PointerGetDatum(cstring_to_text_with_len(from->value, (int) from->value_len));
	return HeapTupleGetDatum(heap_form_tuple(header, values, nulls));
}

bool
kfdw_metadata_headers(TupleDesc header, const KafkaRecord *record, bool ascii, Datum *value)
{
	const KafkaHeader *headers;
	int			nheaders = kfdw_record_headers(record, &headers);
	Datum	   *elements;

	if (nheaders <= 0)
		return false;
	elements = palloc(sizeof(Datum) * nheaders);
	for (int i = 0; i < nheaders; i++)
		elements[i] = decode_header(header, &headers[i], ascii);
	*value = PointerGetDatum(construct_array(elements, nheaders, header->tdtypeid,
											 -1, false, TYPALIGN_DOUBLE));
	return true;
}

/* A text column from a constant of ours, false for NULL. */
static bool
decode_name(KafkaColumn *column, const char *name, Datum *value)
{
	if (name == NULL)
		return false;
	*value = kfdw_column_from_text(column, name, strlen(name));
	return true;
}

static const char *const timestamp_types[] = {
	[KAFKA_TIMESTAMP_NONE] = NULL,
	[KAFKA_TIMESTAMP_CREATE_TIME] = "CreateTime",
	[KAFKA_TIMESTAMP_LOG_APPEND_TIME] = "LogAppendTime",
};

const char *
kfdw_metadata_timestamp_type(KafkaTimestampType type)
{
	return timestamp_types[type];
}

KafkaTimestampType
kfdw_metadata_find_timestamp_type(const char *name)
{
	for (int type = KAFKA_TIMESTAMP_CREATE_TIME; type < lengthof(timestamp_types); type++)
		if (strcmp(timestamp_types[type], name) == 0)
			return type;
	return KAFKA_TIMESTAMP_NONE;
}

/* The value of a column, false for NULL. */
static bool
decode_kind(KafkaColumn *column, TupleDesc header, KafkaRecord *record, Datum *value)
{
	switch (column->kind)
	{
		case KAFKA_COLUMN_TOPIC:
			return decode_name(column, record->topic, value);
		case KAFKA_COLUMN_PARTITION:
			*value = column->base_type == INT4OID ?
				Int32GetDatum(record->partition) : Int64GetDatum(record->partition);
			return true;
		case KAFKA_COLUMN_OFFSET:
			*value = Int64GetDatum(record->offset);
			return record->offset >= 0;
		case KAFKA_COLUMN_TIMESTAMP:
			return decode_timestamp(column, record, value);
		case KAFKA_COLUMN_TIMESTAMP_TYPE:
			return decode_name(column, kfdw_metadata_timestamp_type(record->timestamp_type), value);
		case KAFKA_COLUMN_VALUE:
			if (record->value != NULL)
				*value = kfdw_column_from_bytes(column, record->value, record->value_len);
			return record->value != NULL;
		case KAFKA_COLUMN_HEADERS:
			return kfdw_metadata_headers(header, record, false, value);
		case KAFKA_COLUMN_TOMBSTONE:
			*value = BoolGetDatum(record->value == NULL);
			return true;
		case KAFKA_COLUMN_KEY:
		case KAFKA_COLUMN_ERROR:	/* a record that is decoded has none */
		case KAFKA_COLUMN_PAYLOAD:
			break;
	}
	return false;
}

/* A domain over a metadata type holds for what Kafka says too. */
bool
kfdw_metadata_decode(KafkaColumn *column, TupleDesc header, KafkaRecord *record, Datum *value)
{
	if (!decode_kind(column, header, record, value))
		return false;
	if (column->type != column->base_type)
		domain_check(*value, false, column->type, NULL, CurrentMemoryContext);
	return true;
}

/* Fails for a column that only the broker sets. */
static void
refuse_write(const KafkaColumn *column)
{
	if (column->kind == KAFKA_COLUMN_TOPIC)
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("cannot write column \"%s\"", column->name),
				 errdetail("The table's option \"topic\" says where its records go.")));
	if (column->kind == KAFKA_COLUMN_TIMESTAMP_TYPE)
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("cannot write column \"%s\"", column->name),
				 errdetail("The topic's configuration decides which timestamp is kept.")));
	if (column->kind == KAFKA_COLUMN_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("cannot write column \"%s\"", column->name),
				 errdetail("It says why a record could not be decoded.")));
	ereport(ERROR,
			(errcode(ERRCODE_GENERATED_ALWAYS),
			 errmsg("cannot write column \"%s\"", column->name),
			 errdetail("The broker assigns offsets.")));
}

/* The partition that a row asks for. */
static int32
encode_partition(const KafkaColumn *column, Datum value)
{
	int64		partition = column->base_type == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);

	if (partition < 0 || partition > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("partition out of range: " INT64_FORMAT, partition)));
	return (int32) partition;
}

/* The timestamp that a row asks for, in milliseconds since 1970. */
static int64
encode_timestamp(const KafkaColumn *column, Datum value)
{
	int64		milliseconds;

	if (column->base_type == INT8OID)
		milliseconds = DatumGetInt64(value);
	else
		milliseconds = kfdw_metadata_milliseconds(DatumGetTimestampTz(value));

	/* for the client library 0 is none */
	if (milliseconds < 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("record timestamp out of range"),
				 errdetail("Kafka takes times after 1970-01-01 00:00:00 UTC that are finite.")));
	return milliseconds;
}

/* One element of the headers column. */
static void
encode_header(TupleDesc desc, Datum element, KafkaHeader *header)
{
	HeapTupleHeader tuple = DatumGetHeapTupleHeader(element);
	HeapTupleData heap = {0};
	Datum		values[2];
	bool		nulls[2];
	size_t		len;

	heap.t_len = HeapTupleHeaderGetDatumLength(tuple);
	heap.t_data = tuple;
	heap_deform_tuple(&heap, desc, values, nulls);
	if (nulls[0])
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the key of a header cannot be null")));

	header->key = TextDatumGetCString(values[0]);
	len = strlen(header->key);
	header->key = kfdw_text_to_utf8(header->key, &len);
	if (!nulls[1])
	{
		bytea	   *bytes = DatumGetByteaPP(values[1]);

		header->value = VARDATA_ANY(bytes);
		header->value_len = VARSIZE_ANY_EXHDR(bytes);
	}
}

void
kfdw_metadata_encode_headers(TupleDesc header, Datum value, KafkaRecord *record)
{
	Datum	   *elements;
	bool	   *nulls;

	if (ARR_NDIM(DatumGetArrayTypeP(value)) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("the headers of a record must be a one-dimensional array")));
	deconstruct_array(DatumGetArrayTypeP(value), header->tdtypeid, -1, false, TYPALIGN_DOUBLE,
					  &elements, &nulls, &record->nheaders);
	record->headers = palloc0(sizeof(KafkaHeader) * Max(record->nheaders, 1));
	for (int i = 0; i < record->nheaders; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a header cannot be null")));
		encode_header(header, elements[i], &record->headers[i]);
	}
}

/* Puts a value that is not NULL into the record. */
void
kfdw_metadata_encode(KafkaColumn *column, TupleDesc header, Datum value, KafkaRecord *record)
{
	switch (column->kind)
	{
		case KAFKA_COLUMN_PARTITION:
			record->partition = encode_partition(column, value);
			break;
		case KAFKA_COLUMN_TIMESTAMP:
			record->timestamp = encode_timestamp(column, value);
			record->timestamp_type = KAFKA_TIMESTAMP_CREATE_TIME;
			break;
		case KAFKA_COLUMN_VALUE:
			record->value = kfdw_column_to_bytes(column, value, &record->value_len);
			break;
		case KAFKA_COLUMN_HEADERS:
			kfdw_metadata_encode_headers(header, value, record);
			break;
		case KAFKA_COLUMN_TOPIC:
		case KAFKA_COLUMN_OFFSET:
		case KAFKA_COLUMN_TIMESTAMP_TYPE:
		case KAFKA_COLUMN_ERROR:
			refuse_write(column);
			break;
		case KAFKA_COLUMN_TOMBSTONE:
		case KAFKA_COLUMN_KEY:
		case KAFKA_COLUMN_PAYLOAD:
			break;
	}
}
