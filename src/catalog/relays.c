/*
 * relays.c
 *	  The rows of kafka.outbox_relays.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "catalog/relays.h"
#include "catalog/roles.h"
#include "catalog/spi.h"

#define RELAY_COLUMNS "r.id, r.server, r.owner::pg_catalog.oid, r.resolution, r.created_at, r.xmin"

static KafkaStatement get_statement = {
	"SELECT " RELAY_COLUMNS " FROM kafka.outbox_relays r WHERE r.id OPERATOR(pg_catalog.=) $1",
	1, {INT4OID}
};

static KafkaStatement find_statement = {
	"SELECT " RELAY_COLUMNS " FROM kafka.outbox_relays r "
	"WHERE r.server OPERATOR(pg_catalog.=) $1 AND r.owner::pg_catalog.oid OPERATOR(pg_catalog.=) $2",
	2, {TEXTOID, OIDOID}
};

static KafkaStatement list_statement = {
	"SELECT " RELAY_COLUMNS " FROM kafka.outbox_relays r ORDER BY r.id USING OPERATOR(pg_catalog.<)",
	0
};

static KafkaStatement insert_statement = {
	"INSERT INTO kafka.outbox_relays (server, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING",
	2, {TEXTOID, OIDOID}
};

static KafkaStatement resolve_statement = {
	"UPDATE kafka.outbox_relays r SET resolution = $2 WHERE r.id OPERATOR(pg_catalog.=) $1",
	2, {INT4OID, TEXTOID}
};

static KafkaStatement resolved_statement = {
	"UPDATE kafka.outbox_relays r SET resolution = NULL WHERE r.id OPERATOR(pg_catalog.=) $1",
	1, {INT4OID}
};

static KafkaStatement delete_statement = {
	"WITH t AS (DELETE FROM kafka.outbox_ticks t WHERE t.relay OPERATOR(pg_catalog.=) $1) "
	"DELETE FROM kafka.outbox_relays r WHERE r.id OPERATOR(pg_catalog.=) $1",
	1, {INT4OID}
};

static KafkaStatement rename_server_statement = {
	"UPDATE kafka.outbox_relays r SET server = $1 WHERE r.server OPERATOR(pg_catalog.=) $2",
	2, {TEXTOID, TEXTOID}
};

/* A column of an SPI row that is not NULL. */
static Datum
row_value(HeapTuple row, int column)
{
	bool		isnull;

	return SPI_getbinval(row, SPI_tuptable->tupdesc, column, &isnull);
}

/* An SPI row as a relay, in the given context. */
static KafkaRelay *
read_row(HeapTuple row, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	KafkaRelay *relay = palloc0(sizeof(KafkaRelay));

	relay->id = DatumGetInt32(row_value(row, 1));
	relay->server = TextDatumGetCString(row_value(row, 2));
	relay->owner = kfdw_roles_existing(DatumGetObjectId(row_value(row, 3)));
	relay->resolution = SPI_getvalue(row, SPI_tuptable->tupdesc, 4);
	relay->created = DatumGetTimestampTz(row_value(row, 5));
	relay->revision = DatumGetTransactionId(row_value(row, 6));
	MemoryContextSwitchTo(old);
	return relay;
}

/* The relays that a query finds, in the current memory context. */
static List *
read_rows(KafkaStatement *statement, Datum *values)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *relays = NIL;
	KafkaCatalogScope scope;
	uint64		rows;

	kfdw_catalog_begin(&scope);
	rows = kfdw_catalog_read(statement, values, NULL);
	for (uint64 i = 0; i < rows; i++)
	{
		KafkaRelay *relay = read_row(SPI_tuptable->vals[i], context);
		MemoryContext old = MemoryContextSwitchTo(context);

		relays = lappend(relays, relay);
		MemoryContextSwitchTo(old);
	}
	kfdw_catalog_end(&scope);
	return relays;
}

KafkaRelay *
kfdw_relays_get(int id)
{
	Datum		values[] = {Int32GetDatum(id)};
	List	   *relays = read_rows(&get_statement, values);

	return relays == NIL ? NULL : linitial(relays);
}

KafkaRelay *
kfdw_relays_find(const char *server, Oid owner)
{
	Datum		values[] = {CStringGetTextDatum(server), ObjectIdGetDatum(owner)};
	List	   *relays = read_rows(&find_statement, values);

	return relays == NIL ? NULL : linitial(relays);
}

List *
kfdw_relays_list(void)
{
	return read_rows(&list_statement, NULL);
}

/* Who writes rows for a relay shares a lock of this name, who makes or deletes it holds it alone. */
static char *
lock_name(const char *server, Oid owner)
{
	return psprintf("relay\n%s\n%u", server, owner);
}

int
kfdw_relays_ensure(const char *server, Oid owner, bool *created)
{
	Datum		values[] = {CStringGetTextDatum(server), ObjectIdGetDatum(owner)};
	KafkaRelay *relay = kfdw_relays_find(server, owner);

	if (relay != NULL)
	{
		kfdw_catalog_share(lock_name(server, owner));
		relay = kfdw_relays_find(server, owner);
	}
	*created = relay == NULL;
	if (relay != NULL)
		return relay->id;
	kfdw_catalog_be_alone(lock_name(server, owner));
	(void) kfdw_catalog_change(&insert_statement, values);
	relay = kfdw_relays_find(server, owner);
	if (relay == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not make the outbox relay of server \"%s\": another transaction has changed it", server),
				 errhint("The transaction might succeed if retried.")));
	return relay->id;
}

void
kfdw_relays_lock_to_delete(const KafkaRelay *relay)
{
	kfdw_catalog_be_alone(lock_name(relay->server, relay->owner));
}

void
kfdw_relays_resolve(int id, const char *resolution)
{
	Datum		values[] = {Int32GetDatum(id), resolution ? CStringGetTextDatum(resolution) : (Datum) 0};

	(void) kfdw_catalog_change(resolution ? &resolve_statement : &resolved_statement, values);
}

void
kfdw_relays_delete(int id)
{
	Datum		values[] = {Int32GetDatum(id)};

	(void) kfdw_catalog_change(&delete_statement, values);
}

void
kfdw_relays_rename_server(const char *old_name, const char *new_name)
{
	Datum		values[] = {CStringGetTextDatum(new_name), CStringGetTextDatum(old_name)};

	(void) kfdw_catalog_change(&rename_server_statement, values);
}
