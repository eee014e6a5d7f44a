/*
 * statement.c
 *	  The statement of a stream: checked when it is created, run for each batch.
 *
 * It is planned again for each batch, as the best plan depends on the number of
 * records.  The scan of the source gives every record a ctid that ascends with
 * partition and offset; sorting by it keeps the order whatever join is chosen.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_clause.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "option/options.h"
#include "stream/statement.h"

/* What check_limits() carries. */
typedef struct LimitCheck
{
	Oid			source;
	List	   *levels;			/* the queries around, the innermost first */
} LimitCheck;

static void point_into_statement(void *argument);
static RawStmt *parse_one(const char *text);
static List *plan_statement(RawStmt *raw, const char *text, Oid source, bool *in_source_order);

static bool order_by_source(Query *query, Oid source);
static bool is_plain_select(const Query *query);
static int	find_source(Node *node, const Query *query, Oid source);

static bool check_limits(Node *node, LimitCheck *check);
static void check_call(const Node *utility);

static void find_topics(const PlannedStmt *plan, KafkaStatementInfo *info);
static void check_source(Oid source, Oid found);
static void check_still_source(List *plans, Oid source);
static void start_only(PlannedStmt *plan, const char *text);
static uint64 run_plan(PlannedStmt *plan, const char *text);

void
kfdw_statement_check(const char *text, Oid source, KafkaStatementInfo *info)
{
	ErrorContextCallback context = {error_context_stack, point_into_statement, unconstify(char *, text)};
	RawStmt    *raw;
	List	   *plans;
	ListCell   *lc;

	error_context_stack = &context;
	raw = parse_one(text);
	plans = plan_statement(raw, text, source, &info->in_source_order);
	error_context_stack = context.previous;

	info->source = InvalidOid;
	info->writes_topic = false;
	foreach(lc, plans)
	{
		PlannedStmt *plan = lfirst_node(PlannedStmt, lc);

		if (plan->commandType != CMD_UTILITY)
		{
			find_topics(plan, info);
			start_only(plan, text);
		}
		else
			check_call(plan->utilityStmt);
	}
	if (IsA(raw->stmt, CallStmt) && OidIsValid(source))
		info->source = source;
	check_source(source, info->source);
}

uint64
kfdw_statement_run(const char *text, const char *search_path, Oid source)
{
	ErrorContextCallback context = {error_context_stack, point_into_statement, unconstify(char *, text)};
	uint64		rows = 0;
	bool		in_source_order;
	List	   *plans;
	ListCell   *lc;

	(void) set_config_option("search_path", search_path, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	error_context_stack = &context;
	plans = plan_statement(parse_one(text), text, source, &in_source_order);
	error_context_stack = context.previous;
	check_still_source(plans, source);
	foreach(lc, plans)
		rows += run_plan(lfirst_node(PlannedStmt, lc), text);
	PopActiveSnapshot();
	return rows;
}

/* An error's position is one in the stream's statement, not in the command that creates it. */
static void
point_into_statement(void *argument)
{
	int			position = geterrposition();

	if (position <= 0)
		return;
	errposition(0);
	internalerrposition(position);
	internalerrquery(argument);
}

/* Parses the text, which must be one statement of a kind that has effects. */
static RawStmt *
parse_one(const char *text)
{
	List	   *parsed = pg_parse_query(text);
	RawStmt    *raw;

	if (list_length(parsed) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("a stream runs one statement, not %d", list_length(parsed))));
	raw = linitial_node(RawStmt, parsed);
	switch (nodeTag(raw->stmt))
	{
		case T_InsertStmt:
		case T_UpdateStmt:
		case T_DeleteStmt:
		case T_MergeStmt:
		case T_CallStmt:
			return raw;
		case T_SelectStmt:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a stream cannot run a SELECT"),
					 errhint("Write INSERT INTO a table SELECT ..., so that the rows go somewhere.")));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a stream can run INSERT, UPDATE, DELETE, MERGE or CALL only")));
	}
	return NULL;				/* keep the compiler quiet */
}

/* The plans of a statement: one, or several where rules say so. */
static List *
plan_statement(RawStmt *raw, const char *text, Oid source, bool *in_source_order)
{
	List	   *queries = pg_analyze_and_rewrite_fixedparams(raw, text, NULL, 0, NULL);
	LimitCheck	check = {source};
	ListCell   *lc;

	*in_source_order = true;
	(void) check_limits((Node *) queries, &check);
	foreach(lc, queries)
		*in_source_order &= order_by_source(lfirst_node(Query, lc), source);

	/* no parallel plans: the batch is in this process */
	return pg_plan_queries(queries, text, 0, NULL);
}


/* Order -------------------------------------------------------------------- */

/*
 * Sorts the rows of a plain INSERT ... SELECT by the source's ctid.  False when the
 * statement is not such a one: the order is then its own.
 */
