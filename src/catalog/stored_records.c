/*
 * stored_records.c
 *	  Records as rows of our tables, and back.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#include "catalog/stored_records.h"
#include "format/guard.h"
#include "format/metadata.h"

/* The columns of a record, from the first of them. */
enum
{
	RECORD_TOPIC,
	RECORD_PARTITION,
	RECORD_OFFSET,
	RECORD_TIMESTAMP,
	RECORD_TIMESTAMP_TYPE,
	RECORD_KEY,
	RECORD_VALUE,
	RECORD_HEADERS
};

TupleDesc
kfdw_stored_records_header(TupleDesc desc, int first)
{
	Oid			headers = TupleDescAttr(desc, first + RECORD_HEADERS)->atttypid;

	return lookup_rowtype_tupdesc_copy(get_element_type(headers), -1);
}

KafkaStoredRecords *
kfdw_stored_records_begin(const char *name, int first, int ncolumns)
{
	KafkaStoredRecords *records = palloc0(sizeof(KafkaStoredRecords));
	Relation	table;

	records->relid = kfdw_catalog_table(name);
	records->first = first;
	table = table_open(records->relid, AccessShareLock);
	records->desc = CreateTupleDescCopy(RelationGetDescr(table));
	table_close(table, NoLock);
	if (records->desc->natts != ncolumns)
		elog(ERROR, "table \"kafka.%s\" has %d columns", name, records->desc->natts);
	records->header = kfdw_stored_records_header(records->desc, first);
	records->row_context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw stored record", ALLOCSET_SMALL_SIZES);
	kfdw_byte_log_begin(&records->rows);
	return records;
}

void
kfdw_stored_records_end(KafkaStoredRecords *records)
{
	kfdw_byte_log_end(&records->rows);
}

int64
kfdw_stored_records_position(const KafkaStoredRecords *records)
{
	return records == NULL ? 0 : kfdw_byte_log_position(&records->rows);
}

void
kfdw_stored_records_cut(KafkaStoredRecords *records, int64 position)
{
	kfdw_byte_log_cut(&records->rows, position);
}

/* The headers of a record as a value. */
typedef struct StoredHeaders
{
	TupleDesc	header;
	const KafkaRecord *record;
	Datum		value;
	bool		any;
} StoredHeaders;

static void
convert_headers(void *arg)
{
	StoredHeaders *headers = arg;

	headers->any = kfdw_metadata_headers(headers->header, headers->record, false, &headers->value);
}

/* A key that is no text of this database does not keep the record from being set aside. */
static bool
get_headers(const KafkaStoredRecords *records, const KafkaRecord *record, Datum *value)
{
	StoredHeaders headers = {records->header, record};

	if (kfdw_guard_call(KAFKA_GUARD_PLAIN, convert_headers, &headers) != NULL)
		return kfdw_metadata_headers(records->header, record, true, value);
	*value = headers.value;
	return headers.any;
}

/* Bytes that may be NULL. */
static void
set_bytes(Datum *value, bool *isnull, const char *bytes, size_t len)
{
	*isnull = bytes == NULL;
	if (bytes != NULL)
		*value = PointerGetDatum(cstring_to_text_with_len(bytes, (int) len));
}

/* When it was, and whose clock says so. */
static void
set_time(const KafkaRecord *record, Datum *values, bool *nulls)
{
	const char *type = kfdw_metadata_timestamp_type(record->timestamp_type);
	TimestampTz timestamp = 0;

	nulls[RECORD_TIMESTAMP] = type == NULL || record->timestamp == KAFKA_NO_TIMESTAMP ||
		!kfdw_metadata_timestamp(record, &timestamp);
	values[RECORD_TIMESTAMP] = TimestampTzGetDatum(timestamp);
	nulls[RECORD_TIMESTAMP_TYPE] = type == NULL;
	if (type != NULL)
		values[RECORD_TIMESTAMP_TYPE] = CStringGetTextDatum(type);
}

/* The columns that say what the record is. */
static void
set_record(const KafkaStoredRecords *records, const KafkaRecord *record, Datum *values, bool *nulls)
{
	values[RECORD_TOPIC] = CStringGetTextDatum(record->topic);
	values[RECORD_PARTITION] = Int32GetDatum(record->partition);
	values[RECORD_OFFSET] = Int64GetDatum(record->offset);
	set_time(record, values, nulls);
	set_bytes(&values[RECORD_KEY], &nulls[RECORD_KEY], record->key, record->key_len);
	set_bytes(&values[RECORD_VALUE], &nulls[RECORD_VALUE], record->value, record->value_len);
	nulls[RECORD_HEADERS] = !get_headers(records, record, &values[RECORD_HEADERS]);
}

