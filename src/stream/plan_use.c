/*
 * plan_use.c
 *	  What a plan does with the records of a stream's batch.
 *
 * From the scans upwards it is followed what the rows of each node stand for.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "stream/plan_use.h"

/* What the rows of a node are, ored together. */
#define ROWS_OF_RECORDS		0x01	/* they come from records: each must be used */
#define ROWS_REPEAT_KEYS	0x02	/* several can have the same key */
#define ROWS_UNKNOWN		0x04	/* the node was not looked at yet */

typedef struct PlanTrace
{
	Oid			source;
	List	   *subplans;		/* of the statement, also common table expressions */
	int		   *subplan_rows;	/* what theirs are */
	int			work_rows;		/* those of the recursion around */
	KafkaPlanUse use;
} PlanTrace;

static int	trace_node(PlanState *node, PlanTrace *trace);

/* A subplan is used in any number of places and traced once. */
static int
trace_subplan(int id, PlanTrace *trace)
{
	int		   *rows = &trace->subplan_rows[id - 1];

	if (*rows == ROWS_UNKNOWN)
		*rows = trace_node(list_nth(trace->subplans, id - 1), trace);
	return *rows;
}

static int
trace_nodes(PlanState **nodes, int count, PlanTrace *trace)
{
	int			rows = 0;

	for (int i = 0; i < count; i++)
		rows |= trace_node(nodes[i], trace);
	return rows;
}

/* True where one of some relations of the query is the source. */
static bool
has_source(const Bitmapset *relids, const PlanState *node, const PlanTrace *trace)
{
	int			relid = -1;

	while ((relid = bms_next_member(relids, relid)) >= 0)
	{
		const RangeTblEntry *entry = exec_rt_fetch(relid, node->state);

		if (entry->rtekind == RTE_RELATION && entry->relid == trace->source)
			return true;
	}
	return false;
}

/* The rows of a scan of some relations: of one, or of several that are joined, and perhaps aggregated, elsewhere. */
static int
trace_scan(const Bitmapset *relids, const PlanState *node, PlanTrace *trace)
{
	if (!has_source(relids, node, trace))
		return 0;
	trace->use.scans++;
	return ROWS_OF_RECORDS | ROWS_REPEAT_KEYS;
}

/* Those of a node of an extension, which may read by others. */
static int
trace_custom_scan(const CustomScanState *node, PlanTrace *trace)
{
	int			scans = trace->use.scans;
	int			rows = 0;
	ListCell   *lc;

	foreach(lc, node->custom_ps)
		rows |= trace_node(lfirst(lc), trace);
	rows |= trace_node(outerPlanState(node), trace);
	rows |= trace_node(innerPlanState(node), trace);
	if (trace->use.scans == scans)
		rows |= trace_scan(((CustomScan *) node->ss.ps.plan)->custom_relids, &node->ss.ps, trace);
	return rows;
}

/* The rows that a node takes from those below it. */
static int
trace_inputs(PlanState *node, PlanTrace *trace)
{
	switch (nodeTag(node))
	{
		case T_AppendState:
			return trace_nodes(((AppendState *) node)->appendplans, ((AppendState *) node)->as_nplans, trace);
		case T_MergeAppendState:
			return trace_nodes(((MergeAppendState *) node)->mergeplans, ((MergeAppendState *) node)->ms_nplans, trace);
		case T_SubqueryScanState:
			return trace_node(((SubqueryScanState *) node)->subplan, trace);
		case T_CteScanState:
			return trace_subplan(((CteScan *) node->plan)->ctePlanId, trace);
		default:
			return trace_node(outerPlanState(node), trace);
	}
}

/* The rows of a join: those that it only tests for a match do not multiply it. */
static int
trace_join(JoinState *join, PlanTrace *trace)
{
	int			outer = trace_node(outerPlanState(join), trace);
	int			inner = trace_node(innerPlanState(join), trace);

	if (join->jointype == JOIN_SEMI || join->jointype == JOIN_ANTI)
		inner &= ~ROWS_REPEAT_KEYS;
	if (kfdw_join_tests_outer(join->jointype))
		outer &= ~ROWS_REPEAT_KEYS;
	return outer | inner;
}

/* The recursive part of a query reads what the other part has made, then what itself has. */
static int
trace_recursion(PlanState *node, PlanTrace *trace)
{
	int			around = trace->work_rows;
	int			rows = trace_node(outerPlanState(node), trace);
	int			scans = trace->use.scans;

	trace->work_rows = rows;
	rows |= trace_node(innerPlanState(node), trace);
	if (rows != trace->work_rows)
	{
		trace->use.scans = scans;
		trace->work_rows = rows;
		rows |= trace_node(innerPlanState(node), trace);
	}
	trace->work_rows = around;
	return rows;
}

/* True for expressions with something of the rows that a node reads from below. */
static bool
has_outer_var(Node *node, void *argument)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varno == OUTER_VAR)
		return true;
	return expression_tree_walker(node, has_outer_var, argument);
}

