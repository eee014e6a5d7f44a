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
#include "utils/json.h"
#include "utils/jsonb.h"

#include "catalog/dead_letters.h"
#include "catalog/offsets.h"
#include "catalog/parked.h"
#include "catalog/roles.h"
#include "catalog/spi.h"
#include "catalog/streams.h"

/* The fourth field of our advisory lock tags, see source/claim.c for the other one. */
#define STREAM_LOCK_CLASS 0x6b67

/* A row's revision is its xmin: every change makes another one. */
#define STREAM_COLUMNS \
	"s.name, s.owner::pg_catalog.oid, s.statement, s.search_path, s.source::pg_catalog.oid, s.workers, " \
	"s.settings, s.enabled, s.xmin, s.created_at, " \
	"s.parking OPERATOR(pg_catalog.->>) 'unmatched', s.parking OPERATOR(pg_catalog.->>) 'table', " \
	"s.parking OPERATOR(pg_catalog.->>) 'condition', s.parking OPERATOR(pg_catalog.->>) 'kind'"

static KafkaStatement get_statement = {
	"SELECT " STREAM_COLUMNS " FROM kafka.streams s WHERE s.name OPERATOR(pg_catalog.=) $1",
	1, {TEXTOID}
};

static KafkaStatement list_statement = {
	"SELECT " STREAM_COLUMNS " FROM kafka.streams s ORDER BY s.name USING OPERATOR(pg_catalog.<)",
	0
};

static KafkaStatement insert_statement = {
	"INSERT INTO kafka.streams (name, statement, search_path, source, workers, settings, parking, owner) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
	8, {TEXTOID, TEXTOID, TEXTOID, OIDOID, INT4OID, JSONBOID, JSONBOID, OIDOID}
};

/* Records that are to be skipped are no setting; those of another source are others. */
static KafkaStatement redefine_statement = {
	"UPDATE kafka.streams s SET statement = $2, search_path = $3, source = $4, workers = $5, parking = $7, settings = "
	"pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('skip', "
	"CASE WHEN s.source OPERATOR(pg_catalog.=) $4 THEN s.settings OPERATOR(pg_catalog.->) 'skip' END)) "
	"OPERATOR(pg_catalog.||) $6 WHERE s.name OPERATOR(pg_catalog.=) $1",
	7, {TEXTOID, TEXTOID, TEXTOID, OIDOID, INT4OID, JSONBOID, JSONBOID}
};

static KafkaStatement enable_statement = {
	"UPDATE kafka.streams s SET enabled = $2 WHERE s.name OPERATOR(pg_catalog.=) $1",
	2, {TEXTOID, BOOLOID}
};

static KafkaStatement owner_statement = {
	"UPDATE kafka.streams s SET owner = $2 WHERE s.name OPERATOR(pg_catalog.=) $1",
	2, {TEXTOID, OIDOID}
};

/* The server of a stream's source. */
#define SOURCE_SERVER \
	"(SELECT f.srvname::pg_catalog.text FROM pg_catalog.pg_foreign_table t JOIN pg_catalog.pg_foreign_server f " \
	"ON f.oid OPERATOR(pg_catalog.=) t.ftserver WHERE t.ftrelid OPERATOR(pg_catalog.=) s.source::pg_catalog.oid)"

