/*
 * compat.c
 *	  What differs between PostgreSQL versions.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/transam.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_proc.h"
#include "commands/explain.h"
#include "commands/tablecmds.h"
#include "common/jsonapi.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/pathnode.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/jsonfuncs.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/wait_event.h"

/* 18 split the state and the functions that print properties off commands/explain.h. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#include "rewrite/rewriteHandler.h"
#endif

/* 17 has numbers of processes in place of backend ids. */
#if PG_VERSION_NUM >= 170000
#include "storage/procnumber.h"
#else
#include "storage/backendid.h"
#endif

#include "compat.h"

/* 16 reports softly where an error context is given. */
void
kfdw_json_report(int error, JsonLexContext *lexer)
{
#if PG_VERSION_NUM >= 160000
	json_errsave_error((JsonParseErrorType) error, lexer, NULL);
#else
	json_ereport_error((JsonParseErrorType) error, lexer);
#endif
}

/* 17 can fill a caller's lexer and takes constant input. */
JsonLexContext *
kfdw_make_json_lexer(const char *json, size_t len, int encoding, bool need_escapes)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, json, len, encoding, need_escapes);
#else
	return makeJsonLexContextCstringLen(unconstify(char *, json), (int) len, encoding, need_escapes);
#endif
}

int
kfdw_backend_number(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProcNumber;
#else
	return MyBackendId;
#endif
}

void
kfdw_truncate_unpublished(struct RelationData *rel)
{
#if PG_VERSION_NUM >= 160000
	ExecuteTruncateGuts(list_make1(rel), list_make1_oid(RelationGetRelid(rel)), NIL, DROP_RESTRICT, false, false);
#else
	ExecuteTruncateGuts(list_make1(rel), list_make1_oid(RelationGetRelid(rel)), NIL, DROP_RESTRICT, false);
#endif
}

/* 16 has one function in place of one for each kind of object. */
bool
kfdw_database_ownercheck(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, database, role);
#else
	return pg_database_ownercheck(database, role);
#endif
}

/* The same. */
bool
kfdw_relation_ownercheck(Oid relation, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relation, role);
#else
	return pg_class_ownercheck(relation, role);
#endif
}

/* The same. */
bool
kfdw_extension_ownercheck(Oid extension, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(ExtensionRelationId, extension, role);
#else
	return pg_extension_ownercheck(extension, role);
#endif
}

/* The same. */
bool
kfdw_server_may_be_used(Oid server, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ForeignServerRelationId, server, role, ACL_USAGE) == ACLCHECK_OK;
#else
	return pg_foreign_server_aclcheck(server, role, ACL_USAGE) == ACLCHECK_OK;
#endif
}

