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

void
kfdw_batch_unbind(void)
{
	kfdw_batch_bind(InvalidOid, NULL);
}

KafkaBuffer *
kfdw_batch_bound(Oid relid)
{
	return OidIsValid(bound_relid) && relid == bound_relid ? bound_buffer : NULL;
}

static void
end_transaction(bool committed)
{
	kfdw_batch_unbind();
}

static const KafkaParticipant participant = {.end = end_transaction};

void
kfdw_batch_init(void)
{
	kfdw_xact_register(&participant);
}