/* Records that are to be skipped; those that are passed and not parked need no mention any more. */
#define SKIPS_AHEAD \
	"(SELECT pg_catalog.jsonb_agg(e) FROM pg_catalog.jsonb_array_elements(s.settings OPERATOR(pg_catalog.->) 'skip') e " \
	"WHERE NOT EXISTS (SELECT FROM kafka.offsets o WHERE o.group_id OPERATOR(pg_catalog.=) s.name " \
	"AND o.server OPERATOR(pg_catalog.=) " SOURCE_SERVER " " \
	"AND o.topic OPERATOR(pg_catalog.=) (e OPERATOR(pg_catalog.->>) 'topic') " \
	"AND o.partition OPERATOR(pg_catalog.=) (e OPERATOR(pg_catalog.->>) 'partition')::pg_catalog.int4 " \
	"AND o.next_offset OPERATOR(pg_catalog.>) (e OPERATOR(pg_catalog.->>) 'offset')::pg_catalog.int8) " \
	"OR EXISTS (SELECT FROM kafka.stored_parked p WHERE p.stream OPERATOR(pg_catalog.=) s.name " \
	"AND p._topic OPERATOR(pg_catalog.=) (e OPERATOR(pg_catalog.->>) 'topic') " \
	"AND p._partition OPERATOR(pg_catalog.=) (e OPERATOR(pg_catalog.->>) 'partition')::pg_catalog.int4 " \
	"AND p._offset OPERATOR(pg_catalog.=) (e OPERATOR(pg_catalog.->>) 'offset')::pg_catalog.int8))"

static KafkaStatement skip_statement = {
	"UPDATE kafka.streams s SET settings = pg_catalog.jsonb_set(s.settings, '{skip}', COALESCE(" SKIPS_AHEAD ", '[]') "
	"OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('topic', $2, 'partition', $3, 'offset', $4)) "
	"WHERE s.name OPERATOR(pg_catalog.=) $1",
	4, {TEXTOID, TEXTOID, INT4OID, INT8OID}
};

static KafkaStatement forget_skips_statement = {
	"UPDATE kafka.streams s SET settings = (s.settings OPERATOR(pg_catalog.-) 'skip'::pg_catalog.text) OPERATOR(pg_catalog.||) "
	"pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('skip', " SKIPS_AHEAD ")) "
	"WHERE s.name OPERATOR(pg_catalog.=) $1",
	1, {TEXTOID}
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

/* What a row says of parking; NULL: nothing. */
static KafkaStreamParking *
make_parking(KafkaRow *row)
{
	KafkaStreamParking *parking = palloc(sizeof(KafkaStreamParking));
	const char *kind;

	parking->query = kfdw_row_text(row);
	parking->table = kfdw_row_text(row);
	parking->condition = kfdw_row_text(row);
	kind = kfdw_row_text(row);
	if (parking->query == NULL || parking->table == NULL || parking->condition == NULL || kind == NULL)
		return NULL;
	parking->is_left = strcmp(kind, "left") == 0;
	return parking;
}

/* A row as a stream. */
static void *
make_stream(KafkaRow *row)
{
	KafkaStream *stream = palloc0(sizeof(KafkaStream));

	stream->name = kfdw_row_text(row);
	stream->owner = kfdw_roles_existing(kfdw_row_oid(row));
	stream->statement = kfdw_row_text(row);
	stream->search_path = kfdw_row_text(row);
	stream->source = kfdw_row_oid(row);
	stream->workers = kfdw_row_int4(row);
	kfdw_stream_settings_read(DatumGetJsonbP(kfdw_row_value(row)), &stream->settings);
	stream->enabled = kfdw_row_bool(row);
	stream->revision = kfdw_row_xid(row);
	stream->created = kfdw_row_int8(row);
	stream->parking = make_parking(row);
	return stream;
}

KafkaStream *
kfdw_streams_get(const char *name)
{
	Datum		values[] = {CStringGetTextDatum(name)};

	return kfdw_catalog_get(&get_statement, values, make_stream);
}

List *
kfdw_streams_list(void)
{
	return kfdw_catalog_list(&list_statement, NULL, make_stream);
}

/* Appends a member of an object of JSON. */
static void
append_member(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, "%c\"%s\": ", json->len > 0 ? ',' : '{', name);
	escape_json(json, value);
}

