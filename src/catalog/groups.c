/*
 * groups.c
 *	  The rows of kafka.groups: whose consumer groups are.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "catalog/groups.h"
#include "catalog/roles.h"
#include "catalog/spi.h"

static KafkaStatement get_statement = {
	"SELECT EXISTS (SELECT FROM kafka.streams s WHERE s.name OPERATOR(pg_catalog.=) $2), "
	"g.server IS NOT NULL, COALESCE(g.owner::pg_catalog.oid, 0) "
	"FROM (SELECT) one LEFT JOIN kafka.groups g "
	"ON g.server OPERATOR(pg_catalog.=) $1 AND g.group_id OPERATOR(pg_catalog.=) $2",
	2, {TEXTOID, TEXTOID}
};

static KafkaStatement insert_statement = {
	"INSERT INTO kafka.groups (server, group_id, owner) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
	3, {TEXTOID, TEXTOID, OIDOID}
};

static KafkaStatement lock_statement = {
	"SELECT FROM kafka.groups g "
	"WHERE g.server OPERATOR(pg_catalog.=) $1 AND g.group_id OPERATOR(pg_catalog.=) $2 FOR UPDATE",
	2, {TEXTOID, TEXTOID}
};

static KafkaStatement owner_statement = {
	"UPDATE kafka.groups g SET owner = $3 "
	"WHERE g.server OPERATOR(pg_catalog.=) $1 AND g.group_id OPERATOR(pg_catalog.=) $2",
	3, {TEXTOID, TEXTOID, OIDOID}
};

static KafkaStatement reassign_statement = {
	"UPDATE kafka.groups g SET owner = $2 WHERE g.owner OPERATOR(pg_catalog.=) $1",
	2, {OIDOID, OIDOID}
};

static KafkaStatement delete_owned_statement = {
	"WITH g AS (DELETE FROM kafka.groups g WHERE g.owner OPERATOR(pg_catalog.=) $1 RETURNING g.server, g.group_id), "
	"l AS (DELETE FROM kafka.stored_dead_letters l USING g WHERE l.stream IS NULL "
	"AND l.server OPERATOR(pg_catalog.=) g.server AND l.group_id OPERATOR(pg_catalog.=) g.group_id) "
	"DELETE FROM kafka.offsets o USING g "
	"WHERE o.server OPERATOR(pg_catalog.=) g.server AND o.group_id OPERATOR(pg_catalog.=) g.group_id",
	1, {OIDOID}
};

/*
 * Those of its streams have the streams' names, with or without a position.  A stream's dead letters stay, as they
 * can be run again, wherever they came from.
 */
static KafkaStatement delete_namesakes_statement = {
	"WITH g AS (SELECT o.group_id FROM kafka.offsets o WHERE o.server OPERATOR(pg_catalog.=) $2 "
	"UNION SELECT g.group_id FROM kafka.groups g WHERE g.server OPERATOR(pg_catalog.=) $2 "
	"UNION SELECT s.name FROM kafka.streams s "
	"JOIN pg_catalog.pg_foreign_table t ON t.ftrelid OPERATOR(pg_catalog.=) s.source::pg_catalog.oid "
	"JOIN pg_catalog.pg_foreign_server f ON f.oid OPERATOR(pg_catalog.=) t.ftserver "
	"WHERE f.srvname OPERATOR(pg_catalog.=) $1::pg_catalog.name), "
	"p AS (DELETE FROM kafka.stored_parked p USING g "
	"WHERE p.server OPERATOR(pg_catalog.=) $1 AND p.stream OPERATOR(pg_catalog.=) g.group_id), "
	"l AS (DELETE FROM kafka.stored_dead_letters l USING g "
	"WHERE l.server OPERATOR(pg_catalog.=) $1 AND l.group_id OPERATOR(pg_catalog.=) g.group_id "
	"AND NOT EXISTS (SELECT FROM kafka.streams s WHERE s.name OPERATOR(pg_catalog.=) l.stream)), "
	"o AS (DELETE FROM kafka.offsets o USING g "
	"WHERE o.server OPERATOR(pg_catalog.=) $1 AND o.group_id OPERATOR(pg_catalog.=) g.group_id) "
	"DELETE FROM kafka.groups d USING g "
	"WHERE d.server OPERATOR(pg_catalog.=) $1 AND d.group_id OPERATOR(pg_catalog.=) g.group_id",
	2, {TEXTOID, TEXTOID}
};

static KafkaStatement rename_server_statement = {
	"UPDATE kafka.groups g SET server = $1 WHERE g.server OPERATOR(pg_catalog.=) $2",
	2, {TEXTOID, TEXTOID}
};

KafkaGroup
kfdw_groups_get(const char *server, const char *group_id)
{
	Datum		values[] = {CStringGetTextDatum(server), CStringGetTextDatum(group_id)};
	KafkaGroup	group;
	KafkaCatalogScope scope;
	KafkaRow	row;

	kfdw_catalog_begin(&scope);
	(void) kfdw_catalog_read(&get_statement, values, NULL);
	row = kfdw_catalog_row(0);
	group.is_stream = kfdw_row_bool(&row);
	group.exists = kfdw_row_bool(&row);
	group.owner = kfdw_roles_existing(kfdw_row_oid(&row));
	kfdw_catalog_end(&scope);
	return group;
}

void
kfdw_groups_lock_to_place(const char *server, const char *group_id)
{
	kfdw_catalog_be_alone(psprintf("group\n%s\n%s", server, group_id));
}

void
kfdw_groups_insert(const char *server, const char *group_id, Oid owner)
{
	Datum		values[] = {CStringGetTextDatum(server), CStringGetTextDatum(group_id), ObjectIdGetDatum(owner)};

	(void) kfdw_catalog_change(&insert_statement, values);
}

void
kfdw_groups_lock_to_change(const char *server, const char *group_id)
{
	Datum		values[] = {CStringGetTextDatum(server), CStringGetTextDatum(group_id)};

	(void) kfdw_catalog_change(&lock_statement, values);
}

void
kfdw_groups_set_owner(const char *server, const char *group_id, Oid owner)
{
	Datum		values[] = {CStringGetTextDatum(server), CStringGetTextDatum(group_id), ObjectIdGetDatum(owner)};

	(void) kfdw_catalog_change(&owner_statement, values);
}

void
kfdw_groups_reassign(Oid old_owner, Oid new_owner)
{
	Datum		values[] = {ObjectIdGetDatum(old_owner), ObjectIdGetDatum(new_owner)};

	(void) kfdw_catalog_change(&reassign_statement, values);
}

void
kfdw_groups_delete_owned(Oid owner)
{
	Datum		values[] = {ObjectIdGetDatum(owner)};

	(void) kfdw_catalog_change(&delete_owned_statement, values);
}

void
kfdw_groups_delete_namesakes(const char *old_name, const char *new_name)
{
	Datum		values[] = {CStringGetTextDatum(new_name), CStringGetTextDatum(old_name)};

	(void) kfdw_catalog_change(&delete_namesakes_statement, values);
}

void
kfdw_groups_rename_server(const char *old_name, const char *new_name)
{
	Datum		values[] = {CStringGetTextDatum(new_name), CStringGetTextDatum(old_name)};

	(void) kfdw_catalog_change(&rename_server_statement, values);
}