/* Appends a row, all of it or nothing. */
static void
append_row(KafkaByteLog *rows, HeapTuple row)
{
	kfdw_byte_log_make_room(rows, row->t_len);
	enlargeStringInfo(&rows->memory, sizeof(row->t_len) + row->t_len);
	appendBinaryStringInfo(&rows->memory, (char *) &row->t_len, sizeof(row->t_len));
	appendBinaryStringInfo(&rows->memory, (char *) row->t_data, row->t_len);
}

void
kfdw_stored_records_add(KafkaStoredRecords *records, const KafkaRecord *record, Datum *values, bool *nulls)
{
	MemoryContext old = MemoryContextSwitchTo(records->row_context);

	set_record(records, record, values + records->first, nulls + records->first);
	append_row(&records->rows, heap_form_tuple(records->desc, values, nulls));
	MemoryContextSwitchTo(old);
	MemoryContextReset(records->row_context);
}

/* Reads the next row, in the current memory context. */
static HeapTuple
read_row(KafkaByteReader *reader)
{
	HeapTuple	row = palloc0(sizeof(HeapTupleData));

	memcpy(&row->t_len, kfdw_byte_log_next(reader, sizeof(row->t_len)), sizeof(row->t_len));
	row->t_data = palloc(row->t_len);
	memcpy(row->t_data, kfdw_byte_log_next(reader, row->t_len), row->t_len);
	return row;
}

/*
 * The rows as a statement reads them.  Not before: a tuplestore that an error has met in the
 * middle is good for nothing, and closing it may fail again.
 */
static Tuplestorestate *
make_store(const KafkaStoredRecords *records)
{
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	KafkaByteReader reader;

	kfdw_byte_log_read(&reader, &records->rows);
	while (kfdw_byte_log_has_more(&reader))
	{
		MemoryContext old = MemoryContextSwitchTo(records->row_context);

		tuplestore_puttuple(store, read_row(&reader));
		MemoryContextSwitchTo(old);
		MemoryContextReset(records->row_context);
	}
	kfdw_byte_log_end_read(&reader);
	return store;
}

uint64
kfdw_stored_records_write(KafkaStoredRecords *records, const char *name, KafkaStatement *statement,
						  Datum *values, const char *nulls)
{
	KafkaRows	rows = {name, records->relid, make_store(records)};
	uint64		written = kfdw_catalog_write_rows(statement, values, nulls, &rows);

	tuplestore_end(rows.store);
	return written;
}

/* Bytes of a row, in the current memory context; NULL for NULL. */
static const char *
get_bytes(Datum value, bool isnull, size_t *len)
{
	bytea	   *bytes;

	*len = 0;
	if (isnull)
		return NULL;
	bytes = DatumGetByteaPCopy(value);
	*len = VARSIZE_ANY_EXHDR(bytes);
	return VARDATA_ANY(bytes);
}

KafkaRecord *
kfdw_stored_records_read(HeapTuple row, TupleDesc desc, int first, TupleDesc header)
{
	KafkaRecord *record = palloc0(sizeof(KafkaRecord));
	Datum		values[KAFKA_STORED_COLUMNS];
	bool		nulls[KAFKA_STORED_COLUMNS];

	for (int i = 0; i < KAFKA_STORED_COLUMNS; i++)
		values[i] = heap_getattr(row, first + i + 1, desc, &nulls[i]);
	record->topic = TextDatumGetCString(values[RECORD_TOPIC]);
	record->partition = DatumGetInt32(values[RECORD_PARTITION]);
	record->offset = DatumGetInt64(values[RECORD_OFFSET]);
	record->timestamp = KAFKA_NO_TIMESTAMP;
	if (!nulls[RECORD_TIMESTAMP])
		record->timestamp = kfdw_metadata_milliseconds(DatumGetTimestampTz(values[RECORD_TIMESTAMP]));
	if (!nulls[RECORD_TIMESTAMP_TYPE])
		record->timestamp_type = kfdw_metadata_find_timestamp_type(TextDatumGetCString(values[RECORD_TIMESTAMP_TYPE]));
	record->key = get_bytes(values[RECORD_KEY], nulls[RECORD_KEY], &record->key_len);
	record->value = get_bytes(values[RECORD_VALUE], nulls[RECORD_VALUE], &record->value_len);
	if (!nulls[RECORD_HEADERS])
		kfdw_metadata_encode_headers(header, PointerGetDatum(DatumGetArrayTypePCopy(values[RECORD_HEADERS])), record);
	return record;
}
