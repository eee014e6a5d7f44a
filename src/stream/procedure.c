/*
 * procedure.c
 *	  A stream's statement that is a CALL.
 *
 * What a procedure does shows only when it runs, so each of its queries that reads the
 * source is looked at then.  At least one must use the batch in full: one without a
 * LIMIT, run to its end.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "stream/plan_use.h"
#include "stream/procedure.h"
#include "stream/update_guard.h"

/* A procedure can run any number of queries: no more of them are measured than so many bytes show. */
#define MAX_MEASURED 8192

static ExecutorStart_hook_type previous_start_hook = NULL;
static ExecutorRun_hook_type previous_run_hook = NULL;
static ExecutorEnd_hook_type previous_end_hook = NULL;

/* while a procedure runs */
static Oid	watched_source = InvalidOid;
static bool used_in_full;
static StringInfo measured_plans = NULL;	/* NULL: they are not measured */

/* The procedure that a CALL calls. */
static Oid
called(const PlannedStmt *plan)
{
	return castNode(CallStmt, plan->utilityStmt)->funcexpr->funcid;
}

/* For other statements starting the plan tells. */
void
kfdw_procedure_check(const PlannedStmt *plan)
{
	if (!IsA(plan->utilityStmt, CallStmt))
		return;					/* what a rule adds */
	if (!kfdw_procedure_may_run(called(plan), GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_PROCEDURE, get_func_name(called(plan)));
}

/* True for a plan that has one row at most: that of an aggregate, or of no table. */
static bool
has_one_row(const Plan *plan)
{
	if (IsA(plan, Agg))
		return ((const Agg *) plan)->aggstrategy == AGG_PLAIN && ((const Agg *) plan)->groupingSets == NIL;
	return IsA(plan, Result) && outerPlan(plan) == NULL;
}

/* True when a query that was run for a number of rows, 0 being all, has no more of them. */
static bool
has_ended(const QueryDesc *query, uint64 count)
{
	bool		returns_rows = query->operation == CMD_SELECT || query->plannedstmt->hasReturning;

	return count == 0 || !returns_rows || query->estate->es_processed < count || has_one_row(query->plannedstmt->planTree);
}

/* True for a query of the procedure, or of what it calls, that reads the source. */
static bool
is_watched(const QueryDesc *query)
{
	return OidIsValid(watched_source) && list_member_oid(query->plannedstmt->relationOids, watched_source);
}

static void
watch_start(QueryDesc *query, int eflags)
{
	if (is_watched(query) && measured_plans != NULL && measured_plans->len < MAX_MEASURED)
		query->instrument_options |= INSTRUMENT_TIMER;
	if (previous_start_hook != NULL)
		previous_start_hook(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

static void
watch_end(QueryDesc *query)
{
	if (is_watched(query) && measured_plans != NULL && query->instrument_options & INSTRUMENT_TIMER)
		kfdw_explain_query(query, true, measured_plans);
	if (previous_end_hook != NULL)
		previous_end_hook(query);
	else
		standard_ExecutorEnd(query);
}

static void
watch_run(KFDW_EXECUTOR_RUN_PARAMETERS)
{
	KafkaPlanUse use = {0};

	if (is_watched(query))
	{
		use = kfdw_plan_use(query, watched_source);
		kfdw_plan_use_check_one_of(&use);
		kfdw_update_guard(query);
	}
	if (previous_run_hook != NULL)
		previous_run_hook(KFDW_EXECUTOR_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(KFDW_EXECUTOR_RUN_ARGUMENTS);
	if (use.scans > 0 && !use.limited && !use.skips_locked && has_ended(query, count))
		used_in_full = true;
}

/* Looks at queries from now on; only workers do. */
static void
install_watch(void)
{
	static bool installed = false;

	if (installed)
		return;
	previous_start_hook = ExecutorStart_hook;
	ExecutorStart_hook = watch_start;
	previous_run_hook = ExecutorRun_hook;
	ExecutorRun_hook = watch_run;
	previous_end_hook = ExecutorEnd_hook;
	ExecutorEnd_hook = watch_end;
	installed = true;
}

/* Runs a CALL in a nested context, in which a procedure cannot commit. */
static void
run_utility(PlannedStmt *plan, const char *text)
{
	QueryCompletion completion;

	InitializeQueryCompletion(&completion);
	ProcessUtility(plan, text, false, PROCESS_UTILITY_QUERY, NULL, NULL, None_Receiver, &completion);
}

void
kfdw_procedure_run(PlannedStmt *plan, const char *text, Oid source, StringInfo measured)
{
	if (!IsA(plan->utilityStmt, CallStmt))
	{
		run_utility(plan, text);
		return;
	}
	install_watch();
	watched_source = source;
	used_in_full = false;
	measured_plans = measured;
	PG_TRY();
	{
		run_utility(plan, text);
	}
	PG_FINALLY();
	{
		watched_source = InvalidOid;
		measured_plans = NULL;
	}
	PG_END_TRY();
	if (!used_in_full)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("procedure \"%s\" has not used the whole batch", get_func_name(called(plan))),
				 errdetail("Records that it leaves would be lost, as the whole batch counts as read."),
				 errhint("One query must read table \"%s\" without LIMIT and to its end, also where a loop over it is left early.",
						 get_rel_name(source))));
}
