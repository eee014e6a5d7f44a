/*
 * parked.c
 *	  The rows of kafka.parked: records of streams that wait for a row of a table.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "catalog/parked.h"

/* The columns of the table. */
enum
{
	PARKED_STREAM,
	PARKED_SERVER,
	PARKED_RECORD,
	PARKED_AT = PARKED_RECORD + KAFKA_STORED_COLUMNS,
	PARKED_COLUMNS
};

/* Those of a portion: a record's begin with the fourth. */
#define PORTION_RECORD 3

static KafkaStatement insert_statement = {
	"INSERT INTO kafka.stored_parked (stream, server, " KAFKA_STORED_NAMES("") ", parked_at) "
	"SELECT $1, $2, " KAFKA_STORED_NAMES("p.") ", pg_catalog.now() FROM parked p",
	2, {TEXTOID, TEXTOID}
};

/* True for those of the partitions, or false for these. */
#define OF_SHARE \
	"p.stream OPERATOR(pg_catalog.=) $1 AND (ROW(p._topic, p._partition) OPERATOR(pg_catalog.=) ANY (" \
	"SELECT s.topic, s.number FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) s (topic, number))) " \
	"OPERATOR(pg_catalog.<>) $4"

static KafkaStatement count_statement = {
	"SELECT pg_catalog.count(*) FROM kafka.stored_parked p WHERE " OF_SHARE,
	4, {TEXTOID, TEXTARRAYOID, INT4ARRAYOID, BOOLOID}
};

/* So many, by number and by bytes; records with the same offset, of topics of the same name, are not parted. */
static KafkaStatement read_statement = {
	"SELECT o.ctid, o.parked_at, o.server, " KAFKA_STORED_NAMES("o.") " FROM ("
	"SELECT p.ctid, p.*, "
	"pg_catalog.rank() OVER w AS number, pg_catalog.sum(" KAFKA_STORED_BYTES("p") ") OVER w AS bytes "
	"FROM kafka.stored_parked p WHERE " OF_SHARE " "
	"AND (p._topic, p._partition, p._offset) OPERATOR(pg_catalog.>) ($5, $6, $7) "
	"WINDOW w AS (ORDER BY p._topic, p._partition, p._offset) "
	"ORDER BY p._topic, p._partition, p._offset FETCH FIRST 10000 ROWS WITH TIES) o "
	"WHERE o.number OPERATOR(pg_catalog.=) 1 OR o.bytes OPERATOR(pg_catalog.<=) 33554432 "
	"ORDER BY o._topic, o._partition, o._offset",
	7, {TEXTOID, TEXTARRAYOID, INT4ARRAYOID, BOOLOID, TEXTOID, INT4OID, INT8OID}
};

static KafkaStatement delete_statement = {
	"DELETE FROM kafka.stored_parked p WHERE p.ctid OPERATOR(pg_catalog.=) ANY ($1)",
	1, {TIDARRAYOID}
};

static KafkaStatement delete_ahead_statement = {
	"DELETE FROM kafka.stored_parked p WHERE p.server OPERATOR(pg_catalog.=) $1 AND p.stream OPERATOR(pg_catalog.=) $2 "
	"AND p._topic OPERATOR(pg_catalog.=) $3 AND p._partition OPERATOR(pg_catalog.=) $4 AND p._offset OPERATOR(pg_catalog.>=) $5",
	5, {TEXTOID, TEXTOID, TEXTOID, INT4OID, INT8OID}
};

static KafkaStatement delete_stream_statement = {
	"DELETE FROM kafka.stored_parked p WHERE p.stream OPERATOR(pg_catalog.=) $1",
	1, {TEXTOID}
};

static KafkaStatement rename_server_statement = {
	"UPDATE kafka.stored_parked p SET server = $1 WHERE p.server OPERATOR(pg_catalog.=) $2",
	2, {TEXTOID, TEXTOID}
};

KafkaStoredRecords *
kfdw_parked_begin(void)
{
	return kfdw_stored_records_begin("stored_parked", PARKED_RECORD, PARKED_COLUMNS);
}

void
kfdw_parked_add(KafkaStoredRecords *parked, const KafkaRecord *record)
{
	Datum		values[PARKED_COLUMNS] = {0};
	bool		nulls[PARKED_COLUMNS] = {0};

	nulls[PARKED_STREAM] = nulls[PARKED_SERVER] = nulls[PARKED_AT] = true;
	kfdw_stored_records_add(parked, record, values, nulls);
}

void
kfdw_parked_write(KafkaStoredRecords *parked, const char *stream, const char *server)
{
	Datum		values[] = {CStringGetTextDatum(stream), CStringGetTextDatum(server)};
	KafkaCatalogScope scope;

	kfdw_catalog_begin(&scope);
	(void) kfdw_stored_records_write(parked, "parked", &insert_statement, values, NULL);
	kfdw_catalog_end(&scope);
}