/* What is stored of parking. */
static Jsonb *
store_parking(const KafkaStreamParking *parking)
{
	StringInfoData json;

	initStringInfo(&json);
	append_member(&json, "kind", parking->is_left ? "left" : "inner");
	append_member(&json, "table", parking->table);
	append_member(&json, "condition", parking->condition);
	append_member(&json, "unmatched", parking->query);
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* What defines a stream, as the statements take it; the nulls have a place more. */
static void
set_definition(const KafkaStream *stream, Datum *values, char *nulls)
{
	values[0] = CStringGetTextDatum(stream->name);
	values[1] = CStringGetTextDatum(stream->statement);
	values[2] = CStringGetTextDatum(stream->search_path);
	values[3] = ObjectIdGetDatum(stream->source);
	values[4] = Int32GetDatum(stream->workers);
	values[5] = JsonbPGetDatum(kfdw_stream_settings_make(&stream->settings));
	values[6] = stream->parking ? JsonbPGetDatum(store_parking(stream->parking)) : (Datum) 0;
	nulls[6] = stream->parking ? ' ' : 'n';
}

void
kfdw_streams_refuse_duplicate(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("stream \"%s\" already exists", name)));
}

void
kfdw_streams_insert(const KafkaStream *stream)
{
	Datum		values[8];
	char		nulls[] = "        ";

	set_definition(stream, values, nulls);
	values[7] = ObjectIdGetDatum(stream->owner);
	if (kfdw_catalog_change_nulls(&insert_statement, values, nulls) != 1)
		kfdw_streams_refuse_duplicate(stream->name);
}

/* Changes the row of a stream, which may be gone: no lock keeps the owner of our tables from it. */
static void
change_stream(KafkaStatement *statement, Datum *values, const char *nulls, const char *name)
{
	if (kfdw_catalog_change_nulls(statement, values, nulls) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("stream \"%s\" does not exist", name)));
}

void
kfdw_streams_redefine(const KafkaStream *stream)
{
	Datum		values[7];
	char		nulls[] = "       ";

	set_definition(stream, values, nulls);
	change_stream(&redefine_statement, values, nulls, stream->name);
}

void
kfdw_streams_set_enabled(const char *name, bool enabled)
{
	Datum		values[] = {CStringGetTextDatum(name), BoolGetDatum(enabled)};

	change_stream(&enable_statement, values, NULL, name);
}

void
kfdw_streams_set_owner(const char *name, Oid owner)
{
	Datum		values[] = {CStringGetTextDatum(name), ObjectIdGetDatum(owner)};

	change_stream(&owner_statement, values, NULL, name);
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
	change_stream(&skip_statement, values, NULL, name);
}

void
kfdw_streams_forget_skips(const char *name)
{
	Datum		values[] = {CStringGetTextDatum(name)};

	(void) kfdw_catalog_change(&forget_skips_statement, values);
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
	kfdw_parked_delete_stream(name);
}

/* The lock that stands for a stream in this database. */
static void
make_tag(LOCKTAG *tag, const char *name)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) name, (int) strlen(name), 0);

	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, STREAM_LOCK_CLASS);
}

/* Takes it; false when it is not to be waited for, and would have to be. */
static bool
lock_stream(const char *name, LOCKMODE mode, bool wait)
{
	LOCKTAG		tag;

	make_tag(&tag, name);
	return LockAcquire(&tag, mode, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void
kfdw_streams_lock_to_consume(const char *name)
{
	(void) lock_stream(name, ShareLock, true);
}

void
kfdw_streams_lock_to_change(const char *name)
{
	(void) lock_stream(name, ExclusiveLock, true);
}

void
kfdw_streams_unlock(const char *name)
{
	LOCKTAG		tag;

	make_tag(&tag, name);
	(void) LockRelease(&tag, ExclusiveLock, false);
}

/* No stream has this name. */
bool
kfdw_streams_try_waits(void)
{
	return lock_stream("", ExclusiveLock, false);
}

void
kfdw_streams_await_waits(void)
{
	(void) lock_stream("", ExclusiveLock, true);
	kfdw_streams_unlock("");
}

bool
kfdw_streams_is_current(const char *name, TransactionId revision)
{
	Datum		values[] = {CStringGetTextDatum(name), TransactionIdGetDatum(revision)};

	return kfdw_catalog_has_row(&current_statement, values);
}
