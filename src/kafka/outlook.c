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

KafkaTopicState *
kfdw_outlook_take(KafkaClient *client, const char *topic)
{
	KafkaTopicCall *call = kfdw_topic_offsets(client, topic, NULL, 0);
	KafkaTopicState *state = palloc0(sizeof(KafkaTopicState));

	state->npartitions = call->npartitions;
	state->low = palloc(call->npartitions * sizeof(int64));
	state->end = palloc(call->npartitions * sizeof(int64));
	state->trouble = palloc(call->npartitions * sizeof(char *));
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

/* Asks for these partitions, and waits. */
static void
ask_required(KafkaClient *client, const char *topic, KafkaTopicState *state, const bool *required)
{
	KafkaTopicCall *call = kfdw_topic_offsets(client, topic, required, state->npartitions);
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
		ask_required(client, topic, state, required);
	pfree(required);
}
