/*
 * async.c
 *	  Delivery "async": records are sent at once, in the background.
 *
 * Whatever becomes of the transaction, they are on their way.  What is not delivered is
 * told of later, and kafka.flush() returns it.
 */
#include "postgres.h"

#include "delivery/delivery.h"
#include "delivery/target.h"

/* Of this transaction, whose memory context frees them. */
static List *targets = NIL;

static KafkaDestination *
begin_table(const KafkaTableOptions *options, Oid userid)
{
	KafkaTarget *target = kfdw_target_get(&targets, options, userid);

	kfdw_background_look();
	target->outlet = kfdw_background_begin(&target->config, options->topic, options->relid);
	target->destination.delivery = &kfdw_delivery_async;
	return &target->destination;
}

static int
count_partitions(KafkaDestination *destination)
{
	return kfdw_background_partition_count(((KafkaTarget *) destination)->outlet);
}

static void
send_record(KafkaDestination *destination, const KafkaRecord *record)
{
	kfdw_background_send(((KafkaTarget *) destination)->outlet, record);
}

static void
end_transaction(bool committed)
{
	targets = NIL;
	kfdw_background_end_transaction();
}

const KafkaDelivery kfdw_delivery_async = {
	.name = "async",
	.begin = begin_table,
	.count_partitions = count_partitions,
	.add = send_record,
	.send_now = kfdw_target_send_now,
	.participant = {
		.send = kfdw_background_look,
		.end = end_transaction,
	},
};
