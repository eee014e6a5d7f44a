/*
 * roles.c
 *	  Roles that rows of our tables name in their column "owner".
 *
 * PostgreSQL has no owners of rows.  A dependency of the kind that privileges have
 * is the closest: DROP ROLE respects it, DROP OWNED and REASSIGN OWNED leave it to
 * the event trigger that comes after them.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_shdepend.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "catalog/roles.h"
#include "catalog/spi.h"

/* The triggers of these remove one dependency, if there is one, and add one. */
static KafkaStatement renew_statements[] = {
	{"UPDATE kafka.groups g SET owner = g.owner"},
	{"UPDATE kafka.streams s SET owner = s.owner"},
	{"UPDATE kafka.outbox_relays r SET owner = r.owner"},
};

void
kfdw_roles_add(Oid relid, Oid role)
{
	Oid		   *none = NULL;
	Oid		   *roles;

	if (!OidIsValid(role))
		return;
	roles = palloc(sizeof(Oid));
	roles[0] = role;
	updateAclDependencies(RelationRelationId, relid, get_attnum(relid, "owner"), InvalidOid,
						  0, none, 1, roles);

	/* another row of the same statement may name the same role */
	CommandCounterIncrement();
}

/* Removes dependencies of a table's column, at most so many: those on a role, or on any (InvalidOid). */
static void
remove_dependencies(Oid relid, Oid role, int count)
{
	Relation	rel = table_open(SharedDependRelationId, RowExclusiveLock);
	ScanKeyData key[4];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key[0], Anum_pg_shdepend_dbid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(MyDatabaseId));
	ScanKeyInit(&key[1], Anum_pg_shdepend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&key[2], Anum_pg_shdepend_objid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&key[3], Anum_pg_shdepend_objsubid, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(get_attnum(relid, "owner")));
	scan = systable_beginscan(rel, SharedDependDependerIndexId, true, NULL, 4, key);
	while (count > 0 && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (OidIsValid(role) && ((Form_pg_shdepend) GETSTRUCT(tuple))->refobjid != role)
			continue;
		CatalogTupleDelete(rel, &tuple->t_self);
		count--;
	}
	systable_endscan(scan);
	table_close(rel, RowExclusiveLock);
}

/* Who else removes one of the same role waits, lest both take the same one; who adds one does not. */
void
kfdw_roles_remove(Oid relid, Oid role)
{
	if (!OidIsValid(role))
		return;
	LockSharedObject(AuthIdRelationId, role, 0, ShareUpdateExclusiveLock);
	remove_dependencies(relid, role, 1);
	CommandCounterIncrement();
}

Oid
kfdw_roles_existing(Oid role)
{
	return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)) ? role : InvalidOid;
}

void
kfdw_roles_renew(void)
{
	for (int i = 0; i < lengthof(renew_statements); i++)
		(void) kfdw_catalog_change(&renew_statements[i], NULL);
}

void
kfdw_roles_remove_all(Oid relid)
{
	remove_dependencies(relid, InvalidOid, PG_INT32_MAX);
}
