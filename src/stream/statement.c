/*
 * statement.c
 *	  The statement of a stream: checked when it is created, run for each batch.
 *
 * It is planned again for each batch, as the best plan depends on the number of
 * records, and each plan is checked: tables, views and functions may have changed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "catalog/role_scope.h"
#include "compat.h"
#include "stream/order.h"
#include "stream/plan_tables.h"
#include "stream/plan_use.h"
#include "stream/procedure.h"
#include "stream/statement.h"
#include "stream/target.h"
#include "stream/update_guard.h"

/* A statement that is planned: one plan, or several where rules say so. */
typedef struct PlannedStatement
{
	const char *text;
	List	   *plans;
	bool		is_call;
	bool		may_be_limited; /* a LIMIT in a plan may be the statement's */
	KafkaPlanTables tables;
	int			scans;			/* of the source, so far */
	StringInfo	explained;		/* gets the plans; NULL: nobody asks */
} PlannedStatement;


/* Planning ----------------------------------------------------------------- */

/* An error's position is one in the stream's statement, not in the command that creates it. */
void
kfdw_statement_point_into(void *argument)
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

/* The queries of a statement, rewritten by rules. */
static List *
analyze(const char *text, bool *is_call)
{
	RawStmt    *raw = parse_one(text);

	*is_call = IsA(raw->stmt, CallStmt);
	return pg_analyze_and_rewrite_fixedparams(raw, text, NULL, 0, NULL);
}

/* Plans a statement whose source may be known; what its queries say is filled in, where that is asked for. */
static PlannedStatement
plan_statement(const char *text, Oid source, KafkaStatementInfo *info)
{
	ErrorContextCallback context = {error_context_stack, kfdw_statement_point_into, unconstify(char *, text)};
	PlannedStatement statement = {.text = text};
	List	   *queries;
	ListCell   *lc;

	error_context_stack = &context;
	queries = analyze(text, &statement.is_call);
	statement.may_be_limited = kfdw_plan_use_may_be_limited(queries);
	foreach(lc, queries)
	{
		bool		in_source_order = kfdw_order_by_source(lfirst_node(Query, lc), source);

		if (info == NULL)
			continue;
		info->in_source_order &= in_source_order;
		if (info->missing_key == NULL)
			info->missing_key = kfdw_target_missing_key(lfirst_node(Query, lc));
	}

	/* no parallel plans: the batch is in this process */
	statement.plans = pg_plan_queries(queries, text, 0, NULL);
	error_context_stack = context.previous;
	return statement;
}

/*
 * Finds the source of a statement, and checks that it is the one that was given.  A
 * table that took the name of another one would be read as a whole with each batch.
 */
static void
find_source(PlannedStatement *statement, Oid given)
{
	ListCell   *lc;

	if (statement->is_call)
		statement->tables.source = given;	/* what a procedure reads is its own affair */
	else
		foreach(lc, statement->plans)
			kfdw_plan_tables_read(lfirst_node(PlannedStmt, lc), &statement->tables);
	kfdw_plan_tables_check_source(&statement->tables, given);
}


/* Checks ------------------------------------------------------------------- */

/* Refuses a started plan that would lose records. */
static void
check_use(QueryDesc *query, PlannedStatement *statement)
{
	KafkaPlanUse use = kfdw_plan_use(query, statement->tables.source);

	statement->scans += use.scans;
	if (statement->scans > 1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a stream's statement cannot read topic table \"%s\" twice",
						get_rel_name(statement->tables.source)),
				 errhint("Read it once, in a MATERIALIZED common table expression.")));
	if (use.limited && statement->may_be_limited)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a stream's statement cannot read its source under a LIMIT or OFFSET"),
				 errdetail("Records that it leaves would be lost, as the whole batch counts as read."),
				 errhint("The argument \"max_poll_records\" of kafka.create_stream() bounds a batch.")));
	if (use.skips_locked)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a stream's statement cannot use SKIP LOCKED"),
				 errdetail("Records that meet a locked row would be lost, as the whole batch counts as read."),
				 errhint("Without it the batch waits for the row.")));
	kfdw_plan_use_check_one_of(&use);
}

/* Starts a plan without running it: privileges are checked, too. */
static void
check_plan(PlannedStmt *plan, PlannedStatement *statement)
{
	QueryDesc  *query;

	kfdw_plan_tables_written(plan, &statement->tables);
	PushActiveSnapshot(GetTransactionSnapshot());
	query = CreateQueryDesc(plan, statement->text, GetActiveSnapshot(), InvalidSnapshot,
							None_Receiver, NULL, NULL, 0);
	ExecutorStart(query, EXEC_FLAG_EXPLAIN_ONLY);
	check_use(query, statement);
	if (statement->explained != NULL)
		kfdw_explain_query(query, false, statement->explained);
	ExecutorEnd(query);
	FreeQueryDesc(query);
	PopActiveSnapshot();
}

static void
check_plans(PlannedStatement *statement)
{
	ListCell   *lc;

	foreach(lc, statement->plans)
	{
		PlannedStmt *plan = lfirst_node(PlannedStmt, lc);

		if (plan->commandType != CMD_UTILITY)
		{
			check_plan(plan, statement);
			continue;
		}
		kfdw_procedure_check(plan);
		if (statement->explained != NULL)
			appendStringInfoString(statement->explained, "Utility Statement, whose queries show when it runs\n");
	}
}

