/*
 * spi.c
 *	  SQL on our own tables, as their owner, in the current transaction.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "catalog/spi.h"
#include "compat.h"

/* The fourth field of our advisory lock tags; there are others in streams.c and source/claim.c. */
#define ROW_LOCK_CLASS 0x6b68

/* How often a read begins anew, see read_undisturbed(). */
#define UNDISTURBED_TRIES 20

/* What the statements on our tables name. */
static const char *const our_tables[] = {
	"offsets", "groups", "instance", "streams", "stored_dead_letters", "stored_parked", "outbox_relays", "outbox", "outbox_ticks"
};

/*
 * A table that has the name of one of ours and was made by somebody else, in a schema
 * that is not the extension's, must never be used: the workers run as whom it names.
 */
static void
check_our_tables(Oid schema)
{
	Oid			extension = get_extension_oid("kafka_fdw", true);

	for (int i = 0; i < lengthof(our_tables); i++)
	{
		Oid			relid = get_relname_relid(our_tables[i], schema);

		if (!OidIsValid(extension) || getExtensionOfObject(RelationRelationId, relid) != extension)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"kafka.%s\" does not belong to extension \"kafka_fdw\"", our_tables[i]),
					 errdetail("It is missing, or another one has its place: the extension is of another version, or its schema was renamed.")));
	}
}

Oid
kfdw_catalog_table(const char *name)
{
	Oid			schema = get_namespace_oid("kafka", true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

void
kfdw_catalog_truncate(Oid relid)
{
	Relation	rel = table_open(relid, AccessExclusiveLock);
	KafkaCatalogScope scope;

	CheckTableNotInUse(rel, "TRUNCATE");
	kfdw_catalog_begin(&scope);
	PushActiveSnapshot(GetTransactionSnapshot());
	kfdw_truncate_unpublished(rel);
	PopActiveSnapshot();
	kfdw_catalog_end(&scope);
	table_close(rel, NoLock);
}

/* The owner of the table kafka.offsets, under whose rights our tables are used. */
static Oid
get_tables_owner(void)
{
	static Oid	checked_relid = InvalidOid;
	Oid			relid = InvalidOid;
	Oid			schema = get_namespace_oid("kafka", true);
	HeapTuple	tuple;
	Oid			owner;

	if (OidIsValid(schema))
		relid = get_relname_relid("offsets", schema);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"kafka.offsets\" does not exist"),
				 OidIsValid(get_extension_oid("kafka_fdw", true)) ?
				 errhint("It was renamed, or its schema: both are found by their names.") :
				 errhint("Run CREATE EXTENSION kafka_fdw in this database.")));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	if (relid != checked_relid)
		check_our_tables(schema);
	checked_relid = relid;
	return owner;
}

/*
 * Our tables are small, and the planner would read them as a whole: for what writes at
 * SERIALIZABLE that is a conflict with whoever writes any row of them, and under an old
 * snapshot elsewhere they are full of versions that nobody may remove yet.  By index, rows
 * of other groups stay out of it.  What can only be read as a whole seems to cost so much then
 * that it would be compiled, which takes a tenth of a second.
 */
static void
plan_by_index(void)
{
	static const char *const settings[] = {"enable_seqscan", "enable_bitmapscan", "enable_indexonlyscan", "jit"};

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void
kfdw_catalog_begin(KafkaCatalogScope *scope)
{
	kfdw_role_begin(&scope->role, get_tables_owner());
	plan_by_index();

	/* what a row has stored out of line is fetched when its query is over */
	scope->has_snapshot = !ActiveSnapshotSet();
	if (scope->has_snapshot)
		PushActiveSnapshot(GetCatalogSnapshot(InvalidOid));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
kfdw_catalog_end(KafkaCatalogScope *scope)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	if (scope->has_snapshot)
		PopActiveSnapshot();
	kfdw_role_end(&scope->role);
}

/* The lock that stands for a row that is not there yet. */
static void
make_row_tag(LOCKTAG *tag, const char *name)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) name, (int) strlen(name), 0);

	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, ROW_LOCK_CLASS);
}

