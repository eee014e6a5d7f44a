/*
 * start_offset.c
 *	  Where a consumer group reads on in a partition.
 */
#include "postgres.h"

#include "source/start_offset.h"

/* Where a partition without a position starts. */
static int64
first_offset(const KafkaTableOptions *options, const KafkaTopicState *state, int32 partition, bool first_use)
{
	switch (options->auto_offset_reset)
	{
		case KAFKA_RESET_EARLIEST:
			return state->low[partition];
		case KAFKA_RESET_LATEST:
			/* a partition that came later is read from its beginning */
			return first_use ? state->end[partition] : state->low[partition];
		case KAFKA_RESET_NONE:
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("consumer group \"%s\" has no position in topic \"%s\", partition %d",
					options->group_id, options->topic, partition),
			 errhint("Set the option \"auto_offset_reset\" to \"earliest\" or \"latest\".")));
}

/* The broker does not have the records at a position: an error, or what replaces it. */
static int64
replace_position(const KafkaTableOptions *options, const KafkaTopicState *state, const KafkaPosition *was)
{
	int64		low = state->low[was->partition];
	int64		end = state->end[was->partition];

	if (options->on_offset_out_of_range == KAFKA_RESET_EARLIEST)
		return low;
	if (options->on_offset_out_of_range == KAFKA_RESET_LATEST)
		return end;
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("position " INT64_FORMAT " of consumer group \"%s\" is out of range in topic \"%s\", partition %d",
					was->next_offset, options->group_id, options->topic, was->partition),
			 errdetail("The topic has offsets " INT64_FORMAT " to " INT64_FORMAT ".", low, end),
			 was->next_offset < low ?
			 errhint("Retention removed records that were not read. Set the option \"on_offset_out_of_range\" to \"earliest\" or \"latest\" to go on.") :
			 errhint("The topic was recreated, or the position was reached with \"isolation_level\" \"read_uncommitted\". Set the option \"on_offset_out_of_range\" to \"earliest\" or \"latest\" to go on.")));
}

int64
kfdw_start_offset(const KafkaTableOptions *options, const KafkaTopicState *state,
				  const KafkaPosition *was, bool first_use)
{
	if (!was->exists)
		return first_offset(options, state, was->partition, first_use);
	if (was->cluster_id != NULL && state->cluster_id != NULL &&
		strcmp(was->cluster_id, state->cluster_id) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the position of consumer group \"%s\" in topic \"%s\", partition %d is one of another Kafka cluster",
						options->group_id, options->topic, was->partition),
				 errdetail("It was written for cluster \"%s\"; server \"%s\" is now cluster \"%s\".",
						   was->cluster_id, options->server, state->cluster_id),
				 errhint("Delete the group's rows from kafka.offsets to start anew.")));
	if (was->next_offset < state->low[was->partition] || was->next_offset > state->end[was->partition])
		return replace_position(options, state, was);
	return was->next_offset;
}
