/*
 * dead_letters.c
 *	  The rows of kafka.dead_letters: records that could not be worked on.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
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

#include "catalog/dead_letters.h"
#include "catalog/spi.h"
#include "format/guard.h"
#include "format/metadata.h"

/* The columns of the table. */
enum
{
	LETTER_STREAM,
	LETTER_SERVER,
	LETTER_GROUP_ID,
	LETTER_TOPIC,
	LETTER_PARTITION,
	LETTER_OFFSET,
	LETTER_TIMESTAMP,
	LETTER_KEY,
	LETTER_VALUE,
	LETTER_HEADERS,
	LETTER_STAGE,
	LETTER_SQLSTATE,
	LETTER_ERROR,
	LETTER_FAILED_AT,
	LETTER_COLUMNS
};

struct KafkaDeadLetters
{
	Oid			relid;			/* the table */
	TupleDesc	desc;
	TupleDesc	header;			/* of an element of its headers */
	Tuplestorestate *store;		/* rows of the table, but for the reader */
	MemoryContext context;		/* reset for each row */
};

static KafkaStatement insert_statement = {
	"INSERT INTO kafka.dead_letters (stream, server, group_id, _topic, _partition, _offset, _timestamp, "
	"key, value, headers, stage, sqlstate, error, failed_at) "
	"SELECT $1, $2, $3, l._topic, l._partition, l._offset, l._timestamp, "
	"l.key, l.value, l.headers, l.stage, l.sqlstate, l.error, l.failed_at FROM letters l "
	"WHERE $5 IS NULL OR (l._topic OPERATOR(pg_catalog.=) $5 "
	"AND l._offset OPERATOR(pg_catalog.<) ($4)[l._partition OPERATOR(pg_catalog.+) 1])",
	5, {TEXTOID, TEXTOID, TEXTOID, INT8ARRAYOID, TEXTOID}
};

/* So many at a time, by number and by bytes. */
#define TAKE(condition) \
	"WITH l AS (DELETE FROM kafka.dead_letters l WHERE l.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(" \
	"SELECT o.ctid FROM (SELECT l.ctid, pg_catalog.row_number() OVER w AS number, " \
	"pg_catalog.sum(pg_catalog.octet_length(l.value)) OVER w AS bytes FROM kafka.dead_letters l " \
	"WHERE l.failed_at OPERATOR(pg_catalog.<) $1 AND " condition " " \
	"WINDOW w AS (ORDER BY l._topic, l._partition, l._offset, l.failed_at) " \
	"ORDER BY l._topic, l._partition, l._offset, l.failed_at LIMIT 10000) o " \
	"WHERE o.number OPERATOR(pg_catalog.=) 1 OR o.bytes OPERATOR(pg_catalog.<=) 33554432)) RETURNING l.*) " \
	"SELECT l.* FROM l ORDER BY l._topic, l._partition, l._offset, l.failed_at"

static KafkaStatement take_statement = {
	TAKE("l.group_id OPERATOR(pg_catalog.=) $2 AND l.stream OPERATOR(pg_catalog.=) $2"),
	2, {TIMESTAMPTZOID, TEXTOID}
};

static KafkaStatement take_unpublished_statement = {
	TAKE("l.stream IS NULL AND l.stage OPERATOR(pg_catalog.=) '" KAFKA_STAGE_PUBLISH "' AND l.server OPERATOR(pg_catalog.=) $2 "
		 "AND l.group_id OPERATOR(pg_catalog.~~) ('%-relay-' OPERATOR(pg_catalog.||) $3::pg_catalog.text)"),
	3, {TIMESTAMPTZOID, TEXTOID, INT4OID}
};

static KafkaStatement delete_stream_statement = {
	"DELETE FROM kafka.dead_letters l WHERE l.group_id OPERATOR(pg_catalog.=) $1 AND l.stream OPERATOR(pg_catalog.=) $1",
	1, {TEXTOID}
};

static KafkaStatement delete_server_statement = {
	"DELETE FROM kafka.dead_letters l WHERE l.server OPERATOR(pg_catalog.=) $1",
	1, {TEXTOID}
};

