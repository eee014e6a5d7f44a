/*
 * publish.c
 *	  kafka.publish(): a trigger that writes what changes in a table to a topic.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "delivery/partitioner.h"
#include "delivery/publisher.h"
#include "function/rights.h"
#include "option/options.h"

PG_FUNCTION_INFO_V1(kfdw_publish);
PG_FUNCTION_INFO_V1(kfdw_check_publish);

/* The topic table of a name, which has its schema, so that no search_path changes where records go. */
static Oid
find_target(const char *name)
{
	List	   *parts = kfdw_qualified_name(name);
	Oid			relid = InvalidOid;

	if (list_length(parts) != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid target of kafka.publish(): \"%s\"", name),
				 errhint("Name the foreign table with its schema.")));
	relid = get_relname_relid(strVal(lsecond(parts)), get_namespace_oid(strVal(linitial(parts)), true));
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("target \"%s\" of kafka.publish() does not exist", name)));
	return relid;
}

/* Fails unless the function is called in a way that it can work in. */
static void
check_trigger(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	bool		has_rows;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("kafka.publish() is a trigger function")));
	if (!TRIGGER_FIRED_AFTER(data->tg_event) || TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" must be AFTER INSERT, UPDATE or DELETE", data->tg_trigger->tgname)));
	if (data->tg_trigger->tgnargs == 0)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" names no target", data->tg_trigger->tgname),
				 errhint("Write EXECUTE FUNCTION kafka.publish('schema.foreign_table').")));
	has_rows = (TRIGGER_FIRED_BY_INSERT(data->tg_event) || data->tg_oldtable != NULL) &&
		(TRIGGER_FIRED_BY_DELETE(data->tg_event) || data->tg_newtable != NULL);
	if (TRIGGER_FIRED_FOR_STATEMENT(data->tg_event) && !has_rows)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" does not see the rows that it is to publish", data->tg_trigger->tgname),
				 errhint("Make it FOR EACH ROW, or add REFERENCING OLD TABLE AS ... NEW TABLE AS ...")));
}

/* The table of a trigger; returns the trigger of which it is a copy, if it is one. */
static Oid
read_trigger(Relation triggers, Oid trigger, Oid *relid)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			parent;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(trigger));
	scan = systable_beginscan(triggers, TriggerOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "could not find trigger %u", trigger);
	*relid = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
	parent = ((Form_pg_trigger) GETSTRUCT(tuple))->tgparentid;
	systable_endscan(scan);
	return parent;
}

/* The table that is published: that of the trigger, or the one that it is a partition of. */
static Oid
find_named_table(const TriggerData *data)
{
	Oid			relid = RelationGetRelid(data->tg_relation);
	Oid			trigger = data->tg_trigger->tgoid;
	Relation	triggers;

	if (!data->tg_trigger->tgisclone)
		return relid;
	triggers = table_open(TriggerRelationId, AccessShareLock);
	while (OidIsValid(trigger))
		trigger = read_trigger(triggers, trigger, &relid);
	table_close(triggers, AccessShareLock);
	return relid;
}

/* The publisher of a trigger, which is made once for all rows of a statement. */
static KafkaPublisher *
get_publisher(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	const Trigger *trigger = data->tg_trigger;
	MemoryContext old;
	List	   *keys = NIL;
	KafkaPublisher *publisher;

	if (fcinfo->flinfo->fn_extra != NULL)
		return fcinfo->flinfo->fn_extra;
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	for (int i = 1; i < trigger->tgnargs; i++)
		keys = lappend(keys, makeString(trigger->tgargs[i]));
	publisher = kfdw_publisher_create(data->tg_relation, find_named_table(data), find_target(trigger->tgargs[0]), keys);
	kfdw_publisher_begin(publisher);
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = publisher;
	return publisher;
}

/* A row that changed. */
static void
publish_row(KafkaPublisher *publisher, const TriggerData *data)
{
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		kfdw_publisher_write(publisher, data->tg_trigslot, KAFKA_ROW_INSERTED);
	else if (TRIGGER_FIRED_BY_DELETE(data->tg_event))
		kfdw_publisher_write(publisher, data->tg_trigslot, KAFKA_ROW_DELETED);
	else
	{
		if (!kfdw_publisher_same_key(publisher, data->tg_trigslot, data->tg_newslot))
			kfdw_publisher_write(publisher, data->tg_trigslot, KAFKA_ROW_DELETED);
		kfdw_publisher_write(publisher, data->tg_newslot, KAFKA_ROW_UPDATED);
	}
}

