/*
 * compat.h
 *	  Every difference between PostgreSQL versions, each with its reason.
 *
 * Wrappers have the newest signature.
 */
#ifndef KFDW_COMPAT_H
#define KFDW_COMPAT_H

#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "commands/explain.h"
#include "common/jsonapi.h"
#include "executor/executor.h"
#include "postmaster/bgworker.h"
#include "utils/acl.h"
#include "executor/executor.h"
#include "foreign/fdwapi.h"
#include "miscadmin.h"
#include "optimizer/pathnode.h"
#include "utils/jsonfuncs.h"
#include "utils/wait_event.h"

/* 18 split the state and the functions that print properties off commands/explain.h. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* 18 has pg_noreturn, before a declaration, in place of pg_attribute_noreturn() behind it. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 16 lets the semantic actions of the JSON parser fail. */
#if PG_VERSION_NUM >= 160000
#define KFDW_JSON_ACTION static JsonParseErrorType
#define KFDW_JSON_ACTION_RETURN() return JSON_SUCCESS
#else
#define KFDW_JSON_ACTION static void
#define KFDW_JSON_ACTION_RETURN() return
#endif

/* 16 reports JSON errors softly where an error context is given. */
#if PG_VERSION_NUM < 160000
static inline void
json_errsave_error(JsonParseErrorType error, JsonLexContext *lex, struct Node *escontext)
{
	Assert(escontext == NULL);
	json_ereport_error(error, lex);
}
#endif

/* 17 can fill a caller's lexer and takes constant input; ours are always allocated. */
static inline JsonLexContext *
kfdw_make_json_lexer(const char *json, size_t len, int encoding, bool need_escapes)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, json, len, encoding, need_escapes);
#else
	return makeJsonLexContextCstringLen(unconstify(char *, json), (int) len, encoding, need_escapes);
#endif
}

/* 16 has one function in place of one for each kind of object. */
#if PG_VERSION_NUM < 160000
static inline bool
object_ownercheck(Oid classid, Oid objectid, Oid roleid)
{
	if (classid == DatabaseRelationId)
		return pg_database_ownercheck(objectid, roleid);
	Assert(classid == ExtensionRelationId);
	return pg_extension_ownercheck(objectid, roleid);
}

static inline AclResult
object_aclcheck(Oid classid, Oid objectid, Oid roleid, AclMode mode)
{
	Assert(classid == ProcedureRelationId);
	return pg_proc_aclcheck(objectid, roleid, mode);
}
#endif

/* 17 lets workers run as a role that may not log in. */
#if PG_VERSION_NUM < 170000
#define BGWORKER_BYPASS_ROLELOGINCHECK 0
#endif

/* 18 runs a plan once only, always. */
static inline void
kfdw_run_to_end(QueryDesc *query)
{
#if PG_VERSION_NUM >= 180000
	ExecutorRun(query, ForwardScanDirection, 0);
#else
	ExecutorRun(query, ForwardScanDirection, 0, true);
#endif
}

/* 15.4 marks databases whose removal was interrupted. */
#ifndef DATCONNLIMIT_INVALID_DB
#define DATCONNLIMIT_INVALID_DB (-2)
#endif

/* 18 has generated columns that are not stored. */
#if PG_VERSION_NUM < 180000
#define ATTRIBUTE_GENERATED_VIRTUAL 'v'
#endif

/* 16 moved the user whose rights a scan has from the range table to the plan. */
static inline Oid
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
static inline Oid
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
static inline ForeignPath *
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

/*
 * 17 shows what extensions wait for by name; a name is registered at its first wait,
 * and stands for the same event in every process.
 */
typedef struct KafkaWaitEvent
{
	const char *name;
	uint32		info;			/* filled in */
} KafkaWaitEvent;

static inline uint32
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

#endif							/* KFDW_COMPAT_H */
