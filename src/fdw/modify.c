/*
 * modify.c
 *	  INSERT, COPY FROM and routed partitions: a row becomes a record that the
 *	  transaction holds until it commits.
 *
 * What can be known now fails now: an unknown topic, a partition that is not there,
 * a value that cannot be encoded.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "delivery/record_log.h"
#include "fdw/fdw.h"
#include "kafka/producer.h"

typedef struct KafkaModifyState
{
	KafkaTableOptions *options;
	KafkaRowCodec *codec;
	int			target;			/* in the log of held records */
	int			npartitions;
	MemoryContext row_context;	/* reset for each row */
} KafkaModifyState;

/*
 * What a record takes beside its key, value and headers: a batch of its own and all
 * lengths at their longest, which is how Kafka's clients and brokers count.
 */
#define RECORD_OVERHEAD (61 + 36)
#define HEADER_OVERHEAD 10

/* A topic is append-only. */
int
kafkaIsForeignRelUpdatable(Relation relation)
{
	return 1 << CMD_INSERT;
}

List *
kafkaPlanForeignModify(PlannerInfo *root, ModifyTable *plan, Index relation, int subplan)
{
	const char *name = get_rel_name(planner_rt_fetch(relation, root)->relid);

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
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("RETURNING is not supported for foreign table \"%s\"", name),
				 errdetail("Records are sent when the transaction commits; partition and offset are not known before.")));
	return NIL;
}

/* Prepares inserting into a table: options, encoder, and that the topic is there. */
static KafkaModifyState *
begin_insert(ResultRelInfo *relinfo, EState *estate)
{
	Relation	relation = relinfo->ri_RelationDesc;
	Oid			userid = kfdw_result_userid(relinfo, estate);
	KafkaModifyState *state = palloc0(sizeof(KafkaModifyState));
	KafkaColumns *columns;

	state->options = kfdw_options_table(RelationGetRelid(relation), userid);
	columns = kfdw_columns_create(RelationGetRelid(relation), RelationGetDescr(relation), true, NULL);
	state->codec = kfdw_codec_create(columns, state->options->format);
	state->target = kfdw_log_target(state->options, userid);
	state->npartitions = kfdw_producer_partition_count(kfdw_producer_get(&state->options->producer),
													   state->options->topic, -1);
	state->row_context = AllocSetContextCreate(estate->es_query_cxt, "kafka_fdw row",
											   ALLOCSET_DEFAULT_SIZES);
	return state;
}

void
kafkaBeginForeignModify(ModifyTableState *mtstate, ResultRelInfo *relinfo,
						List *fdw_private, int subplan, int eflags)
{
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	relinfo->ri_FdwState = begin_insert(relinfo, mtstate->ps.state);
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

/* What the broker would refuse at COMMIT is refused here. */
static void
check_record(KafkaModifyState *state, const KafkaRecord *record)
{
	size_t		size = RECORD_OVERHEAD + record->key_len + record->value_len;

	/* the topic may have grown */
	if (record->partition >= state->npartitions)
		state->npartitions = kfdw_producer_partition_count(kfdw_producer_get(&state->options->producer),
														   state->options->topic, record->partition);

	if (record->partition >= state->npartitions)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic \"%s\" has no partition %d", state->options->topic, record->partition),
				 errdetail("It has partitions 0 to %d.", state->npartitions - 1)));
	for (int i = 0; i < record->nheaders; i++)
		size += HEADER_OVERHEAD + strlen(record->headers[i].key) + record->headers[i].value_len;
	if (size > (size_t) state->options->max_request_size)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("record for topic \"%s\" is too large", state->options->topic),
				 errdetail("With key, value and headers it has up to %zu bytes; the option \"max_request_size\" allows %d.",
						   size, state->options->max_request_size)));
}

TupleTableSlot *
kafkaExecForeignInsert(EState *estate, ResultRelInfo *relinfo,
					   TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	KafkaModifyState *state = relinfo->ri_FdwState;
	MemoryContext old = MemoryContextSwitchTo(state->row_context);
	KafkaRecord record = {0};

	slot_getallattrs(slot);
	kfdw_codec_encode(state->codec, slot->tts_values, slot->tts_isnull, &record);
	check_record(state, &record);
	kfdw_log_append(state->target, &record);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->row_context);
	return slot;
}
