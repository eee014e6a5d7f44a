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
#include "utils/resowner.h"
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

/* The temporary file lives as long as the transaction, whatever savepoint it is begun in. */
static Tuplestorestate *
begin_store(void)
{
	ResourceOwner owner = CurrentResourceOwner;
	Tuplestorestate *store;

	CurrentResourceOwner = TopTransactionResourceOwner;
	store = tuplestore_begin_heap(false, false, work_mem);
	CurrentResourceOwner = owner;
	return store;
}

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
	records->store = begin_store();
	return records;
}

void
kfdw_stored_records_end(KafkaStoredRecords *records)
{
	if (records->store != NULL)
		tuplestore_end(records->store);
	records->store = NULL;
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

void
kfdw_stored_records_add(KafkaStoredRecords *records, const KafkaRecord *record, Datum *values, bool *nulls)
{
	MemoryContext old = MemoryContextSwitchTo(records->row_context);

	set_record(records, record, values + records->first, nulls + records->first);
	tuplestore_putvalues(records->store, records->desc, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(records->row_context);
}

uint64
kfdw_stored_records_write(KafkaStoredRecords *records, const char *name, KafkaStatement *statement,
						  Datum *values, const char *nulls)
{
	KafkaRows	rows = {name, records->relid, records->store};

	return kfdw_catalog_write_rows(statement, values, nulls, &rows);
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
