/*
 * consumed.c
 *	  What a transaction consumes, for statistics that count it when it is over.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "source/consumed.h"
#include "stat/counts.h"
#include "xact.h"

/* In the transaction's memory context. */
static KafkaConsumed *all_consumed = NULL;

KafkaConsumed *
kfdw_consumed_get(Oid relid)
{
	KafkaConsumed *consumed;

	for (consumed = all_consumed; consumed != NULL; consumed = consumed->next)
		if (consumed->relid == relid)
			return consumed;
	consumed = MemoryContextAllocZero(TopTransactionContext, sizeof(KafkaConsumed));
	consumed->relid = relid;
	consumed->counts = kfdw_counts_get(KAFKA_COUNTS_CONSUMING, relid);
	consumed->next = all_consumed;
	all_consumed = consumed;
	return consumed;
}

/* The transaction is over: what a savepoint took back counts too, as it was consumed. */
static void
count_all(bool committed)
{
	for (KafkaConsumed *consumed = all_consumed; consumed != NULL; consumed = consumed->next)
	{
		consumed->counts[committed ? KAFKA_CONSUMING_COMMITS : KAFKA_CONSUMING_ROLLBACKS]++;
		if (!committed)
			continue;
		consumed->counts[KAFKA_CONSUMING_RECORDS] += consumed->records;
		consumed->counts[KAFKA_CONSUMING_BYTES] += consumed->bytes;
		consumed->counts[KAFKA_CONSUMING_LAST_COMMIT] = GetCurrentTransactionStopTimestamp();
	}
	all_consumed = NULL;
}

static const KafkaParticipant participant = {
	.end = count_all,
};

void
kfdw_consumed_init(void)
{
	kfdw_xact_register(&participant);
}
