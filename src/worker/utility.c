/*
 * utility.c
 *	  Ends the workers of a database before a command that they are in the way of:
 *	  DROP DATABASE, ALTER DATABASE RENAME and SET TABLESPACE, CREATE DATABASE from
 *	  it, DROP EXTENSION, DROP OWNED BY the extension's owner.
 *
 * Whoever may not run the command ends nothing.  When its transaction is over, a
 * scout looks whether there is still something to run.
 *
 * COMMIT PREPARED is no end of a transaction as its session sees it: what that has changed
 * is told to workers here.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "stat/wait.h"
#include "worker/own_slot.h"
#include "worker/shared.h"
#include "worker/slots.h"
#include "worker/utility.h"

#define MAX_WAIT_MS 5000
#define SIGNAL_AGAIN_MS 200

static ProcessUtility_hook_type previous_hook = NULL;
static KafkaWaitEvent end_wait = {"KafkaWorkersEnd"};

/* True for superusers and for roles that have CREATEDB. */
static bool
may_create_databases(void)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	bool		may = HeapTupleIsValid(tuple) && ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return may || superuser();
}

bool
kfdw_utility_is_template(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool		is = HeapTupleIsValid(tuple) && ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return is;
}

/* A database that the user owns, InvalidOid when there is no such. */
static Oid
find_own_database(const char *name)
{
	Oid			database = get_database_oid(name, true);

	return OidIsValid(database) && kfdw_database_ownercheck(database, GetUserId()) ?
		database : InvalidOid;
}

/* This database, whose workers are in the way of dropping our extension. */
static Oid
drop_extension_from(void)
{
	if (kfdw_own_slot_exists())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot drop extension \"kafka_fdw\" in the statement of a stream"),
				 errdetail("The worker that runs it would have to end first.")));
	return MyDatabaseId;
}

/* This database, if the command drops our extension from it, or the schema that it is in. */
static Oid
find_dropped_extension(const DropStmt *drop)
{
	const char *name = drop->removeType == OBJECT_EXTENSION ? "kafka_fdw" : "kafka";
	ListCell   *lc;

	if (drop->removeType != OBJECT_EXTENSION && drop->removeType != OBJECT_SCHEMA)
		return InvalidOid;
	foreach(lc, drop->objects)
	{
		Oid			extension;

		if (strcmp(strVal(lfirst(lc)), name) != 0)
			continue;
		extension = get_extension_oid("kafka_fdw", true);
		if (OidIsValid(extension) && kfdw_extension_ownercheck(extension, GetUserId()))
			return drop_extension_from();
	}
	return InvalidOid;
}

/* The owner of our extension in this database; InvalidOid: it is not there. */
static Oid
get_extension_owner(void)
{
	Relation	extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("kafka_fdw"));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	owner = HeapTupleIsValid(tuple) ? ((Form_pg_extension) GETSTRUCT(tuple))->extowner : InvalidOid;
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
	return owner;
}

/* This database, if the command drops what the owner of our extension has, and the user may do that. */
static Oid
find_dropped_owner(const DropOwnedStmt *drop)
{
	Oid			owner = get_extension_owner();
	ListCell   *lc;

	foreach(lc, drop->roles)
		if (OidIsValid(owner) && get_rolespec_oid(lfirst(lc), true) == owner && has_privs_of_role(GetUserId(), owner))
			return drop_extension_from();
	return InvalidOid;
}

/* ALTER DATABASE SET TABLESPACE moves files; its other forms are in nobody's way. */
static Oid
find_moved_database(const AlterDatabaseStmt *alter)
{
	ListCell   *lc;

	foreach(lc, alter->options)
		if (strcmp(lfirst_node(DefElem, lc)->defname, "tablespace") == 0)
			return find_own_database(alter->dbname);
	return InvalidOid;
}

/* A database of which the command may say whether workers can run in it. */
static Oid
find_altered_database(const Node *command)
{
	return IsA(command, AlterDatabaseStmt) ? find_own_database(((const AlterDatabaseStmt *) command)->dbname) : InvalidOid;
}

/* The database that a new one is copied from, if the user may do that; a template serves everybody. */
static Oid
find_copied_database(const CreatedbStmt *create)
{
	const char *name = NULL;
	Oid			database;
	ListCell   *lc;

	foreach(lc, create->options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
			name = defGetString(option);
	}
	if (name == NULL || get_database_oid(create->dbname, true) != InvalidOid || !may_create_databases())
		return InvalidOid;
	database = get_database_oid(name, true);
	return kfdw_utility_is_template(database) ? database : find_own_database(name);
}

/* The database that must be without workers for this command, else InvalidOid. */
static Oid
find_database(const Node *command)
{
	switch (nodeTag(command))
	{
		case T_DropdbStmt:
			return find_own_database(((const DropdbStmt *) command)->dbname);
		case T_CreatedbStmt:
			return find_copied_database((const CreatedbStmt *) command);
		case T_AlterDatabaseStmt:
			return find_moved_database((const AlterDatabaseStmt *) command);
		case T_RenameStmt:
			return ((const RenameStmt *) command)->renameType == OBJECT_DATABASE ?
				find_own_database(((const RenameStmt *) command)->subname) : InvalidOid;
		case T_DropStmt:
			return find_dropped_extension((const DropStmt *) command);
		case T_DropOwnedStmt:
			return find_dropped_owner((const DropOwnedStmt *) command);
		default:
			return InvalidOid;
	}
}

/* Ends the workers of a database and waits, for a bounded time, until they are gone. */
static void
empty_database(Oid database)
{
	TimestampTz end = TimestampTzPlusMilliseconds(kfdw_wait_now(), MAX_WAIT_MS);

	/* a worker that does this to its own database fails by itself */
	if (database == MyDatabaseId && kfdw_own_slot_exists())
		return;
	kfdw_shared_hold(database);
	ConditionVariablePrepareToSleep(&kfdw_shared->ended);
	while (kfdw_slot_end_database(database) && kfdw_wait_now() < end)
		(void) ConditionVariableTimedSleep(&kfdw_shared->ended, SIGNAL_AGAIN_MS, kfdw_wait_event(&end_wait));
	ConditionVariableCancelSleep();
}

/* True for COMMIT PREPARED. */
static bool
commits_prepared(const Node *command)
{
	return IsA(command, TransactionStmt) && ((const TransactionStmt *) command)->kind == TRANS_STMT_COMMIT_PREPARED;
}

/* The hook. */
static void
run_utility(PlannedStmt *statement, const char *text, bool read_only_tree,
			ProcessUtilityContext context, ParamListInfo params,
			QueryEnvironment *environment, DestReceiver *destination,
			QueryCompletion *completion)
{
	Oid			database = find_database(statement->utilityStmt);
	bool		prepared = commits_prepared(statement->utilityStmt);
	Oid			altered = find_altered_database(statement->utilityStmt);

	if (OidIsValid(database))
		empty_database(database);
	if (previous_hook != NULL)
		previous_hook(statement, text, read_only_tree, context, params,
					  environment, destination, completion);
	else
		standard_ProcessUtility(statement, text, read_only_tree, context, params,
								environment, destination, completion);

	/* the statement may be freed */
	if (OidIsValid(altered))
		kfdw_shared_ping_altered_at_end(altered);

	/* nobody knows any more what was changed */
	if (prepared)
		kfdw_slot_stir(MyDatabaseId, InvalidOid);
}

void
kfdw_utility_init(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = run_utility;
}
