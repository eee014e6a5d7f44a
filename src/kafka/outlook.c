/*
 * outlook.c
 *	  What the brokers say of a topic's partitions: where they begin and end.
 */
#include "postgres.h"

#include "kafka/error.h"
#include "kafka/fault.h"
#include "kafka/outlook.h"
#include "kafka/topic.h"

/* Takes over what came for a partition. */
static void
take_answer(KafkaTopicState *state, int32 partition, const KafkaPartitionAnswer *answer)
{
	state->low[partition] = answer->low;
	state->end[partition] = answer->end;
	state->trouble[partition] = answer->end < 0 ? rd_kafka_err2str(answer->error) : NULL;
}

/* Room for what is known of partitions. */
static KafkaTopicState *
make_state(int npartitions)
{
	KafkaTopicState *state = palloc0(sizeof(KafkaTopicState));

	state->npartitions = npartitions;
	state->low = palloc(npartitions * sizeof(int64));
	state->end = palloc(npartitions * sizeof(int64));
	state->trouble = palloc(npartitions * sizeof(char *));
	return state;
}

KafkaTopicState *
kfdw_outlook_take(KafkaClient *client, const char *topic)
{
	KafkaTopicCall *call = kfdw_topic_offsets(client, topic, NULL, 0);
	KafkaTopicState *state = make_state(call->npartitions);

	for (int p = 0; p < state->npartitions; p++)
		take_answer(state, p, &call->partitions[p]);
	if (call->cluster_id != NULL)
		state->cluster_id = pstrdup(call->cluster_id);
	kfdw_topic_done(call);

	/* it answers: whatever trouble there was is over */
	client->error = RD_KAFKA_RESP_ERR_NO_ERROR;
	return state;
}

/* Takes over the answers of a call; the first partition that has none, or -1. */
static int32
take_required(KafkaTopicState *state, const KafkaTopicCall *call, rd_kafka_resp_err_t *error)
{
	for (int p = 0; p < call->nrequired; p++)
	{
		*error = call->error;
		if (!call->required[p])
			continue;
		if (p >= call->npartitions)
			return p;
		take_answer(state, p, &call->partitions[p]);
		if (call->partitions[p].error)
			*error = call->partitions[p].error;
		if (state->end[p] < 0)
			return p;
	}
	return -1;
}

/* Takes over what a call says of the partitions that it requires; that one is missing is an error. */
static void
take_all(KafkaClient *client, const char *topic, KafkaTopicState *state, KafkaTopicCall *call)
{
	rd_kafka_resp_err_t error;
	int32		missing = take_required(state, call, &error);
	bool		unknown = missing >= call->npartitions;

	kfdw_topic_done(call);
	if (missing < 0)
		return;
	if (unknown && kfdw_fault_course(error) == KAFKA_PASSES)
		kfdw_error_unreachable(client, topic);
	kfdw_error_topic(client, topic, unknown ? -1 : missing, error,
					 rd_kafka_err2str(error));
}

void
kfdw_outlook_require(KafkaClient *client, const char *topic, KafkaTopicState *state,
					 const KafkaPartitionFilter *filter)
{
	bool	   *required = palloc(Max(state->npartitions, 1) * sizeof(bool));
	int			missing = 0;

	for (int p = 0; p < state->npartitions; p++)
	{
		required[p] = state->end[p] < 0 && (filter == NULL || filter->admits(filter->argument, p));
		missing += required[p];
	}
	if (missing > 0)
		take_all(client, topic, state, kfdw_topic_offsets(client, topic, required, state->npartitions));
	pfree(required);
}

int64 *
kfdw_outlook_times(KafkaClient *client, const char *topic, const int64 *times, int npartitions)
{
	KafkaTopicState *found = make_state(npartitions);
	int64	   *first = found->end;

	take_all(client, topic, found, kfdw_topic_times(client, topic, times, npartitions));
	pfree(found->low);
	pfree(found->trouble);
	pfree(found);
	return first;
}
