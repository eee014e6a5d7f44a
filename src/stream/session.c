/*
 * session.c
 *	  Each batch starts from the same state of its worker's session.
 *
 * A procedure, a function or a trigger can change what outlives its transaction:
 * settings, among them the role; temporary tables; cursors that are held; prepared
 * statements; advisory locks; what lastval() says.  The next batch, of other records, shall not see it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "nodes/parsenodes.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/portal.h"

#include "stream/session.h"

int
kfdw_session_begin(void)
{
	return NewGUCNestLevel();
}

void
kfdw_session_end(int level)
{
	ConstraintsSetStmt all_immediate = {.type = T_ConstraintsSetStmt};

	/* deferred triggers would run after this */
	AfterTriggerSetState(&all_immediate);

	/* as if they had been rolled back, also those that are not local */
	AtEOXact_GUC(false, level);
	ResetTempTableNamespace();
}

void
kfdw_session_forget(void)
{
	PortalHashTableDeleteAll();
	DropAllPreparedStatements();
	ResetSequenceCaches();
	LockReleaseSession(USER_LOCKMETHOD);
}
