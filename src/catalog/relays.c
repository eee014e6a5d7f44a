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

/* In the name of a relay's group, behind the id of its instance: a UUID, or a system identifier. */
#define RELAY_INFIX "-relay-"
#define LEAST_ID_LEN 18

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

/* A row as a relay. */
static void *
make_relay(KafkaRow *row)
{
	KafkaRelay *relay = palloc0(sizeof(KafkaRelay));

	relay->id = kfdw_row_int4(row);
	relay->server = kfdw_row_text(row);
	relay->owner = kfdw_roles_existing(kfdw_row_oid(row));
	relay->resolution = kfdw_row_text(row);
	relay->created = kfdw_row_int8(row);
	relay->revision = kfdw_row_xid(row);
	return relay;
}

KafkaRelay *
kfdw_relays_get(int id)
{
	Datum		values[] = {Int32GetDatum(id)};

	return kfdw_catalog_get(&get_statement, values, make_relay);
}

KafkaRelay *
kfdw_relays_find(const char *server, Oid owner)
{
	Datum		values[] = {CStringGetTextDatum(server), ObjectIdGetDatum(owner)};

	return kfdw_catalog_get(&find_statement, values, make_relay);
}

List *
kfdw_relays_list(void)
{
	return kfdw_catalog_list(&list_statement, NULL, make_relay);
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

/* True for the groups of relays, of whatever database: "...-<id of the instance>-relay-<number>". */
static bool
is_of_relay(const char *group_id)
{
	const char *relay = NULL;
	int			id_len = 0;

	/* the last one: what is before the id may be anything */
	for (const char *next = group_id; (next = strstr(next, RELAY_INFIX)) != NULL; next++)
		relay = next;
	if (relay == NULL || strspn(relay + strlen(RELAY_INFIX), "0123456789") != strlen(relay + strlen(RELAY_INFIX)))
		return false;
	while (relay - id_len > group_id && strchr("0123456789abcdef-", relay[-1 - id_len]) != NULL)
		id_len++;
	return id_len >= LEAST_ID_LEN;
}

void
kfdw_relays_check_group(const char *group_id)
{
	if (is_of_relay(group_id))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for consumer group \"%s\"", group_id),
				 errdetail("By it Kafka knows what was published of an outbox."),
				 errhint("Use another name.")));
}

void
kfdw_relays_rename_server(const char *old_name, const char *new_name)
{
	Datum		values[] = {CStringGetTextDatum(new_name), CStringGetTextDatum(old_name)};

	(void) kfdw_catalog_change(&rename_server_statement, values);
}
