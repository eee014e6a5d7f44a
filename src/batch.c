/*
 * batch.c
 *	  The batch that a stream's statement reads.
 */
#include "postgres.h"

#include "batch.h"

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
