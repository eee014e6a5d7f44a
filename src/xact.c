/*
 * xact.c
 *	  The only transaction callbacks.
 *
 * Everything that can fail is done before the commit: positions that are still to
 * be written, then the held records, which are sent and acknowledged.  After it
 * nothing can fail.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "batch.h"
#include "consuming.h"
#include "kafka/client.h"
#include "kafka/producer.h"
#include "record_log.h"
#include "xact.h"

static void (*at_end) (bool committed) = NULL;

void
kfdw_xact_at_end(void (*callback) (bool committed))
{
	Assert(at_end == NULL || at_end == callback);
	at_end = callback;
}

/* The transaction is over, one way or the other. */
static void
forget_transaction(bool committed)
{
	void		(*callback) (bool committed) = at_end;

	at_end = NULL;
	kfdw_consuming_forget();
	kfdw_log_forget();
	kfdw_batch_unbind();
	kfdw_producer_end_transaction();
	if (callback != NULL)
		callback(committed);
}

/*
 * Held records cannot be prepared: nothing would send them at COMMIT PREPARED.
 * Neither would anybody then tell the workers of a changed stream.
 */
static void
refuse_prepare(void)
{
	if (at_end != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot prepare a transaction that has changed a stream"),
				 errhint("Use COMMIT.")));
	if (!kfdw_log_is_empty())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot prepare a transaction that has inserted into a Kafka topic"),
				 errhint("Use COMMIT.")));
}

static void
end_transaction(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			kfdw_consuming_write_pending();
			kfdw_log_send();
			break;
		case XACT_EVENT_PRE_PREPARE:
			refuse_prepare();
			kfdw_consuming_write_pending();
			kfdw_log_send();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			forget_transaction(true);
			break;
		case XACT_EVENT_ABORT:
			forget_transaction(false);
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
	kfdw_consuming_end_subtransaction(level, event == SUBXACT_EVENT_COMMIT_SUB);
	kfdw_log_end_subtransaction(level, event == SUBXACT_EVENT_COMMIT_SUB);
}

/* A server, user mapping or foreign table changed. */
static void
invalidate_clients(Datum argument, int cache, uint32 hash)
{
	kfdw_client_invalidate_all();
}

/* Called once in a backend, when the library is loaded. */
void
kfdw_xact_init(void)
{
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, invalidate_clients, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, invalidate_clients, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNTABLEREL, invalidate_clients, (Datum) 0);
}