static KafkaStatement rename_server_statement = {
	"UPDATE kafka.dead_letters l SET server = $1 WHERE l.server OPERATOR(pg_catalog.=) $2",
	2, {TEXTOID, TEXTOID}
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

KafkaDeadLetters *
kfdw_dead_letters_begin(void)
{
	KafkaDeadLetters *letters = palloc0(sizeof(KafkaDeadLetters));
	Relation	table;
	Oid			headers;

	letters->relid = kfdw_catalog_table("dead_letters");
	table = table_open(letters->relid, AccessShareLock);
	letters->desc = CreateTupleDescCopy(RelationGetDescr(table));
	table_close(table, NoLock);
	if (letters->desc->natts != LETTER_COLUMNS)
		elog(ERROR, "table \"kafka.dead_letters\" has %d columns", letters->desc->natts);
	headers = TupleDescAttr(letters->desc, LETTER_HEADERS)->atttypid;
	letters->header = lookup_rowtype_tupdesc_copy(get_element_type(headers), -1);
	letters->context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw dead letter", ALLOCSET_SMALL_SIZES);
	letters->store = begin_store();
	return letters;
}

void
kfdw_dead_letters_end(KafkaDeadLetters *letters)
{
	if (letters->store != NULL)
		tuplestore_end(letters->store);
	letters->store = NULL;
}

/* The headers of a record as a value. */
typedef struct LetterHeaders
{
	TupleDesc	header;
	const KafkaRecord *record;
	Datum		value;
	bool		any;
} LetterHeaders;

static void
convert_headers(void *arg)
{
	LetterHeaders *headers = arg;

	headers->any = kfdw_metadata_headers(headers->header, headers->record, false, &headers->value);
}

/* A key that is no text of this database does not keep the record from being set aside. */
static bool
get_headers(const KafkaDeadLetters *letters, const KafkaRecord *record, Datum *value)
{
	LetterHeaders headers = {letters->header, record};

	if (kfdw_guard_call(KAFKA_GUARD_PLAIN, convert_headers, &headers) != NULL)
		return kfdw_metadata_headers(letters->header, record, true, value);
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

/* The columns that say what the record is. */
static void
set_record(const KafkaDeadLetters *letters, const KafkaRecord *record, Datum *values, bool *nulls)
{
	TimestampTz timestamp = 0;

	values[LETTER_TOPIC] = CStringGetTextDatum(record->topic);
	values[LETTER_PARTITION] = Int32GetDatum(record->partition);
	values[LETTER_OFFSET] = Int64GetDatum(record->offset);
	nulls[LETTER_TIMESTAMP] = record->timestamp_type == KAFKA_TIMESTAMP_NONE ||
		record->timestamp == KAFKA_NO_TIMESTAMP || !kfdw_metadata_timestamp(record, &timestamp);
	values[LETTER_TIMESTAMP] = TimestampTzGetDatum(timestamp);
	set_bytes(&values[LETTER_KEY], &nulls[LETTER_KEY], record->key, record->key_len);
	set_bytes(&values[LETTER_VALUE], &nulls[LETTER_VALUE], record->value, record->value_len);
	nulls[LETTER_HEADERS] = !get_headers(letters, record, &values[LETTER_HEADERS]);
}

void
kfdw_dead_letters_add(KafkaDeadLetters *letters, const KafkaRecord *record, const char *stage,
					  const ErrorData *error)
{
	MemoryContext old = MemoryContextSwitchTo(letters->context);
	Datum		values[LETTER_COLUMNS] = {0};
	bool		nulls[LETTER_COLUMNS] = {0};

	nulls[LETTER_STREAM] = nulls[LETTER_SERVER] = nulls[LETTER_GROUP_ID] = true;
	set_record(letters, record, values, nulls);
	values[LETTER_STAGE] = CStringGetTextDatum(stage);
	values[LETTER_SQLSTATE] = CStringGetTextDatum(unpack_sql_state(error->sqlerrcode));
	values[LETTER_ERROR] = CStringGetTextDatum(kfdw_guard_describe(error));
	values[LETTER_FAILED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	tuplestore_putvalues(letters->store, letters->desc, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(letters->context);
}

/* An array of offsets by partition. */
static Datum
make_array(const int64 *offsets, int count)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = Int64GetDatum(offsets[i]);
	return PointerGetDatum(construct_array(elements, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

void
kfdw_dead_letters_write(KafkaDeadLetters *letters, const KafkaReader *reader, const char *topic,
						const int64 *below, int npartitions)
{
	KafkaRows	rows = {"letters", letters->relid, letters->store};
	char		nulls[] = "     ";
	Datum		values[5];
	KafkaCatalogScope scope;

	kfdw_catalog_begin(&scope);
	nulls[0] = reader->stream == NULL ? 'n' : ' ';
	values[0] = reader->stream == NULL ? (Datum) 0 : CStringGetTextDatum(reader->stream);
	values[1] = CStringGetTextDatum(reader->server);
	values[2] = CStringGetTextDatum(reader->group_id);
	nulls[3] = nulls[4] = topic == NULL ? 'n' : ' ';
	values[3] = topic == NULL ? (Datum) 0 : make_array(below, npartitions);
	values[4] = topic == NULL ? (Datum) 0 : CStringGetTextDatum(topic);
	(void) kfdw_catalog_write_rows(&insert_statement, values, nulls, &rows);
	kfdw_catalog_end(&scope);
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

/* A row as the record that it was, in the current memory context. */
static KafkaRecord *
make_record(HeapTuple row, TupleDesc desc, TupleDesc header)
{
	KafkaRecord *record = palloc0(sizeof(KafkaRecord));
	Datum		values[LETTER_COLUMNS];
	bool		nulls[LETTER_COLUMNS];

	heap_deform_tuple(row, desc, values, nulls);
	record->topic = TextDatumGetCString(values[LETTER_TOPIC]);
	record->partition = DatumGetInt32(values[LETTER_PARTITION]);
	record->offset = DatumGetInt64(values[LETTER_OFFSET]);
	record->timestamp = KAFKA_NO_TIMESTAMP;
	if (!nulls[LETTER_TIMESTAMP])
	{
		record->timestamp = kfdw_metadata_milliseconds(DatumGetTimestampTz(values[LETTER_TIMESTAMP]));
		record->timestamp_type = KAFKA_TIMESTAMP_CREATE_TIME;
	}
	record->key = get_bytes(values[LETTER_KEY], nulls[LETTER_KEY], &record->key_len);
	record->value = get_bytes(values[LETTER_VALUE], nulls[LETTER_VALUE], &record->value_len);
	if (!nulls[LETTER_HEADERS])
		kfdw_metadata_encode_headers(header, PointerGetDatum(DatumGetArrayTypePCopy(values[LETTER_HEADERS])), record);
	return record;
}

/* Deletes what a statement chooses, and returns it as records in the current memory context. */
static List *
take(KafkaStatement *statement, Datum *values)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *records = NIL;
	KafkaCatalogScope scope;

	kfdw_catalog_begin(&scope);
	(void) kfdw_catalog_write(statement, values, NULL);
	if (SPI_processed > 0)
	{
		TupleDesc	desc = SPI_tuptable->tupdesc;
		TupleDesc	header = lookup_rowtype_tupdesc_copy(get_element_type(TupleDescAttr(desc, LETTER_HEADERS)->atttypid), -1);
		MemoryContext old = MemoryContextSwitchTo(context);

		for (uint64 i = 0; i < SPI_processed; i++)
			records = lappend(records, make_record(SPI_tuptable->vals[i], desc, header));
		MemoryContextSwitchTo(old);
	}
	kfdw_catalog_end(&scope);
	return records;
}

List *
kfdw_dead_letters_take(const char *stream, TimestampTz before)
{
	Datum		values[] = {TimestampTzGetDatum(before), CStringGetTextDatum(stream)};

	return take(&take_statement, values);
}

List *
kfdw_dead_letters_take_unpublished(const char *server, int relay, TimestampTz before)
{
	Datum		values[] = {TimestampTzGetDatum(before), CStringGetTextDatum(server), Int32GetDatum(relay)};

	return take(&take_unpublished_statement, values);
}

void
kfdw_dead_letters_delete_stream(const char *stream)
{
	Datum		values[] = {CStringGetTextDatum(stream)};

	(void) kfdw_catalog_change(&delete_stream_statement, values);
}

/* Rows of the new name are of a server that was dropped: the name was free. */
void
kfdw_dead_letters_rename_server(const char *old_name, const char *new_name)
{
	Datum		values[] = {CStringGetTextDatum(new_name), CStringGetTextDatum(old_name)};

	(void) kfdw_catalog_change(&delete_server_statement, values);
	(void) kfdw_catalog_change(&rename_server_statement, values);
}
