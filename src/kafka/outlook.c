/*
 * outlook.c
 *	  What the brokers say of the partitions that are read: where they begin and end.
 *
 * Each topic is asked for by a call of its own.
 */
#include "postgres.h"

#include "kafka/error.h"
#include "kafka/fault.h"
#include "kafka/outlook.h"
#include "kafka/topic.h"

/*
 * How long leaders may keep silent before a topic is shown without them: a link may be slow,
 * or others about to be elected.  That is waited for once, whatever the number of topics.
 */
#define PATIENCE_MS 2000

/* Takes over what came for a partition. */
static void
take_answer(KafkaPartition *partition, const KafkaPartitionAnswer *answer)
{
	partition->low = answer->low;
	partition->end = answer->end;
	partition->trouble = answer->end < 0 ? rd_kafka_err2str(answer->error) : NULL;
}

/* Partitions that are selected by their numbers are there; where all later ones are, there may be none yet. */
static void
check_selected(const KafkaSelection *selection, const KafkaTopic *topic)
{
	for (int i = 0; i < selection->nranges; i++)
	{
		const KafkaPartitionRange *range = &selection->ranges[i];

		/* it may come: partitions are added */
		if (range->last != KAFKA_ALL_LATER && range->last >= topic->npartitions)
			kfdw_fault_no_partition(kfdw_fault_domain(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), topic->name,
									Max(range->first, topic->npartitions), topic->npartitions,
									psprintf("The option \"partitions\" asks for it. A range without an end, as \"%d-\", reads what is there and what comes later.",
											 topic->npartitions));
	}
}

/* Adds the partitions of a topic that are selected to an outlook. */
static void
add_topic(KafkaOutlook *outlook, const KafkaSelection *selection, const KafkaTopicCall *call)
{
	KafkaTopic *topic = &outlook->topics[outlook->ntopics];
	int			room = outlook->npartitions + call->npartitions + 1;

	topic->name = pstrdup(call->topic);
	topic->topic_id = call->topic_id == NULL ? NULL : pstrdup(call->topic_id);
	topic->npartitions = call->npartitions;
	topic->first = outlook->npartitions;
	if (outlook->partitions == NULL)
		outlook->partitions = palloc(room * sizeof(KafkaPartition));
	else
		outlook->partitions = repalloc(outlook->partitions, room * sizeof(KafkaPartition));
	for (int32 number = 0; number < call->npartitions; number++)
	{
		KafkaPartition *partition = &outlook->partitions[outlook->npartitions];

		if (!kfdw_selection_has(selection, number))
			continue;
		partition->index = outlook->npartitions++;
		partition->topic_index = outlook->ntopics;
		partition->topic = topic->name;
		partition->number = number;
		take_answer(partition, &call->partitions[number]);
	}
	topic->count = outlook->npartitions - topic->first;
	outlook->ntopics++;
}

KafkaOutlook *
kfdw_outlook_take(KafkaClient *client, const KafkaSelection *selection)
{
	KafkaOutlook *outlook = palloc0(sizeof(KafkaOutlook));
	int			patience_ms = PATIENCE_MS;

	outlook->topics = palloc0(selection->ntopics * sizeof(KafkaTopic));
	for (int t = 0; t < selection->ntopics; t++)
	{
		KafkaTopicCall *call = kfdw_topic_look(client, selection->topics[t], patience_ms);

		if (call->error)
			patience_ms = 0;
		add_topic(outlook, selection, call);
		if (call->cluster_id != NULL && outlook->cluster_id == NULL)
			outlook->cluster_id = pstrdup(call->cluster_id);
		kfdw_topic_done(call);
		check_selected(selection, &outlook->topics[t]);
	}

	/* it answers: whatever trouble there was is over */
	if (patience_ms > 0)
		client->error = RD_KAFKA_RESP_ERR_NO_ERROR;
	return outlook;
}

/* Takes over the answers of a call; the first partition that has none, or NULL. */
static const KafkaPartition *
take_required(KafkaOutlook *outlook, const KafkaTopic *topic, const KafkaTopicCall *call,
			  rd_kafka_resp_err_t *error)
{
	for (int p = topic->first; p < topic->first + topic->count; p++)
	{
		KafkaPartition *partition = &outlook->partitions[p];

		*error = call->error;
		if (!call->required[partition->number])
			continue;
		if (partition->number >= call->npartitions)
			return partition;
		take_answer(partition, &call->partitions[partition->number]);
		if (call->partitions[partition->number].error)
			*error = call->partitions[partition->number].error;
		if (partition->end < 0)
			return partition;
	}
	return NULL;
}

