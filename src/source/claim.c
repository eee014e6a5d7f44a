/*
 * claim.c
 *	  The locks of those who consume.
 *
 * A partition's claim is an advisory lock of a class of our own, as it must be there before the
 * position has a row.
 */
#include "postgres.h"

#include "catalog/pg_foreign_server.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/resowner.h"

#include "source/claim.h"

/*
 * The fourth field of our lock tags: PostgreSQL's own functions use 1 and 2, so a
 * partition's claim meets no user's advisory lock.
 */
#define CLAIM_LOCK_CLASS 0x6b66

/* Stands for all partitions of a topic. */
#define WHOLE_TOPIC (-1)

/* The lock that stands for a partition of a group in this database, or for the whole topic. */
static void
make_tag(LOCKTAG *tag, const KafkaPositionKey *key, int32 partition)
{
	char	   *name = psprintf("%s\n%s\n%s\n%d", key->server, key->group_id, key->topic, partition);
	uint64		hash = hash_bytes_extended((const unsigned char *) name, (int) strlen(name), 0);

	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, CLAIM_LOCK_CLASS);
	pfree(name);
}

/* Takes a lock until the end of the transaction, if it is free: also when a savepoint is rolled back. */
static bool
try_lock(const KafkaPositionKey *key, int32 partition, LOCKMODE mode)
{
	ResourceOwner save = CurrentResourceOwner;
	LockAcquireResult result;
	LOCKTAG		tag;

	make_tag(&tag, key, partition);
	CurrentResourceOwner = TopTransactionResourceOwner;
	result = LockAcquire(&tag, mode, false, true);
	CurrentResourceOwner = save;
	return result != LOCKACQUIRE_NOT_AVAIL;
}

static void
unlock(const KafkaPositionKey *key, int32 partition, LOCKMODE mode)
{
	ResourceOwner save = CurrentResourceOwner;
	LOCKTAG		tag;

	make_tag(&tag, key, partition);
	CurrentResourceOwner = TopTransactionResourceOwner;
	(void) LockRelease(&tag, mode, false);
	CurrentResourceOwner = save;
}

bool
kfdw_claim_for_transaction(const KafkaPositionKey *key, int32 partition)
{
	if (!try_lock(key, WHOLE_TOPIC, ShareLock))
		return false;
	if (try_lock(key, partition, ExclusiveLock))
		return true;
	unlock(key, WHOLE_TOPIC, ShareLock);
	return false;
}

void
kfdw_claim_give_up(const KafkaPositionKey *key, int32 partition)
{
	unlock(key, partition, ExclusiveLock);
	unlock(key, WHOLE_TOPIC, ShareLock);
}

/*
 * One lock for a worker, however many partitions it reads: which of them are its own is
 * settled by the slots of workers and by the stream's revision, which no batch outlives.
 *
 * What a session holds is an advisory lock like a user's: a trigger that calls
 * pg_advisory_unlock_all() drops it.  Another consumer may then read the same
 * records, but one of the two finds the position moved and rolls back.
 */
bool
kfdw_claim_topic(const KafkaPositionKey *key)
{
	LOCKTAG		tag;

	make_tag(&tag, key, WHOLE_TOPIC);
	return LockAcquire(&tag, RowExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
kfdw_claim_release_topic(const KafkaPositionKey *key)
{
	LOCKTAG		tag;

	make_tag(&tag, key, WHOLE_TOPIC);
	(void) LockRelease(&tag, RowExclusiveLock, true);
}

/* ALTER SERVER ... RENAME and DROP SERVER lock the same object. */
void
kfdw_claim_server(Oid serverid)
{
	LockDatabaseObject(ForeignServerRelationId, serverid, 0, AccessShareLock);
}