void
kfdw_catalog_be_alone(const char *name)
{
	LOCKTAG		tag;

	make_row_tag(&tag, name);
	if (LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
		return;

	/* that may take for ever */
	if (kfdw_lock_holder(&tag, ExclusiveLock) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("a prepared transaction has to be committed or rolled back first"),
				 errdetail("It is the first to use a group, an outbox or this database, and decides whose that is."),
				 errhint("See pg_prepared_xacts, then try again.")));
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
kfdw_catalog_share(const char *name)
{
	LOCKTAG		tag;

	make_row_tag(&tag, name);
	(void) LockAcquire(&tag, ShareLock, false, false);
}

bool
kfdw_catalog_try_alone(const char *name)
{
	LOCKTAG		tag;

	make_row_tag(&tag, name);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* The statement's plan, prepared once; revalidation is the plan cache's work. */
static SPIPlanPtr
get_plan(KafkaStatement *statement)
{
	if (statement->plan == NULL)
	{
		SPIPlanPtr	prepared = SPI_prepare(statement->sql, statement->nargs, statement->argtypes);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare \"%s\": %s", statement->sql,
				 SPI_result_code_string(SPI_result));
		statement->plan = prepared;
	}
	return statement->plan;
}

/* Runs a statement that writes under a snapshot. */
static uint64
write_under(Snapshot snapshot, KafkaStatement *statement, Datum *values, const char *nulls)
{
	int			result;

	/* the end of a query or of a transaction has no snapshot of its own */
	result = SPI_execute_snapshot(get_plan(statement), values, nulls, snapshot, InvalidSnapshot,
								  false, true, 0);
	if (result < 0)
		elog(ERROR, "\"%s\" failed: %s", statement->sql, SPI_result_code_string(result));
	return SPI_processed;
}

uint64
kfdw_catalog_write(KafkaStatement *statement, Datum *values, const char *nulls)
{
	return write_under(GetTransactionSnapshot(), statement, values, nulls);
}

uint64
kfdw_catalog_write_rows(KafkaStatement *statement, Datum *values, const char *nulls, const KafkaRows *rows)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));
	int			result;

	relation->md.name = pstrdup(rows->name);
	relation->md.reliddesc = rows->relid;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = tuplestore_tuple_count(rows->store);
	relation->reldata = rows->store;
	result = SPI_register_relation(relation);
	if (result != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register \"%s\": %s", rows->name, SPI_result_code_string(result));
	return write_under(GetTransactionSnapshot(), statement, values, nulls);
}

/* The newest snapshot: one of the catalogs is always new, and can be taken beside parallel workers. */
static Snapshot
get_newest_snapshot(void)
{
	return GetCatalogSnapshot(InvalidOid);
}

/*
 * At SERIALIZABLE reading by an MVCC snapshot is a conflict with who inserts into the same
 * page of an index.  What is committed, read as it is, conflicts with nobody, and while no
 * transaction that writes ends it is what a snapshot shows.  When one does, a row that it has
 * changed may be missing, or there twice: the read begins anew.  Where they end too fast for
 * that, a conflict, which can be repeated, is better than a wrong answer.
 */
static uint64
read_undisturbed(KafkaStatement *statement, Datum *values, const char *nulls)
{
	for (int i = 0; i < UNDISTURBED_TRIES; i++)
	{
		uint64		ended = get_newest_snapshot()->snapXactCompletionCount;
		uint64		rows = kfdw_catalog_read_as_of(statement, values, nulls, SnapshotSelf);

		if (get_newest_snapshot()->snapXactCompletionCount == ended)
			return rows;
		SPI_freetuptable(SPI_tuptable);
	}
	return kfdw_catalog_read_as_of(statement, values, nulls, get_newest_snapshot());
}

uint64
kfdw_catalog_read(KafkaStatement *statement, Datum *values, const char *nulls)
{
	/* claims and compare-and-set keep positions, not the snapshot */
	if (IsolationIsSerializable())
		return read_undisturbed(statement, values, nulls);
	return kfdw_catalog_read_as_of(statement, values, nulls, get_newest_snapshot());
}

