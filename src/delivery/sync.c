/*
 * sync.c
 *	  Delivery "sync": records are held until COMMIT, which sends them and waits
 *	  until every one of them is acknowledged.
 *
 * What fails then is an error, and the transaction rolls back.
 */
#include "postgres.h"

#include "delivery/delivery.h"
#include "delivery/target.h"

/* Of this transaction, whose memory context frees them. */
static KafkaRecordLog *held = NULL; /* NULL: nothing was inserted */
static List *targets = NIL;

static KafkaDestination *
begin_table(const KafkaTableOptions *options, Oid userid)
{
	KafkaTarget *target = kfdw_target_get(&targets, options, userid);

	target->destination.delivery = &kfdw_delivery_sync;
	return &target->destination;
}

/* Holds a copy of the record. */
static void
hold_record(KafkaDestination *destination, const KafkaRecord *record)
{
	kfdw_log_append(&held, destination, record);
}

static bool
holds_records(void)
{
	return !kfdw_log_is_empty(held);
}

/* Sends what is held and waits until all of it is acknowledged. */
static void
send_records(void)
{
	kfdw_target_send_log(&held, targets);
}

/* What was not sent is forgotten. */
static void
end_transaction(bool committed)
{
	held = NULL;
	targets = NIL;
	kfdw_producer_end_transaction();
}

static void
end_subtransaction(int level, bool committed)
{
	kfdw_log_end_subtransaction(held, level, committed);
}

const KafkaDelivery kfdw_delivery_sync = {
	.name = "sync",
	.begin = begin_table,
	.count_partitions = kfdw_target_count_partitions,
	.add = hold_record,
	.send_now = kfdw_target_send_now,
	.participant = {
		.holds = holds_records,
		.send = send_records,
		.end = end_transaction,
		.end_subtransaction = end_subtransaction,
	},
};