void
kfdw_statement_check(const char *text, Oid source, KafkaStatementInfo *info)
{
	PlannedStatement statement;

	*info = (KafkaStatementInfo) {.in_source_order = true};
	statement = plan_statement(text, source, info);
	find_source(&statement, source);
	check_plans(&statement);
	info->source = statement.tables.source;
	info->writes_at_least_once = statement.tables.writes_at_least_once;
}

bool
kfdw_statement_tables(const char *text, KafkaQueryTables *tables)
{
	bool		is_call;

	kfdw_query_tables_add(analyze(text, &is_call), tables);
	return !is_call;
}

void
kfdw_statement_explain(const char *text, Oid source, StringInfo plan)
{
	PlannedStatement statement = plan_statement(text, source, NULL);

	statement.explained = plan;
	find_source(&statement, source);
	check_plans(&statement);
}

void
kfdw_statement_check_query(const char *text, Oid source)
{
	ErrorContextCallback context = {error_context_stack, kfdw_statement_point_into, unconstify(char *, text)};
	PlannedStatement statement = {.text = text, .tables.source = source};
	List	   *queries;

	error_context_stack = &context;
	queries = pg_analyze_and_rewrite_fixedparams(linitial_node(RawStmt, pg_parse_query(text)), text, NULL, 0, NULL);
	statement.plans = pg_plan_queries(queries, text, 0, NULL);
	check_plans(&statement);
	error_context_stack = context.previous;
}


/* Running ------------------------------------------------------------------ */

/* Checks relations that the statement writes. */
static void
check_written(List *relations, PlannedStatement *statement)
{
	ListCell   *lc;

	foreach(lc, relations)
		kfdw_plan_tables_check_target(RelationGetRelid(((ResultRelInfo *) lfirst(lc))->ri_RelationDesc),
									  &statement->tables);
}

/*
 * Runs a query; returns the number of rows that it wrote.  What it writes is checked before it
 * could send anything; which partitions rows go to is known afterwards only.
 */
static uint64
run_query(PlannedStmt *plan, PlannedStatement *statement)
{
	uint64		rows;
	QueryDesc  *query;

	query = CreateQueryDesc(plan, statement->text, GetActiveSnapshot(), InvalidSnapshot,
							None_Receiver, NULL, NULL, statement->explained ? INSTRUMENT_TIMER : 0);
	ExecutorStart(query, 0);
	check_use(query, statement);
	check_written(query->estate->es_opened_result_relations, statement);
	kfdw_plan_tables_check_topics(plan, &statement->tables);
	kfdw_update_guard(query);
	kfdw_run_to_end(query);
	rows = plan->canSetTag ? query->estate->es_processed : 0;
	check_written(query->estate->es_tuple_routing_result_relations, statement);
	ExecutorFinish(query);
	if (statement->explained != NULL)
		kfdw_explain_query(query, true, statement->explained);
	ExecutorEnd(query);
	FreeQueryDesc(query);
	return rows;
}

/*
 * Runs a plan under a snapshot of its own, so that it sees what those before it did.  A row
 * that another transaction commits meanwhile is seen by both or none of its queries.
 */
static uint64
run_plan(PlannedStmt *plan, PlannedStatement *statement, const KafkaUnmatched *unmatched)
{
	uint64		rows = 0;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (unmatched != NULL)
		kfdw_unmatched_find(unmatched);
	if (plan->commandType == CMD_UTILITY)
		kfdw_procedure_run(plan, statement->text, statement->tables.source, statement->explained);
	else
		rows = run_query(plan, statement);
	PopActiveSnapshot();
	return rows;
}

/*
 * MERGE and ON CONFLICT fail where records of a batch meet in a row.  The message is
 * told by its untranslated text, as the same code is that of sub-selects with two rows.
 */
static void
explain_second_time(void *argument)
{
	MemoryContext old;
	ErrorData  *error;

	if (geterrcode() != ERRCODE_CARDINALITY_VIOLATION)
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	error = CopyErrorData();
	MemoryContextSwitchTo(old);
	if (error->message_id != NULL && strstr(error->message_id, "a second time") != NULL)
		errhint(KFDW_ONE_ROW_HINT);
}

uint64
kfdw_statement_run(const char *text, const char *search_path, Oid source, StringInfo measured,
				   const KafkaUnmatched *unmatched)
{
	ErrorContextCallback context = {.callback = explain_second_time};
	uint64		rows = 0;
	PlannedStatement statement;
	ListCell   *lc;

	kfdw_role_set_search_path(search_path);
	PushActiveSnapshot(GetTransactionSnapshot());
	statement = plan_statement(text, source, NULL);
	statement.explained = measured;
	find_source(&statement, source);
	context.previous = error_context_stack;
	error_context_stack = &context;
	foreach(lc, statement.plans)
		rows += run_plan(lfirst_node(PlannedStmt, lc), &statement, lc == list_head(statement.plans) ? unmatched : NULL);
	error_context_stack = context.previous;
	PopActiveSnapshot();
	return rows;
}