uint64
kfdw_catalog_read_as_of(KafkaStatement *statement, Datum *values, const char *nulls, Snapshot snapshot)
{
	int			result;

	PushActiveSnapshot(snapshot);
	result = SPI_execute_plan(get_plan(statement), values, nulls, true, 0);
	PopActiveSnapshot();
	if (result < 0)
		elog(ERROR, "\"%s\" failed: %s", statement->sql, SPI_result_code_string(result));
	return SPI_processed;
}

uint64
kfdw_catalog_change(KafkaStatement *statement, Datum *values)
{
	return kfdw_catalog_change_nulls(statement, values, NULL);
}

uint64
kfdw_catalog_change_nulls(KafkaStatement *statement, Datum *values, const char *nulls)
{
	KafkaCatalogScope scope;
	uint64		changed;

	kfdw_catalog_begin(&scope);
	changed = write_under(GetLatestSnapshot(), statement, values, nulls);
	kfdw_catalog_end(&scope);
	return changed;
}

bool
kfdw_catalog_has_row(KafkaStatement *statement, Datum *values)
{
	KafkaCatalogScope scope;
	bool		has_row;

	kfdw_catalog_begin(&scope);
	has_row = kfdw_catalog_read(statement, values, NULL) > 0;
	kfdw_catalog_end(&scope);
	return has_row;
}

KafkaRow
kfdw_catalog_row(uint64 index)
{
	return (KafkaRow) {SPI_tuptable->vals[index], SPI_tuptable->tupdesc, 0};
}

Datum
kfdw_row_value(KafkaRow *row)
{
	bool		isnull;

	return SPI_getbinval(row->tuple, row->desc, ++row->column, &isnull);
}

bool
kfdw_row_bool(KafkaRow *row)
{
	return DatumGetBool(kfdw_row_value(row));
}

int32
kfdw_row_int4(KafkaRow *row)
{
	return DatumGetInt32(kfdw_row_value(row));
}

int64
kfdw_row_int8(KafkaRow *row)
{
	return DatumGetInt64(kfdw_row_value(row));
}

Oid
kfdw_row_oid(KafkaRow *row)
{
	return DatumGetObjectId(kfdw_row_value(row));
}

TransactionId
kfdw_row_xid(KafkaRow *row)
{
	return DatumGetTransactionId(kfdw_row_value(row));
}

char *
kfdw_row_text(KafkaRow *row)
{
	return SPI_getvalue(row->tuple, row->desc, ++row->column);
}

List *
kfdw_catalog_list(KafkaStatement *statement, Datum *values, void *(*make) (KafkaRow *row))
{
	MemoryContext context = CurrentMemoryContext;
	List	   *list = NIL;
	KafkaCatalogScope scope;
	uint64		rows;

	kfdw_catalog_begin(&scope);
	rows = kfdw_catalog_read(statement, values, NULL);
	for (uint64 i = 0; i < rows; i++)
	{
		KafkaRow	row = kfdw_catalog_row(i);
		MemoryContext old = MemoryContextSwitchTo(context);

		void	   *made = make(&row);

		if (made != NULL)
			list = lappend(list, made);
		MemoryContextSwitchTo(old);
	}
	kfdw_catalog_end(&scope);
	return list;
}

void *
kfdw_catalog_get(KafkaStatement *statement, Datum *values, void *(*make) (KafkaRow *row))
{
	List	   *list = kfdw_catalog_list(statement, values, make);

	return list == NIL ? NULL : linitial(list);
}

Portal
kfdw_catalog_open_cursor(KafkaStatement *statement, Datum *values)
{
	Portal		cursor;

	PushActiveSnapshot(get_newest_snapshot());
	cursor = SPI_cursor_open(NULL, get_plan(statement), values, NULL, true);
	PopActiveSnapshot();
	return cursor;
}

void
kfdw_catalog_close_cursor(Portal cursor)
{
	SPI_cursor_close(cursor);
}