/* Reads the rows of a transition table from the start. */
static void
rewind_rows(Tuplestorestate *rows)
{
	tuplestore_select_read_pointer(rows, tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND));
	tuplestore_rescan(rows);
}

/* Publishes all rows of a transition table. */
static void
publish_table(KafkaPublisher *publisher, Tuplestorestate *rows, TupleTableSlot *slot, KafkaOperation operation)
{
	rewind_rows(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		kfdw_publisher_write(publisher, slot, operation);
	}
	ExecClearTuple(slot);
}

/*
 * All keys that are gone come before all rows that are there now: one row may have taken
 * the key of another.  Old and new rows come in pairs, unless some were not written.
 */
static void
publish_gone(KafkaPublisher *publisher, const TriggerData *data, TupleTableSlot *old, TupleTableSlot *new)
{
	bool		paired = true;

	rewind_rows(data->tg_oldtable);
	rewind_rows(data->tg_newtable);
	while (tuplestore_gettupleslot(data->tg_oldtable, true, false, old))
	{
		CHECK_FOR_INTERRUPTS();
		paired = paired && tuplestore_gettupleslot(data->tg_newtable, true, false, new);
		if (!paired || !kfdw_publisher_same_key(publisher, old, new))
			kfdw_publisher_write(publisher, old, KAFKA_ROW_DELETED);
	}
	ExecClearTuple(old);
	ExecClearTuple(new);
}

/* The rows of a statement. */
static void
publish_statement(KafkaPublisher *publisher, const TriggerData *data)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	TupleTableSlot *other = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);

	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		publish_table(publisher, data->tg_newtable, slot, KAFKA_ROW_INSERTED);
	else if (TRIGGER_FIRED_BY_DELETE(data->tg_event))
		publish_table(publisher, data->tg_oldtable, slot, KAFKA_ROW_DELETED);
	else
	{
		publish_gone(publisher, data, slot, other);
		publish_table(publisher, data->tg_newtable, slot, KAFKA_ROW_UPDATED);
	}
	ExecDropSingleTupleTableSlot(slot);
	ExecDropSingleTupleTableSlot(other);
}

/* A tombstone is to follow its row. */
static void
check_partitioner(Oid target)
{
	KafkaKeyPartitioner partitioner = kfdw_partitioner_of_keys(target);

	if (partitioner.placement == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("cannot publish to foreign table \"%s\", whose partitioner is \"%s\"", get_rel_name(target),
						partitioner.name),
				 errdetail("It ignores the key, and records of the same key would go to several partitions."),
				 errhint("Set another \"partitioner\".")));
}

Datum
kfdw_publish(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	KafkaPublisher *publisher;

	check_trigger(fcinfo);
	publisher = get_publisher(fcinfo);
	if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
		publish_row(publisher, data);
	else
		publish_statement(publisher, data);
	return PointerGetDatum(NULL);
}

/* Who may make a trigger that publishes a table may look at what it would do, and nobody else. */
static void
check_may_publish(Oid source)
{
	AclResult	result;

	kfdw_options_require_relation(source);
	result = pg_class_aclcheck(source, GetUserId(), ACL_TRIGGER);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, get_relkind_objtype(get_rel_relkind(source)), get_rel_name(source));
	if (!kfdw_may_call(GetUserId(), "publish"))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, "kafka.publish");
}

/* Fails where a trigger that publishes a table to a target, by these key columns, would. */
Datum
kfdw_check_publish(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	source;
	Datum	   *names;
	int			count;
	List	   *keys = NIL;

	check_may_publish(relid);
	source = kfdw_options_open_relation(relid, AccessShareLock);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &count);
	for (int i = 0; i < count; i++)
		keys = lappend(keys, makeString(TextDatumGetCString(names[i])));
	(void) kfdw_publisher_create(source, relid, PG_GETARG_OID(1), keys);
	check_partitioner(PG_GETARG_OID(1));
	relation_close(source, NoLock);
	PG_RETURN_VOID();
}
