/*
 * claim.c
 *	  The locks of those who consume.
 *
 * A partition's claim is an advisory lock of a class of our own, as it must be there before the
 * position has a row.  The workers of a stream need none: nobody else consumes in its group
 * (catalog/streams.h), and which of them reads what is settled by the slots of workers and by
 * the stream's revision, which no batch outlives.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/resowner.h"

#include "compat.h"
#include "source/claim.h"

/*
 * The fourth field of our lock tags: PostgreSQL's own functions use 1 and 2, so a
 * partition's claim meets no user's advisory lock.
 */
#define CLAIM_LOCK_CLASS 0x6b66

/* The lock that stands for a partition of a group in this database. */
static void
make_tag(LOCKTAG *tag, const KafkaPositionKey *key, int32 partition)
{
	char	   *name = psprintf("%s\n%s\n%s\n%d", key->server, key->group_id, key->topic, partition);
	uint64		hash = hash_bytes_extended((const unsigned char *) name, (int) strlen(name), 0);

	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, CLAIM_LOCK_CLASS);
	pfree(name);
}

/* It is the transaction's: a savepoint that is rolled back does not release it. */
bool
kfdw_claim_for_transaction(const KafkaPositionKey *key, int32 partition)
{
	ResourceOwner save = CurrentResourceOwner;
	LockAcquireResult result;
	LOCKTAG		tag;

	make_tag(&tag, key, partition);
	CurrentResourceOwner = TopTransactionResourceOwner;
	result = LockAcquire(&tag, ExclusiveLock, false, true);
	CurrentResourceOwner = save;
	return result != LOCKACQUIRE_NOT_AVAIL;
}

void
kfdw_claim_give_up(const KafkaPositionKey *key, int32 partition)
{
	ResourceOwner save = CurrentResourceOwner;
	LOCKTAG		tag;

	make_tag(&tag, key, partition);
	CurrentResourceOwner = TopTransactionResourceOwner;
	(void) LockRelease(&tag, ExclusiveLock, false);
	CurrentResourceOwner = save;
}

int
kfdw_claim_holder(const KafkaPositionKey *key, int32 partition)
{
	LOCKTAG		tag;

	make_tag(&tag, key, partition);
	return kfdw_lock_holder(&tag, ExclusiveLock);
}