static bool
order_by_source(Query *query, Oid source)
{
	RangeTblEntry *rte;
	Query	   *select;
	int			index;
	TargetEntry *target;
	SortGroupClause *sort;

	if (query->commandType != CMD_INSERT || list_length(query->jointree->fromlist) != 1 ||
		!IsA(linitial(query->jointree->fromlist), RangeTblRef))
		return false;
	rte = rt_fetch(linitial_node(RangeTblRef, query->jointree->fromlist)->rtindex, query->rtable);
	if (rte->rtekind != RTE_SUBQUERY || !is_plain_select(rte->subquery))
		return false;
	select = rte->subquery;
	if (select->sortClause != NIL)
		return true;			/* an order was asked for */
	index = find_source((Node *) select->jointree, select, source);
	if (index == 0)
		return false;

	target = makeTargetEntry((Expr *) makeVar(index, SelfItemPointerAttributeNumber, TIDOID, -1, InvalidOid, 0),
							 list_length(select->targetList) + 1, pstrdup("ctid"), true);
	select->targetList = lappend(select->targetList, target);
	sort = makeNode(SortGroupClause);
	sort->tleSortGroupRef = assignSortGroupRef(target, select->targetList);
	get_sort_group_operators(TIDOID, true, true, false, &sort->sortop, &sort->eqop, NULL, &sort->hashable);
	select->sortClause = list_make1(sort);
	return true;
}

/* Where each row comes from one row of the FROM clause, and all are taken. */
static bool
is_plain_select(const Query *query)
{
	return query->commandType == CMD_SELECT && !query->hasAggs && !query->hasWindowFuncs &&
		query->groupClause == NIL && query->groupingSets == NIL && query->havingQual == NULL &&
		query->distinctClause == NIL && query->setOperations == NULL &&
		query->limitCount == NULL && query->limitOffset == NULL;
}

/* Without a source any topic table is it. */
static bool
is_source(const RangeTblEntry *rte, Oid source)
{
	return rte->rtekind == RTE_RELATION &&
		(OidIsValid(source) ? rte->relid == source : kfdw_options_is_topic_table(rte->relid));
}

/*
 * The index of the source in a FROM clause, where no outer join makes its columns
 * NULL; 0 where it is not there.
 */
static int
find_source(Node *node, const Query *query, Oid source)
{
	ListCell   *lc;
	int			index = 0;

	if (IsA(node, RangeTblRef))
	{
		RangeTblEntry *rte = rt_fetch(((RangeTblRef *) node)->rtindex, query->rtable);

		if (is_source(rte, source))
			index = ((RangeTblRef *) node)->rtindex;
	}
	else if (IsA(node, FromExpr))
	{
		foreach(lc, ((FromExpr *) node)->fromlist)
			if (index == 0)
				index = find_source(lfirst(lc), query, source);
	}
	else if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		if (join->jointype == JOIN_INNER || join->jointype == JOIN_LEFT)
			index = find_source(join->larg, query, source);
		if (index == 0 && (join->jointype == JOIN_INNER || join->jointype == JOIN_RIGHT))
			index = find_source(join->rarg, query, source);
	}
	return index;
}


/* Limits ------------------------------------------------------------------- */

/* LIMIT ALL and OFFSET NULL say nothing. */
static bool
is_limit(const Node *limit)
{
	return limit != NULL && !(IsA(limit, Const) && ((const Const *) limit)->constisnull);
}

/* The query of a common table expression, NULL when it has effects or reads itself. */
static const Query *
find_cte(const Query *level, const char *name)
{
	ListCell   *lc;

	foreach(lc, level->cteList)
	{
		const CommonTableExpr *cte = lfirst_node(CommonTableExpr, lc);
		const Query *query = castNode(Query, cte->ctequery);

		if (strcmp(cte->ctename, name) == 0)
			return query->commandType == CMD_SELECT && !cte->cterecursive ? query : NULL;
	}
	return NULL;
}

/*
 * True when a query that stops early stops the reading of the source, at its own level
 * or one below it that does not collect rows first.  Levels are those of the query and
 * of what it is part of, the innermost first.
 */
static bool
passes_source_on(List *levels, Oid source)
{
	const Query *query = linitial(levels);
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		const RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		List	   *outer = levels;
		const Query *below = NULL;

		if (is_source(rte, source))
			return true;
		if (rte->rtekind == RTE_SUBQUERY)
			below = rte->subquery;
		else if (rte->rtekind == RTE_CTE)
		{
			outer = list_copy_tail(levels, rte->ctelevelsup);
			below = find_cte(linitial(outer), rte->ctename);
		}
		if (below != NULL && !below->hasAggs && below->groupClause == NIL &&
			passes_source_on(lcons(unconstify(Query *, below), list_copy(outer)), source))
			return true;
	}
	return false;
}

