/*
 * counts.c
 *	  Cumulative counts of topic tables.
 *
 * In shared memory they stand in an array.  A process looks for its place once, and
 * then goes there straight.  Where all places are taken the counts that nobody added
 * to for longest are given up.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "stat/counts.h"
#include "stat/memory.h"

/* What all processes see. */
typedef struct SharedCounts
{
	LWLock	   *lock;
	int			nplaces;
	KafkaCounts place[FLEXIBLE_ARRAY_MEMBER];
} SharedCounts;

/* What this process counted, and has not added yet. */
typedef struct LocalCounts
{
	KafkaCountsKey key;
	int			place;			/* where they were added last */
	slist_node	node;
	int64		count[KAFKA_MAX_COUNTS];
} LocalCounts;

static int	max_counts = 1000;	/* kafka_fdw.max_counts */
static SharedCounts *shared = NULL;
static HTAB *local = NULL;
static slist_head all_local = SLIST_STATIC_INIT(all_local);

static Size
memory_size(void)
{
	return add_size(offsetof(SharedCounts, place), mul_size(max_counts, sizeof(KafkaCounts)));
}

static void
set_up_memory(void *memory, LWLock *lock, bool is_new)
{
	shared = memory;
	if (!is_new)
		return;
	shared->lock = lock;
	shared->nplaces = max_counts;
}

int64 *
kfdw_counts_get(KafkaCountsKind kind, Oid object)
{
	KafkaCountsKey key = {MyDatabaseId, kind, object};
	LocalCounts *counts;
	bool		found;

	if (local == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(KafkaCountsKey), .entrysize = sizeof(LocalCounts), .hcxt = TopMemoryContext};

		local = hash_create("kafka_fdw counts", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	counts = hash_search(local, &key, HASH_ENTER, &found);
	if (!found)
	{
		counts->place = 0;
		memset(counts->count, 0, sizeof(counts->count));
		slist_push_head(&all_local, &counts->node);
	}
	return counts->count;
}

/* True when the counts in a place are those of a key. */
static bool
is_place_of(const KafkaCounts *place, const KafkaCountsKey *key)
{
	return place->key.database == key->database && place->key.kind == key->kind && place->key.object == key->object;
}

/* The place of counts, a new one where they have none; the lock is held. */
static KafkaCounts *
find_place(LocalCounts *counts)
{
	int			oldest = 0;

	if (is_place_of(&shared->place[counts->place], &counts->key))
		return &shared->place[counts->place];
	for (int i = 0; i < shared->nplaces; i++)
	{
		if (is_place_of(&shared->place[i], &counts->key))
		{
			counts->place = i;
			return &shared->place[i];
		}

		/* one that is free was never written to */
		if (shared->place[i].updated_at < shared->place[oldest].updated_at)
			oldest = i;
	}
	counts->place = oldest;
	shared->place[oldest] = (KafkaCounts) {.key = counts->key, .since = GetCurrentTimestamp()};
	return &shared->place[oldest];
}

/* True when there is something to add. */
static bool
is_pending(const LocalCounts *counts)
{
	for (int i = 0; i < KAFKA_MAX_COUNTS; i++)
		if (counts->count[i] != 0)
			return true;
	return false;
}

/* Adds what was counted, and starts again from zero. */
static void
add_counts(LocalCounts *counts)
{
	KafkaCounts *place;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	place = find_place(counts);
	for (int i = 0; i < KAFKA_LATEST; i++)
		place->count[i] += counts->count[i];
	place->count[KAFKA_LATEST] = Max(place->count[KAFKA_LATEST], counts->count[KAFKA_LATEST]);
	place->updated_at = GetCurrentTimestamp();
	LWLockRelease(shared->lock);
	memset(counts->count, 0, sizeof(counts->count));
}

void
kfdw_counts_flush(void)
{
	slist_iter	iter;

	if (shared == NULL)
		return;
	slist_foreach(iter, &all_local)
	{
		LocalCounts *counts = slist_container(LocalCounts, node, iter.cur);

		if (is_pending(counts))
			add_counts(counts);
	}
}

List *
kfdw_counts_list(KafkaCountsKind kind, const char *view)
{
	List	   *result = NIL;
	KafkaCounts *copy;

	kfdw_memory_require(shared, view);
	copy = palloc(mul_size(shared->nplaces, sizeof(KafkaCounts)));
	LWLockAcquire(shared->lock, LW_SHARED);
	memcpy(copy, shared->place, mul_size(shared->nplaces, sizeof(KafkaCounts)));
	LWLockRelease(shared->lock);
	for (int i = 0; i < shared->nplaces; i++)
		if (copy[i].key.database == MyDatabaseId && copy[i].key.kind == kind)
			result = lappend(result, &copy[i]);
	return result;
}

void
kfdw_counts_init(void)
{
	static const KafkaMemory memory = {"kafka_fdw counts", memory_size, set_up_memory};

	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable("kafka_fdw.max_counts",
							"Sets for how many tables of all databases statistics are kept.",
							NULL,
							&max_counts, 1000, 100, 1000000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	kfdw_memory_register(&memory);
}