/* The same. */
bool
kfdw_procedure_may_run(Oid procedure, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, procedure, role, ACL_EXECUTE) == ACLCHECK_OK;
#else
	return pg_proc_aclcheck(procedure, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

/* 16 reports softly where an error context is given. */
List *
kfdw_qualified_name(const char *name)
{
#if PG_VERSION_NUM >= 160000
	return stringToQualifiedNameList(name, NULL);
#else
	return stringToQualifiedNameList(name);
#endif
}

/* 16 can grant membership in a role without the right to set it. */
void
kfdw_check_can_set_role(Oid member, Oid role)
{
#if PG_VERSION_NUM >= 160000
	check_can_set_role(member, role);
#else
	check_is_member_of_role(member, role);
#endif
}

/* 17 allows subtransactions of code that ends them itself. */
bool
kfdw_may_begin_subtransaction(void)
{
#if PG_VERSION_NUM >= 170000
	return true;
#else
	return !IsInParallelMode();
#endif
}

/* 18 runs a plan once only, always. */
void
kfdw_run_to_end(QueryDesc *query)
{
#if PG_VERSION_NUM >= 180000
	ExecutorRun(query, ForwardScanDirection, 0);
#else
	ExecutorRun(query, ForwardScanDirection, 0, true);
#endif
}

/* 16 has sets of them, by relation, in place of Vars. */
Bitmapset *
kfdw_nonnull_columns(Node *condition, int relation)
{
	List	   *found = find_nonnullable_vars(condition);
	Bitmapset  *columns = NULL;
#if PG_VERSION_NUM >= 160000
	const Bitmapset *members = list_length(found) > relation ? list_nth_node(Bitmapset, found, relation) : NULL;
	int			member = -FirstLowInvalidHeapAttributeNumber;

	/* behind the whole row, which is number 0 */
	while ((member = bms_next_member(members, member)) >= 0)
		columns = bms_add_member(columns, member + FirstLowInvalidHeapAttributeNumber);
#else
	ListCell   *lc;

	foreach(lc, found)
		if (lfirst_node(Var, lc)->varno == relation && lfirst_node(Var, lc)->varattno > 0)
			columns = bms_add_member(columns, lfirst_node(Var, lc)->varattno);
#endif
	return columns;
}

/* 16 added one, 18 another. */
bool
kfdw_join_tests_outer(int type)
{
#if PG_VERSION_NUM >= 180000
	if (type == JOIN_RIGHT_SEMI)
		return true;
#endif
#if PG_VERSION_NUM >= 160000
	if (type == JOIN_RIGHT_ANTI)
		return true;
#endif
	return false;
}

/* 16 moved it from the range table to the plan. */
Oid
kfdw_scan_userid(ForeignScanState *node)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
#if PG_VERSION_NUM >= 160000
	Oid			userid = plan->checkAsUser;
#else
	Oid			userid = exec_rt_fetch(plan->scan.scanrelid, node->ss.ps.state)->checkAsUser;
#endif

	return OidIsValid(userid) ? userid : GetUserId();
}

/* 16 has a function for it; before, a routed partition uses the range table entry of its root. */
Oid
kfdw_result_userid(ResultRelInfo *relinfo, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	Oid			userid = ExecGetResultRelCheckAsUser(relinfo, estate);
#else
	Oid			userid = InvalidOid;
	Index		relation = relinfo->ri_RangeTableIndex;

	if (relation == 0 && relinfo->ri_RootResultRelInfo != NULL)
		relation = relinfo->ri_RootResultRelInfo->ri_RangeTableIndex;
	if (relation != 0)
		userid = exec_rt_fetch(relation, estate)->checkAsUser;
#endif

	return OidIsValid(userid) ? userid : GetUserId();
}

/* 17 added fdw_restrictinfo, 18 disabled_nodes. */
ForeignPath *
kfdw_create_foreignscan_path(PlannerInfo *root, RelOptInfo *rel, Cost startup, Cost total)
{
#if PG_VERSION_NUM >= 180000
	return create_foreignscan_path(root, rel, NULL, rel->rows, 0, startup, total, NIL,
								   rel->lateral_relids, NULL, NIL, NIL);
#elif PG_VERSION_NUM >= 170000
	return create_foreignscan_path(root, rel, NULL, rel->rows, startup, total, NIL,
								   rel->lateral_relids, NULL, NIL, NIL);
#else
	return create_foreignscan_path(root, rel, NULL, rel->rows, startup, total, NIL,
								   rel->lateral_relids, NULL, NIL);
#endif
}

/* 17 counts processes from 0, and calls their numbers so. */
static const PGPROC *
find_process(const VirtualTransactionId *transaction)
{
#if PG_VERSION_NUM >= 170000
	return ProcNumberGetProc(transaction->procNumber);
#else
	return BackendIdGetProc(transaction->backendId);
#endif
}

/* 17 can ask for stronger locks too. */
static bool
is_lock_mine(const LOCKTAG *tag, LOCKMODE mode)
{
#if PG_VERSION_NUM >= 170000
	return LockHeldByMe(tag, mode, false);
#else
	return LockHeldByMe(tag, mode);
#endif
}