/* A batch counts as read, so what a LIMIT leaves of it would be lost: an error. */
static bool
check_limits(Node *node, LimitCheck *check)
{
	Query	   *query = (Query *) node;
	LimitCheck	inner = *check;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, check_limits, check);
	inner.levels = lcons(query, list_copy(check->levels));
	if ((is_limit(query->limitCount) || is_limit(query->limitOffset)) && passes_source_on(inner.levels, inner.source))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a stream's statement cannot read its source under a LIMIT or OFFSET"),
				 errdetail("Records that it leaves would be lost, as the whole batch counts as read."),
				 errhint("The argument \"max_poll_records\" of kafka.create_stream() bounds a batch.")));
	return query_tree_walker(query, check_limits, &inner, 0);
}


/* Checks ------------------------------------------------------------------- */

/* A procedure must be one that the user may call; for other statements starting the plan tells. */
static void
check_call(const Node *utility)
{
	Oid			procedure;

	if (!IsA(utility, CallStmt))
		return;
	procedure = ((const CallStmt *) utility)->funcexpr->funcid;
	if (!kfdw_procedure_may_run(procedure, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_PROCEDURE, get_func_name(procedure));
}

/* Finds the topic tables that a plan reads, of which there may be one, and those that it writes. */
static void
find_topics(const PlannedStmt *plan, KafkaStatementInfo *info)
{
	int			index = 0;
	ListCell   *lc;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		index++;
		if (rte->rtekind == RTE_RELATION && get_rel_persistence(rte->relid) == RELPERSISTENCE_TEMP)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("a stream's statement cannot use temporary table \"%s\"", get_rel_name(rte->relid))));
		if (rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_FOREIGN_TABLE ||
			!kfdw_options_is_topic_table(rte->relid))
			continue;
		if (list_member_int(plan->resultRelations, index))
			info->writes_topic = true;
		else if (!OidIsValid(info->source))
			info->source = rte->relid;
		else if (info->source == rte->relid)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a stream's statement cannot read topic table \"%s\" twice", get_rel_name(rte->relid)),
					 errhint("Read it once, in a MATERIALIZED common table expression.")));
		else
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a stream's statement cannot read two topic tables, \"%s\" and \"%s\"",
							get_rel_name(info->source), get_rel_name(rte->relid)),
					 errdetail("Their records would meet only within a batch."),
					 errhint("Let a stream of its own write one of the topics into a table, and join that.")));
	}
}

/* The source must be known, and be the one that was given. */
static void
check_source(Oid source, Oid found)
{
	if (!OidIsValid(found))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("the stream's statement reads no topic table"),
				 errhint("Name the topic table in \"source\" where the statement is a CALL.")));
	if (OidIsValid(source) && source != found)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("the stream's statement reads topic table \"%s\", not its source \"%s\"",
						get_rel_name(found), get_rel_name(source))));
}

/*
 * The statement must still read its source and no other topic table: a table that took
 * the name of another one would be read as a whole with each batch.
 */
static void
check_still_source(List *plans, Oid source)
{
	KafkaStatementInfo info = {0};
	ListCell   *lc;

	foreach(lc, plans)
	{
		PlannedStmt *plan = lfirst_node(PlannedStmt, lc);

		if (plan->commandType == CMD_UTILITY)
			return;				/* what a procedure reads is its own affair */
		find_topics(plan, &info);
	}
	check_source(source, info.source);
}

/* Starts a plan without running it: privileges are checked. */
static void
start_only(PlannedStmt *plan, const char *text)
{
	QueryDesc  *query;

	PushActiveSnapshot(GetTransactionSnapshot());
	query = CreateQueryDesc(plan, text, GetActiveSnapshot(), InvalidSnapshot, None_Receiver, NULL, NULL, 0);
	ExecutorStart(query, EXEC_FLAG_EXPLAIN_ONLY);
	ExecutorEnd(query);
	FreeQueryDesc(query);
	PopActiveSnapshot();
}


/* Running ------------------------------------------------------------------ */

static uint64
run_utility(PlannedStmt *plan, const char *text)
{
	QueryCompletion completion;

	/* a nested context, in which a procedure cannot commit */
	InitializeQueryCompletion(&completion);
	ProcessUtility(plan, text, false, PROCESS_UTILITY_QUERY, NULL, NULL, None_Receiver, &completion);
	return 0;
}

static uint64
run_query(PlannedStmt *plan, const char *text)
{
	uint64		rows;
	QueryDesc  *query;

	query = CreateQueryDesc(plan, text, GetActiveSnapshot(), InvalidSnapshot, None_Receiver, NULL, NULL, 0);
	ExecutorStart(query, 0);
	kfdw_run_to_end(query);
	rows = plan->canSetTag ? query->estate->es_processed : 0;
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
	return rows;
}

/* Runs a plan under a snapshot of its own, so that it sees what those before it did. */
static uint64
run_plan(PlannedStmt *plan, const char *text)
{
	uint64		rows;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	rows = plan->commandType == CMD_UTILITY ? run_utility(plan, text) : run_query(plan, text);
	PopActiveSnapshot();
	return rows;
}
