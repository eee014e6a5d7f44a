/*
 * modify.c
 *	  INSERT, COPY FROM and routed partitions: a row becomes a record, which is
 *	  delivered as the table's options say.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "executor/executor.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "delivery/delivery.h"
#include "fdw/fdw.h"
#include "format/codec.h"

typedef struct KafkaModifyState
{
	KafkaRowCodec *codec;
	KafkaWriter *writer;
	bool		at_once;		/* RETURNING asks where each record is */
	MemoryContext row_context;	/* reset for each row */
} KafkaModifyState;

/* A topic is append-only. */
int
kafkaIsForeignRelUpdatable(Relation relation)
{
	return 1 << CMD_INSERT;
}

/* True when RETURNING has columns that are known when a record has been sent. */
static bool
returns_sent(Oid relid, Index relation, Node *returning)
{
	Relation	table = table_open(relid, NoLock);
	Bitmapset  *used = NULL;
	KafkaColumns *columns;
	bool		found = false;

	pull_varattnos(returning, relation, &used);
	columns = kfdw_columns_create(relid, RelationGetDescr(table), false, used);
	for (int i = 0; i < columns->natts; i++)
		found |= columns->column[i].attnum != 0 && columns->column[i].needed &&
			kfdw_columns_set_by_broker(columns->column[i].kind);
	table_close(table, NoLock);
	return found;
}

/* Tells whether the records are to be sent at once. */
List *
kafkaPlanForeignModify(PlannerInfo *root, ModifyTable *plan, Index relation, int subplan)
{
	Oid			relid = planner_rt_fetch(relation, root)->relid;
	const char *name = get_rel_name(relid);
	bool		at_once = false;

	if (plan->operation != CMD_INSERT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot update or delete rows of foreign table \"%s\"", name),
				 errdetail("A Kafka topic is append-only."),
				 errhint("INSERT a record with the same key and the new value, or with \"tombstone\" true, which deletes the key in a compacted topic.")));
	if (plan->onConflictAction != ONCONFLICT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("ON CONFLICT is not supported for foreign table \"%s\"", name),
				 errdetail("A Kafka topic has no unique keys."),
				 errhint("In a compacted topic the newest record of a key replaces the older ones.")));
	if (plan->returningLists != NIL)
		at_once = returns_sent(relid, relation, list_nth(plan->returningLists, subplan));
	return list_make1(makeBoolean(at_once));
}

/* Prepares inserting into a table: options, encoder, and where its records go. */
static KafkaModifyState *
begin_insert(ResultRelInfo *relinfo, EState *estate)
{
	Relation	relation = relinfo->ri_RelationDesc;
	Oid			userid = kfdw_result_userid(relinfo, estate);
	KafkaTableOptions *options = kfdw_options_written_table(RelationGetRelid(relation), userid);
	KafkaColumns *columns = kfdw_columns_create(RelationGetRelid(relation), RelationGetDescr(relation), true, NULL);
	KafkaModifyState *state = palloc0(sizeof(KafkaModifyState));

	state->codec = kfdw_codec_create(columns, &options->format);
	state->writer = kfdw_delivery_begin(options, userid);
	state->row_context = AllocSetContextCreate(estate->es_query_cxt, "kafka_fdw row",
											   ALLOCSET_DEFAULT_SIZES);
	return state;
}

void
kafkaBeginForeignModify(ModifyTableState *mtstate, ResultRelInfo *relinfo,
						List *fdw_private, int subplan, int eflags)
{
	KafkaModifyState *state;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	state = begin_insert(relinfo, mtstate->ps.state);
	state->at_once = boolVal(linitial(fdw_private));
	relinfo->ri_FdwState = state;
}

/* COPY FROM, and rows that a partitioned table routes here. */
void
kafkaBeginForeignInsert(ModifyTableState *mtstate, ResultRelInfo *relinfo)
{
	if (mtstate->ps.plan != NULL)
	{
		ModifyTable *plan = (ModifyTable *) mtstate->ps.plan;

		if (plan->returningLists != NIL || plan->onConflictAction != ONCONFLICT_NONE ||
			mtstate->operation != CMD_INSERT)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot route a row to foreign table \"%s\" here",
							RelationGetRelationName(relinfo->ri_RelationDesc)),
					 errdetail("Rows reach a Kafka topic by a plain INSERT or COPY, without RETURNING or ON CONFLICT.")));
	}
	relinfo->ri_FdwState = begin_insert(relinfo, mtstate->ps.state);
}

/*
 * Policies, views, constraints and partition bounds hold for what is inserted.  The executor
 * leaves them to the remote side, and a topic has none.  A row that was routed here
 * fits, unless a trigger has changed it since.
 */
static void
check_row(EState *estate, ResultRelInfo *relinfo, TupleTableSlot *slot)
{
	Relation	relation = relinfo->ri_RelationDesc;
	bool		routed = relinfo->ri_RootResultRelInfo != NULL &&
		(relinfo->ri_TrigDesc == NULL || !relinfo->ri_TrigDesc->trig_insert_before_row);

	/* those of the table that it was routed from */
	ExecWithCheckOptions(WCO_RLS_INSERT_CHECK, relinfo, slot, estate);
	if (RelationGetDescr(relation)->constr != NULL)
		ExecConstraints(relinfo, slot, estate);
	if (relation->rd_rel->relispartition && !routed)
		ExecPartitionCheck(relinfo, slot, estate, true);
	/* the executor looks when the record may have left */
	ExecWithCheckOptions(WCO_VIEW_CHECK, relinfo, slot, estate);
}

/* Sends a row's record and sets the columns that are known by then. */
static void
send_row(KafkaModifyState *state, TupleTableSlot *slot, KafkaRecord *record)
{
	HeapTuple	tuple;

	kfdw_delivery_send_now(state->writer, record);
	kfdw_codec_decode_sent(state->codec, record, slot->tts_values, slot->tts_isnull);
	MemoryContextSwitchTo(slot->tts_mcxt);
	tuple = heap_form_tuple(slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
	ExecForceStoreHeapTuple(tuple, slot, true);
}

TupleTableSlot *
kafkaExecForeignInsert(EState *estate, ResultRelInfo *relinfo,
					   TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	KafkaModifyState *state = relinfo->ri_FdwState;
	KafkaRecord record = {0};
	MemoryContext old;

	check_row(estate, relinfo, slot);
	old = MemoryContextSwitchTo(state->row_context);
	slot_getallattrs(slot);
	kfdw_codec_encode(state->codec, slot->tts_values, slot->tts_isnull, false, &record);
	if (state->at_once)
		send_row(state, slot, &record);
	else
		kfdw_delivery_add(state->writer, &record);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->row_context);
	return slot;
}