int
kfdw_lock_holder(const LOCKTAG *tag, int mode)
{
	VirtualTransactionId *holders;
	VirtualTransactionId holder;
	const PGPROC *process;
	int			count;
	bool		have_more;

	if (is_lock_mine(tag, mode))
		return MyProcPid;
	holders = GetLockConflicts(tag, mode, &count);
	holder = holders[0];
	pfree(holders);				/* it has room for all that there might be */
	if (count == 0)
		return -1;

	/* it keeps the number of the process that prepared it */
	if (VirtualTransactionIdIsRecoveredPreparedXact(holder) ||
		TransactionIdIsValid(TwoPhaseGetXidByVirtualXID(holder, &have_more)))
		return 0;
	process = find_process(&holder);
	return process == NULL ? -1 : process->pid;
}

/* 16 gave the functions other names. */
const PgBackendStatus *
kfdw_backend_status(int pid)
{
#if PG_VERSION_NUM < 160000
#define pgstat_get_local_beentry_by_index(index) pgstat_fetch_stat_local_beentry(index)
#endif
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		const LocalPgBackendStatus *local = pgstat_get_local_beentry_by_index(i);

		if (local != NULL && local->backendStatus.st_procpid == pid)
			return &local->backendStatus;
	}
	return NULL;
}

Expr *
kfdw_generation_expression(Relation relation, int attnum)
{
#if PG_VERSION_NUM >= 180000
	return (Expr *) build_generation_expression(relation, attnum);
#else
	elog(ERROR, "column %d of relation \"%s\" is not generated", attnum, RelationGetRelationName(relation));
#endif
}

/* Here, as 18 has the struct in a header of its own. */
bool
kfdw_explain_analyzes(const ExplainState *es)
{
	return es->analyze;
}

bool
kfdw_explain_times(const ExplainState *es)
{
	return es->timing;
}

bool
kfdw_explain_is_text(const ExplainState *es)
{
	return es->format == EXPLAIN_FORMAT_TEXT;
}

void
kfdw_explain_text(const char *label, const char *value, ExplainState *es)
{
	ExplainPropertyText(label, value, es);
}

void
kfdw_explain_integer(const char *label, int64 value, ExplainState *es)
{
	ExplainPropertyInteger(label, NULL, value, es);
}

void
kfdw_explain_ms(const char *label, double value, ExplainState *es)
{
	ExplainPropertyFloat(label, "ms", value, 3, es);
}

void
kfdw_explain_list(const char *label, List *values, ExplainState *es)
{
	ExplainPropertyList(label, values, es);
}

void
kfdw_explain_open_list(const char *label, ExplainState *es)
{
	ExplainOpenGroup(label, label, false, es);
}

void
kfdw_explain_close_list(const char *label, ExplainState *es)
{
	ExplainCloseGroup(label, label, false, es);
}

void
kfdw_explain_open_object(const char *kind, ExplainState *es)
{
	ExplainOpenGroup(kind, NULL, true, es);
}

void
kfdw_explain_close_object(const char *kind, ExplainState *es)
{
	ExplainCloseGroup(kind, NULL, true, es);
}

void
kfdw_explain_query(QueryDesc *query, bool measured, StringInfo text)
{
	ExplainState *es = NewExplainState();

	es->analyze = measured;
	es->timing = measured;
	es->costs = true;
	ExplainPrintPlan(es, query);
	if (measured)
		ExplainPrintTriggers(es, query);
	appendBinaryStringInfo(text, es->str->data, es->str->len);
}

void
kfdw_explain_conditions(const char *label, List *conditions, ForeignScanState *node, ExplainState *es)
{
	List	   *context = set_deparse_context_plan(es->deparse_cxt, node->ss.ps.plan, NIL);

	ExplainPropertyText(label, deparse_expression((Node *) make_ands_explicit(conditions), context, es->verbose, false), es);
}

uint32
kfdw_wait_event(KafkaWaitEvent *event)
{
#if PG_VERSION_NUM >= 170000
	if (event->info == 0)
		event->info = WaitEventExtensionNew(event->name);
	return event->info;
#else
	return PG_WAIT_EXTENSION;
#endif
}
