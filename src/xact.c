/*
 * xact.c
 *	  The only transaction callbacks.
 *
 * Before a commit all rows are written first, and what leaves the database goes last:
 * whatever may fail here has failed by then.  PostgreSQL itself can still fail between
 * that and the commit record: in callbacks of libraries that registered before this
 * one (they are called in reverse order), in ON COMMIT actions, in queueing
 * notifications, in writing WAL.
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/predicate.h"

#include "stat/counts.h"
#include "xact.h"

#define MAX_PARTICIPANTS 16

static const KafkaParticipant *participants[MAX_PARTICIPANTS];
static int	nparticipants = 0;

void
kfdw_xact_register(const KafkaParticipant *participant)
{
	if (nparticipants == MAX_PARTICIPANTS)
		elog(ERROR, "too many participants in transactions");
	participants[nparticipants++] = participant;
}

bool
kfdw_xact_allow_writes(void)
{
	bool		was_read_only = XactReadOnly;

	XactReadOnly = false;
	return was_read_only;
}

void
kfdw_xact_restore_writes(bool was_read_only)
{
	XactReadOnly = was_read_only;
}

/* All rows that are left to write. */
static void
write_rows(void)
{
	bool		was_read_only = kfdw_xact_allow_writes();

	for (int i = 0; i < nparticipants; i++)
		if (participants[i]->write != NULL)
			participants[i]->write();
	kfdw_xact_restore_writes(was_read_only);
}

/* True when something waits to be sent. */
static bool
anything_held(void)
{
	for (int i = 0; i < nparticipants; i++)
		if (participants[i]->holds != NULL && participants[i]->holds())
			return true;
	return false;
}

/*
 * Everything that can fail, what cannot be undone last.  PostgreSQL's own check for
 * serialization failures comes before it: from then on a transaction that this one
 * cannot stand beside fails in its place.  (PostgreSQL checks again, and finds no more.)
 */
static void
pre_commit(void)
{
	write_rows();
	if (anything_held())
		PreCommit_CheckForSerializationFailure();
	for (int i = 0; i < nparticipants; i++)
		if (participants[i]->send != NULL)
			participants[i]->send();
}

/* Held records cannot be prepared: nothing would send them at COMMIT PREPARED. */
static void
pre_prepare(void)
{
	if (anything_held())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot prepare a transaction that has inserted into a Kafka topic"),
				 errhint("Use COMMIT.")));
	for (int i = 0; i < nparticipants; i++)
		if (participants[i]->check_prepare != NULL)
			participants[i]->check_prepare();
	pre_commit();
}

/* The transaction is over, one way or the other. */
static void
end(bool committed)
{
	for (int i = 0; i < nparticipants; i++)
		if (participants[i]->end != NULL)
			participants[i]->end(committed);
	kfdw_counts_flush();
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
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			end(true);
			break;
		case XACT_EVENT_ABORT:
			end(false);
			break;
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			kfdw_counts_flush();	/* otherwise parallel workers take no part */
			break;
		default:
			break;
	}
}

static void
begin_subtransaction(void)
{
	for (int i = 0; i < nparticipants; i++)
		if (participants[i]->begin_subtransaction != NULL)
			participants[i]->begin_subtransaction();
}

static void
end_subtransaction(bool committed)
{
	int			level = GetCurrentTransactionNestLevel();

	for (int i = 0; i < nparticipants; i++)
		if (participants[i]->end_subtransaction != NULL)
			participants[i]->end_subtransaction(level, committed);
}

static void
meet_subtransaction(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *argument)
{
	switch (event)
	{
		case SUBXACT_EVENT_START_SUB:
			begin_subtransaction();
			break;
		case SUBXACT_EVENT_COMMIT_SUB:
		case SUBXACT_EVENT_ABORT_SUB:
			end_subtransaction(event == SUBXACT_EVENT_COMMIT_SUB);
			break;
		default:
			break;
	}
}

/* Called once in a backend, when the library is loaded. */
void
kfdw_xact_init(void)
{
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(meet_subtransaction, NULL);
}
