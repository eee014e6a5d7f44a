/*
 * loop.c
 *	  Refuses to end a transaction in a loop that consumes.
 *
 * At COMMIT and ROLLBACK in a loop, and at COMMIT for a holdable cursor, PostgreSQL runs the
 * query to its end and keeps the rows that nobody has fetched.  Rows of records would be
 * handed out after the transaction that moved their positions, or that took it back: they
 * would be lost with the session, or repeated.
 *
 * The scan may be over by then, and the rows be in a sort, an aggregate or the result of a
 * function.  So it is noted of all queries that are running, one within the other, that
 * they consume when a scan begins to, and a query is asked for it when it is run to be kept.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "lib/ilist.h"
#include "tcop/pquery.h"
#include "utils/portal.h"

#include "compat.h"
#include "source/loop.h"

/* A run of a query, on the stack of that. */
typedef struct KafkaRun
{
	EState	   *query;
	bool		is_kept;		/* for the rows that nobody has fetched */
	struct KafkaRun *outer;		/* the one that it is a part of */
} KafkaRun;

/* A query that consumes, or a function that it calls does; lives as long as its executor state. */
typedef struct KafkaConsumingQuery
{
	dlist_node	node;
	const EState *query;
	const char *table;			/* the first of them */
	MemoryContextCallback callback;
} KafkaConsumingQuery;

static KafkaRun *running = NULL;	/* the innermost */
static dlist_head consuming = DLIST_STATIC_INIT(consuming);
static ExecutorRun_hook_type previous_run_hook = NULL;

/* NULL for one that does not consume. */
static const KafkaConsumingQuery *
find_consuming(const EState *query)
{
	dlist_iter	iter;

	dlist_foreach(iter, &consuming)
	{
		const KafkaConsumingQuery *found = dlist_container(KafkaConsumingQuery, node, iter.cur);

		if (found->query == query)
			return found;
	}
	return NULL;
}

/* The executor state goes away. */
static void
forget(void *argument)
{
	dlist_delete(&((KafkaConsumingQuery *) argument)->node);
}

static void
note_consuming(EState *query, const char *table)
{
	KafkaConsumingQuery *noted;

	if (find_consuming(query) != NULL)
		return;
	noted = MemoryContextAllocZero(query->es_query_cxt, sizeof(KafkaConsumingQuery));
	noted->query = query;
	noted->table = MemoryContextStrdup(query->es_query_cxt, table);
	noted->callback.func = forget;
	noted->callback.arg = noted;
	MemoryContextRegisterResetCallback(query->es_query_cxt, &noted->callback);
	dlist_push_tail(&consuming, &noted->node);
}

void
kfdw_loop_consume(const char *table)
{
	for (KafkaRun *run = running; run != NULL; run = run->outer)
	{
		if (run->is_kept)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot commit while a loop or cursor reads consuming table \"%s\"", table),
					 errhint("Read a bounded batch first, with \"max_poll_records\" or LIMIT, and commit after it.")));
		note_consuming(run->query, table);
	}
}

/* True while a portal is made one that outlives its transaction. */
static bool
is_kept(const QueryDesc *query)
{
	Portal		portal = ActivePortal;

	return portal != NULL && portal->holdStore != NULL && portal->strategy == PORTAL_ONE_SELECT &&
		portal->queryDesc == query;
}

/* What it consumed before is all of those that it is a part of; of one whose rows were all fetched nothing is kept. */
static void
begin_run(const KafkaRun *run)
{
	const KafkaConsumingQuery *found = find_consuming(run->query);

	if (found != NULL && !(run->is_kept && ActivePortal->atEnd))
		kfdw_loop_consume(found->table);
}

static void
run_query(KFDW_EXECUTOR_RUN_PARAMETERS)
{
	KafkaRun	run = {query->estate, is_kept(query), running};

	running = &run;
	PG_TRY();
	{
		begin_run(&run);
		if (previous_run_hook != NULL)
			previous_run_hook(KFDW_EXECUTOR_RUN_ARGUMENTS);
		else
			standard_ExecutorRun(KFDW_EXECUTOR_RUN_ARGUMENTS);
	}
	PG_FINALLY();
	{
		running = run.outer;
	}
	PG_END_TRY();
}

void
kfdw_loop_init(void)
{
	previous_run_hook = ExecutorRun_hook;
	ExecutorRun_hook = run_query;
}
