/*
 * doubts.c
 *	  Records that violate a unique or exclusion constraint in a transaction that keeps its snapshot.
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "stream/doubts.h"

/* A record that failed so. */
typedef struct KafkaDoubt
{
	const char *topic;
	int32		partition;
	int64		offset;
	int64		transaction;	/* the last one in which it did */
} KafkaDoubt;

struct KafkaDoubts
{
	MemoryContext context;		/* of the list */
	List	   *list;
	int			known;			/* so many of them are of transactions before this one */
	int			next;			/* where the search for one begins, as they come in the order of the list */
	int64		transaction;	/* counts */
	bool		any;			/* new ones in this transaction */
};

KafkaDoubts *
kfdw_doubts_create(void)
{
	KafkaDoubts *doubts = palloc0(sizeof(KafkaDoubts));

	doubts->context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw doubts", ALLOCSET_SMALL_SIZES);
	return doubts;
}

void
kfdw_doubts_begin(KafkaDoubts *doubts)
{
	doubts->transaction++;
	doubts->known = list_length(doubts->list);
	doubts->next = 0;
	doubts->any = false;
}

/* What is known of a record, NULL for nothing. */
static KafkaDoubt *
find(KafkaDoubts *doubts, const KafkaRecord *record)
{
	for (int i = 0; i < doubts->known; i++)
	{
		int			place = (doubts->next + i) % doubts->known;
		KafkaDoubt *doubt = list_nth(doubts->list, place);

		if (doubt->offset != record->offset || doubt->partition != record->partition ||
			strcmp(doubt->topic, record->topic) != 0)
			continue;
		doubts->next = place + 1;
		return doubt;
	}
	return NULL;
}

/* Adds a record of which nothing is known. */
static KafkaDoubt *
add(KafkaDoubts *doubts, const KafkaRecord *record)
{
	MemoryContext old = MemoryContextSwitchTo(doubts->context);
	KafkaDoubt *doubt = palloc(sizeof(KafkaDoubt));

	*doubt = (KafkaDoubt) {pstrdup(record->topic), record->partition, record->offset, -1};
	doubts->list = lappend(doubts->list, doubt);
	MemoryContextSwitchTo(old);
	return doubt;
}

bool
kfdw_doubts_add(KafkaDoubts *doubts, const KafkaRecord *record)
{
	KafkaDoubt *doubt = find(doubts, record);
	bool		is_new;

	if (doubt == NULL)
		doubt = add(doubts, record);
	is_new = doubt->transaction < doubts->transaction - 1;
	doubt->transaction = doubts->transaction;
	doubts->any |= is_new;
	return is_new;
}

bool
kfdw_doubts_any(const KafkaDoubts *doubts)
{
	return doubts->any;
}

void
kfdw_doubts_clear(KafkaDoubts *doubts)
{
	doubts->list = NIL;
	doubts->known = 0;
	MemoryContextReset(doubts->context);
}
