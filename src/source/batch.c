/*
 * batch.c
 *	  The batch that a stream's statement reads.
 */
#include "postgres.h"

#include "source/batch.h"
#include "xact.h"

static Oid	bound_relid = InvalidOid;
static KafkaBuffer *bound_buffer = NULL;

void
kfdw_batch_bind(Oid relid, KafkaBuffer *buffer)
{
	bound_relid = relid;
	bound_buffer = buffer;
}

KafkaBuffer *
kfdw_batch_bound(Oid relid)
{
	return OidIsValid(bound_relid) && relid == bound_relid ? bound_buffer : NULL;
}

/* Not before: triggers that are deferred read the batch, too. */
static void
end_transaction(bool committed)
{
	kfdw_batch_bind(InvalidOid, NULL);
}

static const KafkaParticipant participant = {.end = end_transaction};

void
kfdw_batch_init(void)
{
	kfdw_xact_register(&participant);
}
