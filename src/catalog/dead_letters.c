/*
 * dead_letters.c
 *	  The rows of kafka.dead_letters: records that could not be worked on.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "catalog/dead_letters.h"
#include "format/guard.h"

/* The columns of the table. */
enum
{
	LETTER_STREAM,
	LETTER_SERVER,
	LETTER_GROUP_ID,
	LETTER_RECORD,
	LETTER_STAGE = LETTER_RECORD + KAFKA_STORED_COLUMNS,
	LETTER_SQLSTATE,
	LETTER_ERROR,
	LETTER_FAILED_AT,
	LETTER_INSERTED_BY,
	LETTER_COLUMNS
};

static KafkaStatement insert_statement = {
	"INSERT INTO kafka.stored_dead_letters (stream, server, group_id, " KAFKA_STORED_NAMES("") ", stage, sqlstate, error, failed_at, inserted_by) "
	"SELECT $1, COALESCE(l.server, $2), $3, " KAFKA_STORED_NAMES("l.") ", l.stage, l.sqlstate, l.error, l.failed_at, $4 FROM letters l",
	4, {TEXTOID, TEXTOID, TEXTOID, OIDOID}
};

/* So many at a time, by number and by bytes; those that are alike in the order all at once. */
#define TAKE(columns, condition) \
	"WITH l AS (DELETE FROM kafka.stored_dead_letters l WHERE l.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(" \
	"SELECT o.ctid FROM (SELECT l.ctid, pg_catalog.rank() OVER w AS number, " \
	"pg_catalog.sum(" KAFKA_STORED_BYTES("l") ") OVER w AS bytes FROM kafka.stored_dead_letters l " \
	"WHERE " condition " WINDOW w AS (ORDER BY " columns ") " \
	"ORDER BY " columns " FETCH FIRST 10000 ROWS WITH TIES) o " \
	"WHERE o.number OPERATOR(pg_catalog.=) 1 OR o.bytes OPERATOR(pg_catalog.<=) 33554432)) RETURNING l.*) " \
	"SELECT l.* FROM l ORDER BY " columns

/* What fails again is written where it stood, so it is not behind. */
static KafkaStatement take_statement = {
	TAKE("l._topic, l._partition, l._offset",
		 "l.group_id OPERATOR(pg_catalog.=) $1 AND l.stream OPERATOR(pg_catalog.=) $1 "
		 "AND ROW(l._topic, l._partition, l._offset) OPERATOR(pg_catalog.>) ROW($2, $3, $4)"),
	4, {TEXTOID, TEXTOID, INT4OID, INT8OID}
};

static KafkaStatement take_unpublished_statement = {
	TAKE("l._topic, l._partition, l._offset, l.failed_at",
		 "l.server OPERATOR(pg_catalog.=) $1 AND l.inserted_by::pg_catalog.oid OPERATOR(pg_catalog.=) $2"),
	2, {TEXTOID, OIDOID}
};

static KafkaStatement has_unpublished_statement = {
	"SELECT FROM kafka.stored_dead_letters l WHERE l.server OPERATOR(pg_catalog.=) $1 "
	"AND l.inserted_by::pg_catalog.oid OPERATOR(pg_catalog.=) $2 LIMIT 1",
	2, {TEXTOID, OIDOID}
};

static KafkaStatement delete_ahead_statement = {
	"DELETE FROM kafka.stored_dead_letters l WHERE l.server OPERATOR(pg_catalog.=) $1 AND l.group_id OPERATOR(pg_catalog.=) $2 "
	"AND l._topic OPERATOR(pg_catalog.=) $3 AND l._partition OPERATOR(pg_catalog.=) $4 AND l._offset OPERATOR(pg_catalog.>=) $5 "
	"AND l.stage OPERATOR(pg_catalog.<>) '" KAFKA_STAGE_PUBLISH "'",
	5, {TEXTOID, TEXTOID, TEXTOID, INT4OID, INT8OID}
};

static KafkaStatement delete_stream_statement = {
	"DELETE FROM kafka.stored_dead_letters l WHERE l.group_id OPERATOR(pg_catalog.=) $1 AND l.stream OPERATOR(pg_catalog.=) $1",
	1, {TEXTOID}
};

static KafkaStatement rename_server_statement = {
	"UPDATE kafka.stored_dead_letters l SET server = $1 WHERE l.server OPERATOR(pg_catalog.=) $2",
	2, {TEXTOID, TEXTOID}
};

KafkaStoredRecords *
kfdw_dead_letters_begin(void)
{
	return kfdw_stored_records_begin("stored_dead_letters", LETTER_RECORD, LETTER_COLUMNS);
}

