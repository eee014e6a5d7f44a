/*
 * update_guard.c
 *	  An UPDATE, or a DELETE that returns what it joins, that meets a row twice is an
 *	  error, as a MERGE is.
 *
 * The executor does not tell which rows it skips.  So the node that feeds it is
 * wrapped, and the addresses of the rows that it finds are remembered.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "storage/itemptr.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "stream/plan_use.h"
#include "stream/update_guard.h"

/* A row to change; all of its bytes are compared. */
typedef struct RowAddress
{
	Oid			table;			/* 0 where there is only one */
	ItemPointerData tid;
} RowAddress;

typedef struct UpdateGuard
{
	PlanState  *node;			/* feeds the change */
	ModifyTableState *change;
	ExecProcNodeMtd next_row;	/* its own function */
	const char *table;
	AttrNumber	tid_column;
	AttrNumber	table_column;	/* invalid where there is only one table */
	HTAB	   *rows;
	struct UpdateGuard *next;
	MemoryContextCallback callback;
} UpdateGuard;

static UpdateGuard *guards = NULL;

/* The query is over. */
static void
forget_guard(void *argument)
{
	UpdateGuard **link = &guards;

	while (*link != argument)
		link = &(*link)->next;
	*link = (*link)->next;
}

static UpdateGuard *
find_guard(const PlanState *node)
{
	UpdateGuard *guard = guards;

	while (guard != NULL && guard->node != node)
		guard = guard->next;
	return guard;
}

/* A change that a foreign server makes by itself joins no record, and its rows are what has been done. */
static bool
is_made_elsewhere(const UpdateGuard *guard, Oid table)
{
	const ResultRelInfo *relation = guard->change->resultRelInfo;

	if (OidIsValid(table))
		relation = ExecLookupResultRelByOid(guard->change, table, false, false);
	return relation->ri_usesFdwDirectModify;
}

/* Remembers a row; an error when it was there before. */
static void
note_row(UpdateGuard *guard, TupleTableSlot *slot)
{
	RowAddress	address;
	bool		updates = guard->change->operation == CMD_UPDATE;
	bool		isnull;
	bool		found;
	Datum		tid = ExecGetJunkAttribute(slot, guard->tid_column, &isnull);

	if (isnull)
		return;
	memset(&address, 0, sizeof(address));
	ItemPointerCopy((ItemPointer) DatumGetPointer(tid), &address.tid);
	if (AttributeNumberIsValid(guard->table_column))
		address.table = DatumGetObjectId(ExecGetJunkAttribute(slot, guard->table_column, &isnull));
	if (is_made_elsewhere(guard, address.table))
		return;
	(void) hash_search(guard->rows, &address, HASH_ENTER, &found);
	if (found)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 updates ?
				 errmsg("a batch updates a row of table \"%s\" a second time", guard->table) :
				 errmsg("a batch deletes a row of table \"%s\" a second time", guard->table),
				 updates ?
				 errdetail("An UPDATE applies one of the rows that are joined to it.") :
				 errdetail("A DELETE returns one of the rows that are joined to it."),
				 errhint(KFDW_ONE_ROW_HINT)));
}

/* In place of the function of the node that feeds a change */
static TupleTableSlot *
next_guarded_row(PlanState *node)
{
	UpdateGuard *guard = find_guard(node);
	TupleTableSlot *slot = guard->next_row(node);

	if (!TupIsNull(slot))
		note_row(guard, slot);
	return slot;
}

/* Wraps the node that feeds a change.  Rows of what is no table of PostgreSQL have no address. */
static void
guard_change(ModifyTableState *change)
{
	PlanState  *node = outerPlanState(change);
	MemoryContext context = change->ps.state->es_query_cxt;
	AttrNumber	tid_column = ExecFindJunkAttributeInTlist(node->plan->targetlist, "ctid");
	HASHCTL		control = {.keysize = sizeof(RowAddress), .entrysize = sizeof(RowAddress), .hcxt = context};
	UpdateGuard *guard;

	if (!AttributeNumberIsValid(tid_column) || find_guard(node) != NULL)
		return;
	guard = MemoryContextAllocZero(context, sizeof(UpdateGuard));
	guard->node = node;
	guard->next_row = node->ExecProcNodeReal;
	guard->change = change;
	guard->table = RelationGetRelationName(change->rootResultRelInfo->ri_RelationDesc);
	guard->tid_column = tid_column;
	guard->table_column = ExecFindJunkAttributeInTlist(node->plan->targetlist, "tableoid");
	guard->rows = hash_create("kafka_fdw changed rows", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	guard->callback.func = forget_guard;
	guard->callback.arg = guard;
	guard->next = guards;
	guards = guard;
	MemoryContextRegisterResetCallback(context, &guard->callback);
	ExecSetExecProcNode(node, next_guarded_row);
}

static bool
guard_changes(PlanState *node, void *argument)
{
	if (IsA(node, ModifyTableState) && kfdw_plan_use_one_of((ModifyTableState *) node))
		guard_change((ModifyTableState *) node);
	return planstate_tree_walker(node, guard_changes, argument);
}

void
kfdw_update_guard(QueryDesc *query)
{
	(void) guard_changes(query->planstate, NULL);
}