/* What the statements know a share by. */
static void
set_share(const KafkaParkedShare *share, Datum *values)
{
	Datum	   *topics = palloc(sizeof(Datum) * Max(share->count, 1));
	Datum	   *numbers = palloc(sizeof(Datum) * Max(share->count, 1));

	for (int i = 0; i < share->count; i++)
	{
		topics[i] = CStringGetTextDatum(share->topics[i]);
		numbers[i] = Int32GetDatum(share->partitions[i]);
	}
	values[0] = CStringGetTextDatum(share->stream);
	values[1] = PointerGetDatum(construct_array(topics, share->count, TEXTOID, -1, false, TYPALIGN_INT));
	values[2] = PointerGetDatum(construct_array(numbers, share->count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[3] = BoolGetDatum(share->is_rest);
}

int64
kfdw_parked_count(const KafkaParkedShare *share)
{
	Datum		values[4];
	KafkaCatalogScope scope;
	KafkaRow	row;
	int64		count;

	set_share(share, values);
	kfdw_catalog_begin(&scope);
	(void) kfdw_catalog_read(&count_statement, values, NULL);
	row = kfdw_catalog_row(0);
	count = kfdw_row_int8(&row);
	kfdw_catalog_end(&scope);
	return count;
}

/* The rows that were read, in the current memory context. */
static KafkaPortion *
make_portion(void)
{
	KafkaPortion *portion = palloc0(sizeof(KafkaPortion));
	TupleDesc	desc = SPI_tuptable->tupdesc;
	TupleDesc	header = kfdw_stored_records_header(desc, PORTION_RECORD);

	portion->count = (int) SPI_processed;
	portion->records = palloc(sizeof(KafkaRecord *) * (portion->count + 1));
	portion->tids = palloc(sizeof(ItemPointerData) * (portion->count + 1));
	portion->parked_at = palloc(sizeof(TimestampTz) * (portion->count + 1));
	for (int i = 0; i < portion->count; i++)
	{
		KafkaRow	row = kfdw_catalog_row(i);
		const char *server;

		portion->tids[i] = *(ItemPointer) DatumGetPointer(kfdw_row_value(&row));
		portion->parked_at[i] = kfdw_row_int8(&row);
		server = kfdw_row_text(&row);
		portion->records[i] = kfdw_stored_records_read(row.tuple, desc, PORTION_RECORD, header);
		portion->records[i]->server = server;
	}
	return portion;
}

KafkaPortion *
kfdw_parked_read(const KafkaParkedShare *share, const KafkaRecord *after)
{
	MemoryContext context = CurrentMemoryContext;
	KafkaPortion *portion;
	Datum		values[7];
	KafkaCatalogScope scope;
	MemoryContext old;

	set_share(share, values);
	values[4] = CStringGetTextDatum(after ? after->topic : "");
	values[5] = Int32GetDatum(after ? after->partition : 0);
	values[6] = Int64GetDatum(after ? after->offset : 0);
	kfdw_catalog_begin(&scope);
	(void) kfdw_catalog_read(&read_statement, values, NULL);
	old = MemoryContextSwitchTo(context);
	portion = make_portion();
	MemoryContextSwitchTo(old);
	kfdw_catalog_end(&scope);
	return portion;
}

void
kfdw_parked_delete(const char *stream, const ItemPointerData *tids, int count)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(count, 1));
	KafkaCatalogScope scope;
	Datum		values[1];
	uint64		deleted;

	for (int i = 0; i < count; i++)
		elements[i] = PointerGetDatum(&tids[i]);
	values[0] = PointerGetDatum(construct_array(elements, count, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT));
	kfdw_catalog_begin(&scope);
	deleted = kfdw_catalog_write(&delete_statement, values, NULL);
	kfdw_catalog_end(&scope);
	if (deleted != count)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("parked records of stream \"%s\" were deleted concurrently", stream)));
}

void
kfdw_parked_delete_ahead(const KafkaPositionKey *key, int32 partition, int64 next_offset)
{
	Datum		values[] = {
		CStringGetTextDatum(key->server), CStringGetTextDatum(key->group_id), CStringGetTextDatum(key->topic),
		Int32GetDatum(partition), Int64GetDatum(next_offset)
	};

	(void) kfdw_catalog_change(&delete_ahead_statement, values);
}

void
kfdw_parked_delete_stream(const char *stream)
{
	Datum		values[] = {CStringGetTextDatum(stream)};

	(void) kfdw_catalog_change(&delete_stream_statement, values);
}

void
kfdw_parked_rename_server(const char *old_name, const char *new_name)
{
	Datum		values[] = {CStringGetTextDatum(new_name), CStringGetTextDatum(old_name)};

	(void) kfdw_catalog_change(&rename_server_statement, values);
}
