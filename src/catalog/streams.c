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
#include "utils/jsonb.h"

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
	"s.settings, s.enabled, s.xmin, s.created_at"

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
	"VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
	7, {TEXTOID, OIDOID, TEXTOID, TEXTOID, OIDOID, INT4OID, JSONBOID}
};

/* Records that are to be skipped are no setting. */
static KafkaStatement redefine_statement = {
	"UPDATE kafka.streams s SET statement = $2, search_path = $3, source = $4, workers = $5, settings = "
	"pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('skip', s.settings OPERATOR(pg_catalog.->) 'skip')) "
	"OPERATOR(pg_catalog.||) $6 WHERE s.name OPERATOR(pg_catalog.=) $1",
	6, {TEXTOID, TEXTOID, TEXTOID, OIDOID, INT4OID, JSONBOID}
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

void
kfdw_streams_insert(const KafkaStream *stream)
{
	Datum		values[] = {
		CStringGetTextDatum(stream->name), ObjectIdGetDatum(stream->owner), CStringGetTextDatum(stream->statement),
		CStringGetTextDatum(stream->search_path), ObjectIdGetDatum(stream->source), Int32GetDatum(stream->workers),
		JsonbPGetDatum(kfdw_stream_settings_make(&stream->settings))
	};

	if (kfdw_catalog_change(&insert_statement, values) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("stream \"%s\" already exists", stream->name)));
}

void
kfdw_streams_redefine(const KafkaStream *stream)
{
	Datum		values[] = {
		CStringGetTextDatum(stream->name), CStringGetTextDatum(stream->statement),
		CStringGetTextDatum(stream->search_path), ObjectIdGetDatum(stream->source), Int32GetDatum(stream->workers),
		JsonbPGetDatum(kfdw_stream_settings_make(&stream->settings))
	};

	(void) kfdw_catalog_change(&redefine_statement, values);
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