bool
kfdw_plan_use_one_of(const ModifyTableState *node)
{
	const ModifyTable *plan = (const ModifyTable *) node->ps.plan;

	return node->operation == CMD_UPDATE ||
		(node->operation == CMD_DELETE && has_outer_var((Node *) plan->returningLists, NULL));
}

/* True for a node that leaves rows out which somebody else has locked. */
static bool
skips_locked(const PlanState *node)
{
	ListCell   *lc;

	foreach(lc, ((const LockRows *) node->plan)->rowMarks)
		if (lfirst_node(PlanRowMark, lc)->waitPolicy == LockWaitSkip)
			return true;
	return false;
}

/* What the rows of a node are, from what those are that it reads. */
static int
trace_rows(PlanState *node, PlanTrace *trace)
{
	int			rows;

	switch (nodeTag(node))
	{
		case T_ForeignScanState:
			return trace_scan(((ForeignScan *) node->plan)->fs_relids, node, trace);
		case T_CustomScanState:
			return trace_custom_scan((CustomScanState *) node, trace);
		case T_NestLoopState:
		case T_MergeJoinState:
		case T_HashJoinState:
			return trace_join((JoinState *) node, trace);
		case T_RecursiveUnionState:
			return trace_recursion(node, trace);
		case T_WorkTableScanState:
			return trace->work_rows;
		case T_AggState:
			rows = trace_inputs(node, trace);
			return ((AggState *) node)->numaggs > 0 ? 0 : rows & ~ROWS_REPEAT_KEYS;
		case T_GroupState:
		case T_UniqueState:
			return trace_inputs(node, trace) & ~ROWS_REPEAT_KEYS;
		case T_SetOpState:
			return (trace_inputs(node, trace) | trace_node(innerPlanState(node), trace)) & ~ROWS_REPEAT_KEYS;
		case T_LimitState:
			rows = trace_inputs(node, trace);
			if (rows & ROWS_OF_RECORDS)
				trace->use.limited = true;
			return rows;
		case T_LockRowsState:
			trace->use.skips_locked |= skips_locked(node);
			return trace_inputs(node, trace);
		case T_ModifyTableState:
			rows = trace_inputs(node, trace);
			if (rows & ROWS_REPEAT_KEYS && kfdw_plan_use_one_of((ModifyTableState *) node))
				trace->use.one_of = (ModifyTableState *) node;
			return rows;
		default:
			return trace_inputs(node, trace);
	}
}

/*
 * Traces a node and the subplans in its expressions: those decide which rows there are,
 * but do not multiply them.  What an InitPlan gives is a value and no row; a common table
 * expression is one as well, whose rows are for whoever scans it.
 */
static int
trace_node(PlanState *node, PlanTrace *trace)
{
	int			rows;
	ListCell   *lc;

	if (node == NULL)
		return 0;
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	foreach(lc, node->initPlan)
		(void) trace_subplan(lfirst_node(SubPlanState, lc)->subplan->plan_id, trace);
	rows = trace_rows(node, trace);
	foreach(lc, node->subPlan)
		rows |= trace_subplan(lfirst_node(SubPlanState, lc)->subplan->plan_id, trace) & ~ROWS_REPEAT_KEYS;
	return rows;
}

KafkaPlanUse
kfdw_plan_use(QueryDesc *query, Oid source)
{
	PlanTrace	trace = {.source = source, .subplans = query->estate->es_subplanstates};
	int			count = list_length(trace.subplans);

	trace.subplan_rows = palloc((count + 1) * sizeof(int));
	for (int i = 0; i < count; i++)
		trace.subplan_rows[i] = ROWS_UNKNOWN;
	(void) trace_node(query->planstate, &trace);
	return trace.use;
}

void
kfdw_plan_use_check_one_of(const KafkaPlanUse *use)
{
	bool		updates = use->one_of != NULL && use->one_of->operation == CMD_UPDATE;

	if (use->one_of == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 updates ?
			 errmsg("a stream's statement cannot update table \"%s\" from records that are joined to it one by one",
					RelationGetRelationName(use->one_of->rootResultRelInfo->ri_RelationDesc)) :
			 errmsg("a stream's statement cannot delete from table \"%s\" and return records that are joined to it one by one",
					RelationGetRelationName(use->one_of->rootResultRelInfo->ri_RelationDesc)),
			 updates ?
			 errdetail("Of several records of a batch that meet a row, an UPDATE applies one.") :
			 errdetail("Of several records of a batch that meet a row, a DELETE returns one."),
			 errhint(KFDW_ONE_ROW_HINT)));
}

/* Functions of SQL become parts of the query that uses them, with their limits. */
static bool
may_be_limited(Node *node, void *argument)
{
	ListCell   *lc;
	Query	   *query = (Query *) node;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, may_be_limited, argument);
	if (query->limitCount != NULL || query->limitOffset != NULL)
		return true;
	foreach(lc, query->rtable)
		if (lfirst_node(RangeTblEntry, lc)->rtekind == RTE_FUNCTION)
			return true;
	return query_tree_walker(query, may_be_limited, argument, 0);
}

bool
kfdw_plan_use_may_be_limited(List *queries)
{
	return may_be_limited((Node *) queries, NULL);
}
