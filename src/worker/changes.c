/*
 * changes.c
 *	  Relations that a transaction changes, and that workers watch.
 *
 * They are told after the commit, when everybody can see the change.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "worker/changes.h"
#include "worker/slots.h"
#include "xact.h"

static List *changed = NIL;		/* in the transaction's memory */

void
kfdw_changes_note(Oid relation)
{
	MemoryContext old;

	if (kfdw_shared == NULL)
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	changed = list_append_unique_oid(changed, relation);
	MemoryContextSwitchTo(old);
}

static void
end_transaction(bool committed)
{
	ListCell   *lc;

	if (committed)
		foreach(lc, changed)
			kfdw_slot_stir(MyDatabaseId, lfirst_oid(lc));
	changed = NIL;
}

static const KafkaParticipant participant = {.end = end_transaction};

void
kfdw_changes_init(void)
{
	kfdw_xact_register(&participant);
}
