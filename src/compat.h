/*
 * compat.h
 *	  Every difference between PostgreSQL versions, each with its reason.
 *
 * What needs other headers of PostgreSQL is in compat.c.
 */
#ifndef KFDW_COMPAT_H
#define KFDW_COMPAT_H

/* 16 took what reads values of variable length out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
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

/* 17 lets workers run as a role that may not log in. */
#if PG_VERSION_NUM < 170000
#define BGWORKER_BYPASS_ROLELOGINCHECK 0
#endif

/* The parameters of an ExecutorRun_hook, one less in 18, and how they are passed on. */
#if PG_VERSION_NUM >= 180000
#define KFDW_EXECUTOR_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count
#define KFDW_EXECUTOR_RUN_ARGUMENTS query, direction, count
#else
#define KFDW_EXECUTOR_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count, bool once
#define KFDW_EXECUTOR_RUN_ARGUMENTS query, direction, count, once
#endif

/* 15.4 marks databases whose removal was interrupted. */
#ifndef DATCONNLIMIT_INVALID_DB
#define DATCONNLIMIT_INVALID_DB (-2)
#endif

/* 18 has generated columns that are not stored. */
#if PG_VERSION_NUM < 180000
#define ATTRIBUTE_GENERATED_VIRTUAL 'v'
#endif

struct Bitmapset;
struct EState;
struct ExplainState;
struct ForeignPath;
struct ForeignScanState;
struct JsonLexContext;
struct LOCKTAG;
struct List;
struct Node;
struct PgBackendStatus;
struct PlannerInfo;
struct QueryDesc;
struct RelOptInfo;
struct RelationData;
struct ResultRelInfo;
struct StringInfoData;

/* Raises an error of the JSON parser, a JsonParseErrorType. */
extern void kfdw_json_report(int error, struct JsonLexContext *lexer);

/* A lexer that is allocated. */
extern struct JsonLexContext *kfdw_make_json_lexer(const char *json, size_t len, int encoding,
												   bool need_escapes);

/* The number of this backend, which no other one has now; from 0 or 1 up to the number of backends. */
extern int	kfdw_backend_number(void);

/* TRUNCATE of a table that is locked alone, not told to logical decoding: 16 has one argument more. */
extern void kfdw_truncate_unpublished(struct RelationData *rel);

extern bool kfdw_database_ownercheck(Oid database, Oid role);
extern bool kfdw_server_may_be_used(Oid server, Oid role);
extern bool kfdw_relation_ownercheck(Oid relation, Oid role);
extern bool kfdw_extension_ownercheck(Oid extension, Oid role);
extern bool kfdw_procedure_may_run(Oid procedure, Oid role);

/* The parts of a name as SQL writes it. */
extern struct List *kfdw_qualified_name(const char *name);

/* Raises an error unless one role may SET ROLE to another. */
extern void kfdw_check_can_set_role(Oid member, Oid role);

/* False where a subtransaction cannot begin, as parallel workers are at work. */
extern bool kfdw_may_begin_subtransaction(void);

/*
 * The process that holds a lock which only one can hold, this one included; 0: a prepared
 * transaction does, -1: nobody does.
 */
extern int	kfdw_lock_holder(const struct LOCKTAG *tag, int mode);

/* What a process shows of itself in pg_stat_activity; NULL when it is gone. */
extern const struct PgBackendStatus *kfdw_backend_status(int pid);

/* Runs a query to its end, once. */
extern void kfdw_run_to_end(struct QueryDesc *query);

/* The numbers of a relation's columns that cannot be NULL where a condition is true. */
extern struct Bitmapset *kfdw_nonnull_columns(struct Node *condition, int relation);

/* True for a join, a JoinType, that tests the rows of its outer side for a match only. */
extern bool kfdw_join_tests_outer(int type);

/* The user whose rights a scan, or a modification, has. */
extern Oid	kfdw_scan_userid(struct ForeignScanState *node);
extern Oid	kfdw_result_userid(struct ResultRelInfo *relinfo, struct EState *estate);

/* The one path of a foreign table. */
extern struct ForeignPath *kfdw_create_foreignscan_path(struct PlannerInfo *root, struct RelOptInfo *rel,
														double startup, double total);

/* The expression of a virtual generated column. */
extern struct Expr *kfdw_generation_expression(struct RelationData *relation, int attnum);

/* What is asked of EXPLAIN: to run it, to measure times, to be read by people. */
extern bool kfdw_explain_analyzes(const struct ExplainState *es);
extern bool kfdw_explain_times(const struct ExplainState *es);
extern bool kfdw_explain_is_text(const struct ExplainState *es);

extern void kfdw_explain_text(const char *label, const char *value, struct ExplainState *es);
extern void kfdw_explain_integer(const char *label, int64 value, struct ExplainState *es);
extern void kfdw_explain_ms(const char *label, double value, struct ExplainState *es);
extern void kfdw_explain_list(const char *label, struct List *values, struct ExplainState *es);

/* A list of objects, where it is not text. */
extern void kfdw_explain_open_list(const char *label, struct ExplainState *es);
extern void kfdw_explain_close_list(const char *label, struct ExplainState *es);
extern void kfdw_explain_open_object(const char *kind, struct ExplainState *es);
extern void kfdw_explain_close_object(const char *kind, struct ExplainState *es);

/*
 * Appends the plan of a started query as EXPLAIN writes it; where it was measured and is
 * done, also its rows and times.
 */
extern void kfdw_explain_query(struct QueryDesc *query, bool measured, struct StringInfoData *text);

/* Conditions of a scan, all of which hold, as EXPLAIN shows its filter. */
extern void kfdw_explain_conditions(const char *label, struct List *conditions,
									struct ForeignScanState *node, struct ExplainState *es);

/*
 * 17 shows what extensions wait for by name; a name is registered at its first wait,
 * and stands for the same event in every process.
 */
typedef struct KafkaWaitEvent
{
	const char *name;
	uint32		info;			/* filled in */
} KafkaWaitEvent;

extern uint32 kfdw_wait_event(KafkaWaitEvent *event);

/* Starts to load the first 128 bytes at an address, which need not be valid, into the cache. */
static inline void
kfdw_prefetch(const char *address)
{
#ifdef __GNUC__
	__builtin_prefetch(address);
	__builtin_prefetch(address + 64);
#endif
}

#endif							/* KFDW_COMPAT_H */
