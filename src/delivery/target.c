/*
 * target.c
 *	  The topics that a transaction writes to by a producer of its own session.
 *
 * A target outlives its statement, as its records may be sent at COMMIT: by the
 * options that the table had when they were inserted.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "delivery/target.h"

KafkaTarget *
kfdw_target_get(List **targets, const KafkaTableOptions *options, Oid userid)
{
	char	   *key = kfdw_config_key(&options->producer);
	MemoryContext old;
	KafkaTarget *target;
	ListCell   *lc;

	foreach(lc, *targets)
	{
		target = lfirst(lc);
		if (target->relid == options->relid && target->userid == userid && strcmp(target->key, key) == 0 &&
			strcmp(target->destination.topic, options->topic) == 0)
			return target;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	target = palloc0(sizeof(KafkaTarget));
	target->relid = options->relid;
	target->userid = userid;
	target->key = pstrdup(key);
	target->destination.topic = pstrdup(options->topic);
	target->destination.max_request_size = options->max_request_size;
	target->config = kfdw_config_copy(&options->producer);
	*targets = lappend(*targets, target);
	MemoryContextSwitchTo(old);
	return target;
}

/* The target's topic at its producer, which may be another one than the last time. */
static KafkaProducerTopic *
get_topic(const KafkaTarget *target)
{
	return kfdw_producer_topic(&target->config, target->destination.topic, target->relid);
}

int
kfdw_target_count_partitions(KafkaDestination *destination)
{
	return kfdw_producer_partition_count(get_topic((KafkaTarget *) destination));
}

/* Hands a record to the target's producer. */
static void
send_record(void *argument, const KafkaRecord *record)
{
	KafkaTarget *target = argument;

	if (target->topic == NULL)
		target->topic = get_topic(target);
	kfdw_producer_send(target->topic, record);
	target->sent++;
}

void
kfdw_target_send_log(KafkaRecordLog **log, const List *targets)
{
	ListCell   *lc;

	kfdw_log_replay(*log, send_record);
	kfdw_log_close(log);
	foreach(lc, targets)
	{
		const KafkaTarget *target = lfirst(lc);

		if (target->topic != NULL)
			kfdw_producer_flush(target->topic);
	}
}

void
kfdw_target_send_now(KafkaDestination *destination, KafkaRecord *record)
{
	KafkaTarget *target = (KafkaTarget *) destination;

	kfdw_producer_send_now(get_topic(target), record);
}
