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

/* The target for these options if it is in the list, else a new one at its end. */
static KafkaTarget *
find_target(List **targets, const KafkaTableOptions *options, Oid userid)
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
	return kfdw_producer_topic(&target->config, target->destination.topic);
}

KafkaTarget *
kfdw_target_get(List **targets, const KafkaTableOptions *options, Oid userid)
{
	KafkaTarget *target = find_target(targets, options, userid);

	target->npartitions = kfdw_producer_partition_count(get_topic(target));
	return target;
}

void
kfdw_target_check(KafkaTarget *target, const KafkaRecord *record)
{
	/* the topic may have grown */
	if (record->partition >= target->npartitions)
		target->npartitions = kfdw_producer_partition_count(get_topic(target));

	if (record->partition >= target->npartitions)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic \"%s\" has no partition %d", target->destination.topic, record->partition),
				 errdetail("It has partitions 0 to %d.", target->npartitions - 1)));
}

void
kfdw_target_send(KafkaTarget *target, const KafkaRecord *record)
{
	if (target->topic == NULL)
		target->topic = get_topic(target);
	kfdw_producer_send(target->topic, record);
}

void
kfdw_target_send_now(KafkaTarget *target, KafkaRecord *record)
{
	kfdw_producer_send_now(get_topic(target), record);
}
