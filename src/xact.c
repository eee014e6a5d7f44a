/*
 * xact.c
 *	  The only transaction callbacks.
 *
 * Participants do before the commit what can fail.  PostgreSQL itself can still fail
 * between that and the commit record: in ON COMMIT actions, in the check for
 * serialization failures, in callbacks of other extensions, in writing WAL.
 */
#include "postgres.h"

#include "access/xact.h"

#include "xact.h"

#define MAX_PARTICIPANTS 8

static const KafkaParticipant *participants[MAX_PARTICIPANTS];
static int	nparticipants = 0;

void
kfdw_xact_register(const KafkaParticipant *participant)
{
	if (nparticipants == MAX_PARTICIPANTS)
		elog(ERROR, "too many participants in transactions");
	participants[nparticipants++] = participant;
}

static void
pre_commit(void)
{
	for (int i = 0; i < nparticipants; i++)
		if (participants[i]->pre_commit != NULL)
			participants[i]->pre_commit();
}

static void
pre_prepare(void)
{
	for (int i = 0; i < nparticipants; i++)
		if (participants[i]->pre_prepare != NULL)
			participants[i]->pre_prepare();
}

/* The transaction is over, one way or the other. */
static void
end(bool committed)
{
	for (int i = 0; i < nparticipants; i++)
		if (participants[i]->end != NULL)
			participants[i]->end(committed);
}

static void
end_transaction(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			pre_commit();
			break;
		case XACT_EVENT_PRE_PREPARE:
			pre_prepare();
			pre_commit();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			end(true);
			break;
		case XACT_EVENT_ABORT:
			end(false);
			break;
		default:
			break;				/* parallel workers take no part */
	}
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *argument)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	for (int i = 0; i < nparticipants; i++)
		if (participants[i]->end_subtransaction != NULL)
			participants[i]->end_subtransaction(level, event == SUBXACT_EVENT_COMMIT_SUB);
}

/* Called once in a backend, when the library is loaded. */
void
kfdw_xact_init(void)
{
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}