/* Each has a time of its own, by which those of this process keep their order. */
static TimestampTz
take_moment(void)
{
	static TimestampTz last = 0;

	last = Max(GetCurrentTimestamp(), last + 1);
	return last;
}

void
kfdw_dead_letters_add(KafkaStoredRecords *letters, const KafkaRecord *record, const char *stage,
					  const ErrorData *error)
{
	MemoryContext old = MemoryContextSwitchTo(letters->row_context);
	Datum		values[LETTER_COLUMNS] = {0};
	bool		nulls[LETTER_COLUMNS] = {0};

	nulls[LETTER_STREAM] = nulls[LETTER_GROUP_ID] = nulls[LETTER_INSERTED_BY] = true;
	nulls[LETTER_SERVER] = record->server == NULL;
	if (record->server != NULL)
		values[LETTER_SERVER] = CStringGetTextDatum(record->server);
	values[LETTER_STAGE] = CStringGetTextDatum(stage);
	values[LETTER_SQLSTATE] = CStringGetTextDatum(unpack_sql_state(error->sqlerrcode));
	values[LETTER_ERROR] = CStringGetTextDatum(kfdw_guard_describe(error));

	values[LETTER_FAILED_AT] = TimestampTzGetDatum(take_moment());
	MemoryContextSwitchTo(old);
	kfdw_stored_records_add(letters, record, values, nulls);
}

void
kfdw_dead_letters_write(KafkaStoredRecords *letters, const KafkaReader *reader)
{
	char		nulls[] = "    ";
	Datum		values[4];
	KafkaCatalogScope scope;

	kfdw_catalog_begin(&scope);
	nulls[0] = reader->stream == NULL ? 'n' : ' ';
	values[0] = reader->stream == NULL ? (Datum) 0 : CStringGetTextDatum(reader->stream);
	values[1] = CStringGetTextDatum(reader->server);
	values[2] = CStringGetTextDatum(reader->group_id);
	nulls[3] = OidIsValid(reader->inserted_by) ? ' ' : 'n';
	values[3] = ObjectIdGetDatum(reader->inserted_by);
	(void) kfdw_stored_records_write(letters, "letters", &insert_statement, values, nulls);
	kfdw_catalog_end(&scope);
}

/* A letter's record. */
static KafkaRecord *
read_record(HeapTuple row, TupleDesc desc, TupleDesc header)
{
	KafkaRecord *record = kfdw_stored_records_read(row, desc, LETTER_RECORD, header);
	bool		isnull;

	record->server = TextDatumGetCString(heap_getattr(row, LETTER_SERVER + 1, desc, &isnull));
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
		TupleDesc	header = kfdw_stored_records_header(desc, LETTER_RECORD);
		MemoryContext old = MemoryContextSwitchTo(context);

		for (uint64 i = 0; i < SPI_processed; i++)
			records = lappend(records, read_record(SPI_tuptable->vals[i], desc, header));
		MemoryContextSwitchTo(old);
	}
	kfdw_catalog_end(&scope);
	return records;
}

List *
kfdw_dead_letters_take(const char *stream, const KafkaRecord *behind)
{
	Datum		values[] = {
		CStringGetTextDatum(stream), CStringGetTextDatum(behind->topic),
		Int32GetDatum(behind->partition), Int64GetDatum(behind->offset)
	};

	return take(&take_statement, values);
}

List *
kfdw_dead_letters_take_unpublished(const char *server, Oid role)
{
	Datum		values[] = {CStringGetTextDatum(server), ObjectIdGetDatum(role)};

	return take(&take_unpublished_statement, values);
}

bool
kfdw_dead_letters_has_unpublished(const char *server, Oid role)
{
	Datum		values[] = {CStringGetTextDatum(server), ObjectIdGetDatum(role)};

	return kfdw_catalog_has_row(&has_unpublished_statement, values);
}

void
kfdw_dead_letters_delete_ahead(const KafkaPositionKey *key, int32 partition, int64 next_offset)
{
	Datum		values[] = {
		CStringGetTextDatum(key->server), CStringGetTextDatum(key->group_id), CStringGetTextDatum(key->topic),
		Int32GetDatum(partition), Int64GetDatum(next_offset)
	};

	(void) kfdw_catalog_change(&delete_ahead_statement, values);
}

void
kfdw_dead_letters_delete_stream(const char *stream)
{
	Datum		values[] = {CStringGetTextDatum(stream)};

	(void) kfdw_catalog_change(&delete_stream_statement, values);
}

void
kfdw_dead_letters_rename_server(const char *old_name, const char *new_name)
{
	Datum		values[] = {CStringGetTextDatum(new_name), CStringGetTextDatum(old_name)};

	(void) kfdw_catalog_change(&rename_server_statement, values);
}