/* Takes over what a call says of the partitions that it requires; that one is missing is an error. */
static void
take_all(KafkaClient *client, KafkaOutlook *outlook, const KafkaTopic *topic, KafkaTopicCall *call)
{
	rd_kafka_resp_err_t error;
	const KafkaPartition *missing = take_required(outlook, topic, call, &error);
	bool		unknown = missing != NULL && missing->number >= call->npartitions;

	kfdw_topic_done(call);
	if (missing == NULL)
		return;
	if (unknown && kfdw_fault_course(error) == KAFKA_PASSES)
		kfdw_error_unreachable(client, topic->name);
	kfdw_error_topic(client, topic->name, unknown ? -1 : missing->number, error,
					 rd_kafka_err2str(error));
}

/* The same for the partitions of one of the topics. */
static void
require_topic(KafkaClient *client, KafkaOutlook *outlook, const KafkaTopic *topic,
			  const KafkaPartitionFilter *filter)
{
	bool	   *required = palloc0(Max(topic->npartitions, 1) * sizeof(bool));
	int			missing = 0;

	for (int p = topic->first; p < topic->first + topic->count; p++)
	{
		const KafkaPartition *partition = &outlook->partitions[p];

		if (partition->end >= 0 || (filter != NULL && !filter->admits(filter->argument, partition)))
			continue;
		required[partition->number] = true;
		missing++;
	}
	if (missing > 0)
		take_all(client, outlook, topic, kfdw_topic_offsets(client, topic->name, required, topic->npartitions));
	pfree(required);
}

void
kfdw_outlook_require(KafkaClient *client, KafkaOutlook *outlook, const KafkaPartitionFilter *filter)
{
	for (int t = 0; t < outlook->ntopics; t++)
		require_topic(client, outlook, &outlook->topics[t], filter);
}

/* Asks for the times of one of the topics' partitions; the answers are the ends in "found". */
static void
find_times(KafkaClient *client, KafkaOutlook *found, const KafkaTopic *topic, const int64 *times)
{
	int64	   *asked = palloc0(Max(topic->npartitions, 1) * sizeof(int64));
	bool		any = false;

	for (int p = topic->first; p < topic->first + topic->count; p++)
	{
		asked[found->partitions[p].number] = times[p];
		any |= times[p] > 0;
	}
	if (any)
		take_all(client, found, topic, kfdw_topic_times(client, topic->name, asked, topic->npartitions));
	pfree(asked);
}

int64 *
kfdw_outlook_times(KafkaClient *client, const KafkaOutlook *outlook, const int64 *times)
{
	KafkaOutlook found = *outlook;
	size_t		size = Max(outlook->npartitions, 1) * sizeof(KafkaPartition);
	int64	   *first = palloc(Max(outlook->npartitions, 1) * sizeof(int64));

	found.partitions = palloc(size);
	memcpy(found.partitions, outlook->partitions, outlook->npartitions * sizeof(KafkaPartition));
	for (int t = 0; t < found.ntopics; t++)
		find_times(client, &found, &found.topics[t], times);
	for (int p = 0; p < found.npartitions; p++)
		first[p] = found.partitions[p].end;
	pfree(found.partitions);
	return first;
}

KafkaPartition *
kfdw_outlook_find(const KafkaOutlook *outlook, const char *name, int32 number)
{
	for (int t = 0; t < outlook->ntopics; t++)
	{
		const KafkaTopic *topic = &outlook->topics[t];
		int			i;

		if (strcmp(topic->name, name) != 0)
			continue;

		/* so far behind the first at most, as they ascend */
		i = Min(number, topic->count - 1);
		while (i > 0 && outlook->partitions[topic->first + i].number > number)
			i--;
		return i >= 0 && outlook->partitions[topic->first + i].number == number ?
			&outlook->partitions[topic->first + i] : NULL;
	}
	return NULL;
}

int
kfdw_outlook_share(const KafkaOutlook *outlook, const KafkaPartition *partition)
{
	return partition->topic_index + partition->index - outlook->topics[partition->topic_index].first;
}

bool
kfdw_outlook_tells_apart(const char *topic_id, const char *other)
{
	return topic_id != NULL && other != NULL && strcmp(topic_id, other) != 0;
}
