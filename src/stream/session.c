/*
 * session.c
 *	  Each batch starts from the same state of its worker's session.
 *
 * A procedure, a function or a trigger can change what outlives its transaction:
 * settings, among them the role; temporary tables; prepared statements; what
 * lastval() says.  The next batch, of other records, shall not see it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "nodes/parsenodes.h"
#include "utils/guc.h"

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
	DropAllPreparedStatements();
	ResetSequenceCaches();
}
