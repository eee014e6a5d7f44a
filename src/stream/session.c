/*
 * session.c
 *	  Each batch starts from the same state of its worker's session.
 *
 * A procedure, a function or a trigger can change what outlives its transaction:
 * settings, among them the role; temporary tables; cursors that are held; prepared
 * statements; advisory locks; what lastval() says.  The next batch, of other records, shall not see it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "nodes/parsenodes.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/portal.h"
#include "utils/resowner.h"

#include "stream/session.h"

int
kfdw_session_begin(void)
{
	return NewGUCNestLevel();
}

/* What SET CONSTRAINTS ALL does. */
static void
set_constraints(bool deferred)
{
	ConstraintsSetStmt all = {.type = T_ConstraintsSetStmt, .deferred = deferred};

	AfterTriggerSetState(&all);
}

void
kfdw_session_renew_constraints(void)
{
	AfterTriggerFireDeferred();

	/* as between two transactions: there is no event left, nor a subtransaction that would go back to it */
	AfterTriggerEndXact(true);
	AfterTriggerBeginXact();
}

void
kfdw_session_defer_constraints(void)
{
	set_constraints(true);
}

ErrorData *
kfdw_session_look(void (*function) (void *argument), void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		function(argument);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

void
kfdw_session_do_deferred(void)
{
	set_constraints(false);
}

static void
do_deferred(void *argument)
{
	kfdw_session_do_deferred();
}

void
kfdw_session_check_deferred(void)
{
	ErrorData  *error = kfdw_session_look(do_deferred, NULL);

	if (error != NULL)
		ReThrowError(error);
}

void
kfdw_session_leave(int level)
{
	/* deferred triggers would run after this */
	set_constraints(false);

	/* as if they had been rolled back, also those that are not local */
	AtEOXact_GUC(false, level);
}

void
kfdw_session_clear(void)
{
	/* first: one may read a temporary table */
	PortalHashTableDeleteAll();
	ResetTempTableNamespace();
}

List *
kfdw_session_list_prepared(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *names = NIL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute("SELECT name FROM pg_catalog.pg_prepared_statement()", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list the prepared statements");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		const char *name = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		MemoryContext old = MemoryContextSwitchTo(context);

		names = lappend(names, makeString(pstrdup(name)));
		MemoryContextSwitchTo(old);
	}
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	return names;
}

void
kfdw_session_drop_prepared(List *kept)
{
	ListCell   *lc;

	if (kept == NIL)
	{
		DropAllPreparedStatements();
		return;
	}
	foreach(lc, kfdw_session_list_prepared())
		if (!list_member(kept, lfirst(lc)))
			DropPreparedStatement(strVal(lfirst(lc)), false);
}

void
kfdw_session_forget(void)
{
	PortalHashTableDeleteAll();
	DropAllPreparedStatements();
	ResetSequenceCaches();
	LockReleaseSession(USER_LOCKMETHOD);
}

void
kfdw_session_roll_back(void)
{
	MemoryContext context = CurrentMemoryContext;

	AbortCurrentTransaction();
	MemoryContextSwitchTo(context);
	kfdw_session_forget();
}
