/*
 * wake.c
 *	  The trigger by which changes of a table wake the streams that wait for its rows.
 *
 * A row can come to meet a condition when it is inserted or updated, not when it goes.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "catalog/streams.h"
#include "compat.h"
#include "stream/wake.h"

#define TRIGGER_NAME "kafka_wake_streams"

/* The function.  Whoever asks may have no right to the schema. */
static Oid
find_function(void)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("wake_streams"),
						   PointerGetDatum(buildoidvector(NULL, 0)), ObjectIdGetDatum(get_namespace_oid("kafka", false)));
}

/* The same of a table. */
Oid
kfdw_wake_find_table(const char *name)
{
	List	   *names = kfdw_qualified_name(name);
	Oid			schema = list_length(names) == 2 ? get_namespace_oid(strVal(linitial(names)), true) : InvalidOid;

	return OidIsValid(schema) ? get_relname_relid(strVal(lsecond(names)), schema) : InvalidOid;
}

/*
 * True for one as create_trigger() makes them.  Others can be made to call the function, too,
 * by any role: for each row, where partitions have them, too, or for some changes only.
 */
static bool
is_whole(HeapTuple tuple)
{
	Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

	return trigger->tgtype == (TRIGGER_TYPE_AFTER | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE) &&
		trigger->tgattr.dim1 == 0 && heap_attisnull(tuple, Anum_pg_trigger_tgqual, NULL);
}

/* True when a trigger fires for what sessions do that replicate nothing. */
static bool
is_enabled(Form_pg_trigger trigger)
{
	return trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN || trigger->tgenabled == TRIGGER_FIRES_ALWAYS;
}

/* The trigger of a table, rather an enabled one; InvalidOid: it has none. */
static Oid
find_trigger(Oid table, bool *enabled)
{
	Oid			function = find_function();
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	Oid			found = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	*enabled = false;
	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
	scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (!*enabled && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (trigger->tgfoid != function || !is_whole(tuple))
			continue;
		found = trigger->oid;
		*enabled = is_enabled(trigger);
	}
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
	return found;
}

/* The table of a trigger that calls the function; InvalidOid: it is another one than those of streams. */
static Oid
find_table_of(Oid trigger)
{
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	Oid			table = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(trigger));
	scan = systable_beginscan(triggers, TriggerOidIndexId, true, NULL, 1, &key);
	if (HeapTupleIsValid(tuple = systable_getnext(scan)) && is_whole(tuple))
		table = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
	return table;
}

bool
kfdw_wake_has_trigger(Oid table)
{
	bool		enabled;

	(void) find_trigger(table, &enabled);
	return enabled;
}

/* Why a table cannot have the trigger by the current user; NULL: it can. */
static const char *
find_obstacle(Oid table)
{
	char		kind = get_rel_relkind(table);

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		return "Changes of anything but a table cannot be told of.";
	if (pg_class_aclcheck(table, GetUserId(), ACL_TRIGGER) != ACLCHECK_OK)
		return "To be told of changes takes the right TRIGGER on the table.";
	return NULL;
}

/* What CREATE TRIGGER does. */
static void
create_trigger(Oid table)
{
	CreateTrigStmt *trigger = makeNode(CreateTrigStmt);

	trigger->trigname = TRIGGER_NAME;
	trigger->relation = makeRangeVar(get_namespace_name(get_rel_namespace(table)), get_rel_name(table), -1);
	trigger->funcname = list_make2(makeString("kafka"), makeString("wake_streams"));
	trigger->timing = TRIGGER_TYPE_AFTER;
	trigger->events = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE;
	(void) CreateTrigger(trigger, NULL, table, InvalidOid, InvalidOid, InvalidOid, InvalidOid, InvalidOid, NULL, false, false);
	CommandCounterIncrement();
}

void
kfdw_wake_make_trigger(Oid table)
{
	const char *obstacle = find_obstacle(table);
	bool		enabled;

	/* until the commit nobody drops the one that is there */
	if (obstacle == NULL)
		LockRelationOid(table, ShareRowExclusiveLock);
	if (OidIsValid(find_trigger(table, &enabled)))
		obstacle = "Its trigger \"" TRIGGER_NAME "\" is disabled.";
	if (enabled)
		return;
	if (obstacle == NULL)
		create_trigger(table);
	else
		ereport(NOTICE,
				(errmsg("parked records are tried by a timer only"),
				 errdetail_internal("%s", obstacle)));
}

/* True when a stream waits for rows of a table. */
static bool
is_waited_for(Oid table)
{
	ListCell   *lc;

	foreach(lc, kfdw_streams_list())
	{
		const KafkaStream *stream = lfirst(lc);

		if (stream->parking != NULL && kfdw_wake_find_table(stream->parking->table) == table)
			return true;
	}
	return false;
}

/* The tables that have the trigger. */
static List *
list_tables(void)
{
	ObjectAddress function = {ProcedureRelationId, find_function()};
	Relation	depends = table_open(DependRelationId, AccessShareLock);
	List	   *tables = NIL;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(function.classId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(function.objectId));
	scan = systable_beginscan(depends, DependReferenceIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend depend = (Form_pg_depend) GETSTRUCT(tuple);
		Oid			table = depend->classid == TriggerRelationId ? find_table_of(depend->objid) : InvalidOid;

		if (OidIsValid(table))
			tables = lappend_oid(tables, table);
	}
	systable_endscan(scan);
	table_close(depends, AccessShareLock);
	return tables;
}

/* Whose table it is can be anybody else: only the one of the stream is worth waiting for. */
static bool
lock_table(Oid table, bool waits)
{
	if (!waits)
		return ConditionalLockRelationOid(table, AccessExclusiveLock);
	LockRelationOid(table, AccessExclusiveLock);
	return true;
}

/*
 * It was made for the stream: who drops that need not own the table.  Where the trigger
 * stays, nobody gets a lock by it.
 */
static void
drop_trigger(Oid table, bool waits)
{
	ObjectAddress trigger = {TriggerRelationId};
	bool		enabled;

	if (is_waited_for(table) || !lock_table(table, waits))
		return;
	trigger.objectId = find_trigger(table, &enabled);
	if (OidIsValid(trigger.objectId) && !is_waited_for(table))
		performDeletion(&trigger, DROP_RESTRICT, 0);
}

/* A table may have been renamed, so it is not the stream that tells which has a trigger in vain. */
void
kfdw_wake_drop_triggers(const char *table)
{
	Oid			own = kfdw_wake_find_table(table);
	ListCell   *lc;

	foreach(lc, list_tables())
		drop_trigger(lfirst_oid(lc), lfirst_oid(lc) == own);
}
