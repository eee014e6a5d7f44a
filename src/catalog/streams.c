/*
 * streams.c
 *	  The rows of kafka.streams: what is to run.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "catalog/dead_letters.h"
#include "catalog/offsets.h"
#include "catalog/roles.h"
#include "catalog/spi.h"
#include "catalog/streams.h"

/* The fourth field of our advisory lock tags, see source/claim.c for the other one. */
#define STREAM_LOCK_CLASS 0x6b67

/* A row's revision is its xmin: every change makes another one. */
#define STREAM_COLUMNS \
	"s.name, s.owner::pg_catalog.oid, s.statement, s.search_path, s.source::pg_catalog.oid, s.workers, " \
	"(s.settings OPERATOR(pg_catalog.->>) 'max_poll_records')::pg_catalog.int4, s.enabled, s.xmin, s.created_at, " \
	"COALESCE((s.settings OPERATOR(pg_catalog.->>) 'on_error') OPERATOR(pg_catalog.=) 'dead_letter', false), " \
	"COALESCE((s.settings OPERATOR(pg_catalog.->>) 'reject_limit')::pg_catalog.int4, 0)"

static KafkaStatement get_statement = {
	"SELECT " STREAM_COLUMNS " FROM kafka.streams s WHERE s.name OPERATOR(pg_catalog.=) $1",
	1, {TEXTOID}
};

static KafkaStatement list_statement = {
	"SELECT " STREAM_COLUMNS " FROM kafka.streams s ORDER BY s.name USING OPERATOR(pg_catalog.<)",
	0
};

static KafkaStatement insert_statement = {
	"INSERT INTO kafka.streams (name, owner, statement, search_path, source, workers, settings) "
	"VALUES ($1, $2, $3, $4, $5, $6, pg_catalog.jsonb_strip_nulls("
	"pg_catalog.jsonb_build_object('max_poll_records', $7, 'on_error', $8, 'reject_limit', NULLIF($9, 0)))) "
	"ON CONFLICT DO NOTHING",
	9, {TEXTOID, OIDOID, TEXTOID, TEXTOID, OIDOID, INT4OID, INT4OID, TEXTOID, INT4OID}
};

static KafkaStatement enable_statement = {
	"UPDATE kafka.streams s SET enabled = $2 WHERE s.name OPERATOR(pg_catalog.=) $1",
	2, {TEXTOID, BOOLOID}
};

static KafkaStatement owner_statement = {
	"UPDATE kafka.streams s SET owner = $2 WHERE s.name OPERATOR(pg_catalog.=) $1",
	2, {TEXTOID, OIDOID}
};

/* Records that are passed need no mention any more. */
static KafkaStatement skip_statement = {
	"UPDATE kafka.streams s SET settings = pg_catalog.jsonb_set(s.settings, '{skip}', COALESCE(("
	"SELECT pg_catalog.jsonb_agg(e) FROM pg_catalog.jsonb_array_elements(s.settings OPERATOR(pg_catalog.->) 'skip') e "
	"WHERE NOT EXISTS (SELECT FROM kafka.offsets o WHERE o.group_id OPERATOR(pg_catalog.=) s.name "
	"AND o.topic OPERATOR(pg_catalog.=) (e OPERATOR(pg_catalog.->>) 'topic') "
	"AND o.partition OPERATOR(pg_catalog.=) (e OPERATOR(pg_catalog.->>) 'partition')::pg_catalog.int4 "
	"AND o.next_offset OPERATOR(pg_catalog.>) (e OPERATOR(pg_catalog.->>) 'offset')::pg_catalog.int8)), '[]') "
	"OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('topic', $2, 'partition', $3, 'offset', $4)) "
	"WHERE s.name OPERATOR(pg_catalog.=) $1",
	4, {TEXTOID, TEXTOID, INT4OID, INT8OID}
};

static KafkaStatement skips_statement = {
	"SELECT 1 FROM kafka.streams s WHERE s.name OPERATOR(pg_catalog.=) $1 "
	"AND (s.settings OPERATOR(pg_catalog.->) 'skip') OPERATOR(pg_catalog.@>) pg_catalog.jsonb_build_array("
	"pg_catalog.jsonb_build_object('topic', $2, 'partition', $3, 'offset', $4))",
	4, {TEXTOID, TEXTOID, INT4OID, INT8OID}
};

static KafkaStatement delete_statement = {
	"DELETE FROM kafka.streams s WHERE s.name OPERATOR(pg_catalog.=) $1",
	1, {TEXTOID}
};

static KafkaStatement current_statement = {
	"SELECT 1 FROM kafka.streams s WHERE s.name OPERATOR(pg_catalog.=) $1 AND s.enabled "
	"AND s.xmin OPERATOR(pg_catalog.=) $2",
	2, {TEXTOID, XIDOID}
};

/* A column of an SPI row that is not NULL. */
static Datum
row_value(HeapTuple row, int column)
{
	bool		isnull;

	return SPI_getbinval(row, SPI_tuptable->tupdesc, column, &isnull);
}

