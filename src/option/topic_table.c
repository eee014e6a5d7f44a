/*
 * topic_table.c
 *	  Which relations are topic tables, and what can be told of one without reading all its options.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_proc.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "option/name.h"
#include "option/options.h"
#include "option/table.h"

/*
 * The wrapper may be renamed, so its handler tells; by the name of the C function, as
 * looking at its address would load other modules.
 */
static bool
is_our_wrapper(Oid wrapperid)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapperExtended(wrapperid, FDW_MISSING_OK);
	HeapTuple	tuple = wrapper == NULL ? NULL : SearchSysCache1(PROCOID, ObjectIdGetDatum(wrapper->fdwhandler));
	Datum		source;
	bool		isnull;
	bool		ours;

	if (!HeapTupleIsValid(tuple))
		return false;			/* a wrapper without a handler, or one that was dropped */

	source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	ours = !isnull && strcmp(TextDatumGetCString(source), "kafka_fdw_handler") == 0;
	ReleaseSysCache(tuple);
	return ours;
}

bool
kfdw_options_is_our_server(Oid serverid)
{
	ForeignServer *server = GetForeignServerExtended(serverid, FSV_MISSING_OK);

	return server != NULL && is_our_wrapper(server->fdwid);
}

/* The server of a foreign table, and its own options; InvalidOid where there is no such table, or none any more. */
static Oid
find_server(Oid relid, List **options)
{
	HeapTuple	tuple = SearchSysCache1(FOREIGNTABLEREL, ObjectIdGetDatum(relid));
	Oid			serverid;
	Datum		texts;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	serverid = ((Form_pg_foreign_table) GETSTRUCT(tuple))->ftserver;
	texts = SysCacheGetAttr(FOREIGNTABLEREL, tuple, Anum_pg_foreign_table_ftoptions, &isnull);
	if (options != NULL)
		*options = isnull ? NIL : untransformRelOptions(texts);
	ReleaseSysCache(tuple);
	return serverid;
}

bool
kfdw_options_is_topic_table(Oid relid)
{
	Oid			serverid = find_server(relid, NULL);

	return OidIsValid(serverid) && kfdw_options_is_our_server(serverid);
}

/* The option "group_id" among those of a table; NULL: it is not there. */
static char *
find_group(List *options)
{
	ListCell   *cell;

	foreach(cell, options)
		if (kfdw_option_is(KAFKA_OPT_GROUP_ID, lfirst_node(DefElem, cell)->defname, KAFKA_ON_TABLE))
			return defGetString(lfirst(cell));
	return NULL;
}

bool
kfdw_options_look_at_group(Oid relid, char **server, char **group_id)
{
	List	   *options = NIL;
	Oid			serverid = find_server(relid, &options);
	const ForeignServer *found = GetForeignServerExtended(serverid, FSV_MISSING_OK);

	if (found == NULL || !is_our_wrapper(found->fdwid))
		return false;
	*server = found->servername;
	*group_id = find_group(options);
	return true;
}

bool
kfdw_options_is_consuming(Oid relid)
{
	return find_group(GetForeignTable(relid)->options) != NULL;
}

bool
kfdw_options_catches_errors(Oid relid)
{
	ListCell   *cell;

	foreach(cell, GetForeignTable(relid)->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (kfdw_option_is(KAFKA_OPT_ON_ERROR, option->defname, KAFKA_ON_TABLE))
			return kfdw_option_parse(&kfdw_option_table[KAFKA_OPT_ON_ERROR], defGetString(option)).number !=
				KAFKA_ON_ERROR_STOP;
	}
	return false;
}

void
kfdw_options_require_relation(Oid relid)
{
	if (get_rel_name(relid) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
}

void
kfdw_options_require_topic_table(Oid relid)
{
	kfdw_options_require_relation(relid);
	if (!kfdw_options_is_topic_table(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a topic table", get_rel_name(relid))));
}

void
kfdw_options_require_select(Oid relid, Oid role)
{
	if (pg_class_aclcheck(relid, role, ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(relid, role, ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_TABLE, get_rel_name(relid));
}

/* It may have been dropped while its lock was waited for. */
Relation
kfdw_options_open_relation(Oid relid, LOCKMODE mode)
{
	LockRelationOid(relid, mode);
	kfdw_options_require_relation(relid);
	return relation_open(relid, NoLock);
}

Relation
kfdw_options_open_topic_table(Oid relid, LOCKMODE mode)
{
	Relation	relation = kfdw_options_open_relation(relid, mode);

	kfdw_options_require_topic_table(relid);
	return relation;
}

Oid
kfdw_options_table_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}
