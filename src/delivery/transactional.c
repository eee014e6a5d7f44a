/*
 * transactional.c
 *	  Delivery "transactional": records are held until COMMIT, which sends them in one
 *	  Kafka transaction.
 *
 * That commits after everything else that leaves the database, as the last step before
 * PostgreSQL's own commit.  What still can fail then, PostgreSQL rolls back, and Kafka
 * cannot any more: a warning tells of it, and the records are counted.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "catalog/instance.h"
#include "compat.h"
#include "delivery/delivery.h"
#include "delivery/target.h"
#include "kafka/transaction.h"
#include "stat/counts.h"

/* Of this transaction, whose memory context frees them. */
static KafkaRecordLog *held = NULL; /* NULL: nothing was inserted */
static List *targets = NIL;
static const KafkaTarget *first = NULL; /* of the first record that is held */
static const char *instance = NULL; /* as the transaction found it when it began to write; NULL: not yet */
static bool committed_in_kafka = false;

/*
 * A session's id is its place among the backends: the next session in it ends what this
 * one may leave behind.  In a transaction it stays what it is when the database gets another name.
 */
static KafkaConfig
make_config(const KafkaTableOptions *options)
{
	char	   *id;

	if (instance == NULL)
		instance = MemoryContextStrdup(TopTransactionContext, kfdw_instance_name());
	id = psprintf("%s-%s-%d", options->transactional_id_prefix, instance, kfdw_backend_number());
	return kfdw_config_transactional(&options->producer, kfdw_config_utf8(id), options->transaction_timeout_ms);
}

static bool
holds_records(void)
{
	return !kfdw_log_is_empty(held);
}

/* One Kafka transaction is one producer's.  What was rolled back to a savepoint does not count. */
static void
check_one_producer(const KafkaTarget *target)
{
	if (!holds_records() || first == target || strcmp(first->key, target->key) == 0)
		return;
	if (first->relid == target->relid && first->userid == target->userid)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("topic \"%s\" cannot be written to with different options in one Kafka transaction",
						target->destination.topic),
				 errdetail("Options of the table, its server or user mapping were changed since this transaction wrote to it.")));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("topics \"%s\" and \"%s\" cannot be written to in one Kafka transaction",
					first->destination.topic, target->destination.topic),
			 errdetail("Their tables are of different servers or users, or have different options of the client."),
			 errhint("Set these options on the server, or use delivery \"outbox\".")));
}

static KafkaDestination *
begin_table(const KafkaTableOptions *options, Oid userid)
{
	KafkaTableOptions transactional = *options;
	KafkaTarget *target;

	transactional.producer = make_config(options);
	target = kfdw_target_get(&targets, &transactional, userid);
	target->destination.delivery = &kfdw_delivery_transactional;
	check_one_producer(target);
	kfdw_transaction_prepare(kfdw_producer_get(&target->config));
	return &target->destination;
}

/* Holds a copy of the record. */
static void
hold_record(KafkaDestination *destination, const KafkaRecord *record)
{
	const KafkaTarget *target = (KafkaTarget *) destination;

	check_one_producer(target);
	if (!holds_records())
		first = target;
	kfdw_log_append(&held, destination, record);
}

/* Sends what is held and commits it. */
static void
send_transaction(void)
{
	KafkaProducer *producer = kfdw_producer_get(&first->config);

	kfdw_transaction_begin(producer);
	kfdw_target_send_log(&held, targets);
	kfdw_transaction_commit(producer);
	committed_in_kafka = true;
}

static void
send_records(void)
{
	if (holds_records())
		send_transaction();
	kfdw_log_close(&held);
}

/* PostgreSQL failed when it was too late: the records are in their topics. */
static void
count_orphans(void)
{
	ListCell   *lc;

	foreach(lc, targets)
	{
		const KafkaTarget *target = lfirst(lc);

		kfdw_counts_get(KAFKA_COUNTS_WRITING, target->relid)[KAFKA_WRITING_ORPHANS] += target->sent;
	}
}

/* What was not sent is forgotten. */
static void
end_transaction(bool committed)
{
	bool		lost = committed_in_kafka && !committed;

	if (lost)
		count_orphans();
	held = NULL;
	targets = NIL;
	first = NULL;
	instance = NULL;
	committed_in_kafka = false;
	if (lost)
		ereport(WARNING,
				(errmsg("the Kafka transaction of this transaction has committed already"),
				 errdetail("PostgreSQL failed in the moment between: its rows are rolled back, the records are in their topics.")));
}

static void
end_subtransaction(int level, bool committed)
{
	kfdw_log_end_subtransaction(held, level, committed);
}

const KafkaDelivery kfdw_delivery_transactional = {
	.name = "transactional",
	.begin = begin_table,
	.count_partitions = kfdw_target_count_partitions,
	.add = hold_record,
	.participant = {
		.holds = holds_records,
		.send = send_records,
		.end = end_transaction,
		.end_subtransaction = end_subtransaction,
	},
};