/* An SPI row as a stream, in the given context. */
static KafkaStream *
read_row(HeapTuple row, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	KafkaStream *stream = palloc0(sizeof(KafkaStream));

	stream->name = TextDatumGetCString(row_value(row, 1));
	stream->owner = kfdw_roles_existing(DatumGetObjectId(row_value(row, 2)));
	stream->statement = TextDatumGetCString(row_value(row, 3));
	stream->search_path = TextDatumGetCString(row_value(row, 4));
	stream->source = DatumGetObjectId(row_value(row, 5));
	stream->workers = DatumGetInt32(row_value(row, 6));
	stream->max_poll_records = DatumGetInt32(row_value(row, 7));
	stream->enabled = DatumGetBool(row_value(row, 8));
	stream->revision = DatumGetTransactionId(row_value(row, 9));
	stream->created = DatumGetTimestampTz(row_value(row, 10));
	stream->sets_aside = DatumGetBool(row_value(row, 11));
	stream->reject_limit = DatumGetInt32(row_value(row, 12));
	MemoryContextSwitchTo(old);
	return stream;
}

KafkaStream *
kfdw_streams_get(const char *name)
{
	MemoryContext context = CurrentMemoryContext;
	KafkaStream *stream = NULL;
	KafkaCatalogScope scope;
	Datum		values[1];

	kfdw_catalog_begin(&scope);
	values[0] = CStringGetTextDatum(name);
	if (kfdw_catalog_read(&get_statement, values, NULL) > 0)
		stream = read_row(SPI_tuptable->vals[0], context);
	kfdw_catalog_end(&scope);
	return stream;
}

List *
kfdw_streams_list(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *streams = NIL;
	KafkaCatalogScope scope;
	uint64		rows;

	kfdw_catalog_begin(&scope);
	rows = kfdw_catalog_read(&list_statement, NULL, NULL);
	for (uint64 i = 0; i < rows; i++)
	{
		KafkaStream *stream = read_row(SPI_tuptable->vals[i], context);
		MemoryContext old = MemoryContextSwitchTo(context);

		streams = lappend(streams, stream);
		MemoryContextSwitchTo(old);
	}
	kfdw_catalog_end(&scope);
	return streams;
}

void
kfdw_streams_insert(const KafkaStream *stream)
{
	Datum		values[9];

	values[0] = CStringGetTextDatum(stream->name);
	values[1] = ObjectIdGetDatum(stream->owner);
	values[2] = CStringGetTextDatum(stream->statement);
	values[3] = CStringGetTextDatum(stream->search_path);
	values[4] = ObjectIdGetDatum(stream->source);
	values[5] = Int32GetDatum(stream->workers);
	values[6] = Int32GetDatum(stream->max_poll_records);
	values[7] = CStringGetTextDatum(stream->sets_aside ? "dead_letter" : "stop");
	values[8] = Int32GetDatum(stream->reject_limit);
	if (kfdw_catalog_change(&insert_statement, values) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("stream \"%s\" already exists", stream->name)));
}

void
kfdw_streams_set_enabled(const char *name, bool enabled)
{
	Datum		values[] = {CStringGetTextDatum(name), BoolGetDatum(enabled)};

	(void) kfdw_catalog_change(&enable_statement, values);
}

void
kfdw_streams_set_owner(const char *name, Oid owner)
{
	Datum		values[] = {CStringGetTextDatum(name), ObjectIdGetDatum(owner)};

	(void) kfdw_catalog_change(&owner_statement, values);
}

/* A record as the statements take it. */
static void
set_record(Datum *values, const char *name, const char *topic, int32 partition, int64 offset)
{
	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(topic);
	values[2] = Int32GetDatum(partition);
	values[3] = Int64GetDatum(offset);
}

void
kfdw_streams_skip(const char *name, const char *topic, int32 partition, int64 offset)
{
	Datum		values[4];

	set_record(values, name, topic, partition, offset);
	(void) kfdw_catalog_change(&skip_statement, values);
}

bool
kfdw_streams_skips(const char *name, const char *topic, int32 partition, int64 offset)
{
	Datum		values[4];

	set_record(values, name, topic, partition, offset);
	return kfdw_catalog_has_row(&skips_statement, values);
}

void
kfdw_streams_delete(const char *name)
{
	Datum		values[] = {CStringGetTextDatum(name)};

	(void) kfdw_catalog_change(&delete_statement, values);
	kfdw_offsets_delete_group(name);
	kfdw_dead_letters_delete_stream(name);
}

/* The lock that stands for a stream in this database. */
static void
lock_stream(const char *name, LOCKMODE mode)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) name, (int) strlen(name), 0);
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, STREAM_LOCK_CLASS);
	(void) LockAcquire(&tag, mode, false, false);
}

void
kfdw_streams_lock_to_consume(const char *name)
{
	lock_stream(name, ShareLock);
}

void
kfdw_streams_lock_to_change(const char *name)
{
	lock_stream(name, ExclusiveLock);
}

bool
kfdw_streams_is_current(const char *name, TransactionId revision)
{
	Datum		values[] = {CStringGetTextDatum(name), TransactionIdGetDatum(revision)};

	return kfdw_catalog_has_row(&current_statement, values);
}
