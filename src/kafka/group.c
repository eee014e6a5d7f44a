/*
 * group.c
 *	  What Kafka itself keeps of a consumer group: the positions that were committed there.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "kafka/admin.h"
#include "kafka/error.h"
#include "kafka/fault.h"
#include "kafka/group.h"
#include "stat/wait.h"

#define RETRY_PAUSE_MS 50

/* So long a coordinator is waited for by who can do without it. */
#define PATIENCE_MS 5000

/* Partitions as the library takes them. */
static rd_kafka_topic_partition_list_t *
list_positions(const KafkaGroupPosition *positions, int count)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);

	for (int i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, positions[i].topic, positions[i].partition);
	return list;
}

/* Hands the question to the library, which copies it. */
static void
ask(KafkaAdmin *admin, const char *group_id, const KafkaGroupPosition *positions, int count)
{
	rd_kafka_topic_partition_list_t *list = list_positions(positions, count);
	rd_kafka_ListConsumerGroupOffsets_t *question = rd_kafka_ListConsumerGroupOffsets_new(group_id, list);

	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_ListConsumerGroupOffsets(admin->client->rk, &question, 1, admin->options, admin->queue);
	rd_kafka_ListConsumerGroupOffsets_destroy(question);
}

/* The group's coordinator does not tell. */
pg_noreturn static void
report_error(KafkaClient *client, const char *group_id, rd_kafka_resp_err_t error)
{
	ereport_domain(ERROR, kfdw_fault_domain(error),
				   (errcode(kfdw_fault_sqlstate(error)),
					errmsg("could not ask Kafka at \"%s\" for the offsets of consumer group \"%s\"",
						   client->servers, group_id),
					errdetail_internal("%s: %s", rd_kafka_err2name(error), rd_kafka_err2str(error))));
}

/* Asks until the group's coordinator is there, as long as the client waits for an answer. */
static rd_kafka_resp_err_t
ask_until_answered(KafkaAdmin *admin, const char *group_id, KafkaGroupPosition *positions, int count,
				   const rd_kafka_topic_partition_list_t **list)
{
	TimestampTz began = kfdw_wait_now();

	for (;;)
	{
		rd_kafka_event_t *answer;
		rd_kafka_resp_err_t error;

		ask(admin, group_id, positions, count);
		answer = kfdw_admin_answer(admin);
		error = answer == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : kfdw_admin_group_error(answer, list);
		if (answer == NULL || kfdw_fault_course(error) != KAFKA_PASSES ||
			TimestampDifferenceExceeds(began, kfdw_wait_now(), admin->client->request_timeout_ms))
			return error;
		kfdw_client_wait(admin->client, RETRY_PAUSE_MS);
	}
}

/* Takes the offsets over. */
static void
take_offsets(const rd_kafka_topic_partition_list_t *list, KafkaGroupPosition *positions, int count)
{
	for (int i = 0; i < list->cnt; i++)
		for (int p = 0; p < count; p++)
			if (positions[p].partition == list->elems[i].partition &&
				strcmp(positions[p].topic, list->elems[i].topic) == 0)
				positions[p].offset = Max(list->elems[i].offset, -1);
}

/*
 * The library crashes when a broker answers that it is not the group's coordinator any more,
 * unless the client has a group itself.
 */
bool
kfdw_group_ask(const KafkaConfig *config, const char *group_id, KafkaGroupPosition *positions, int count,
			   bool must_tell)
{
	KafkaConfig member = kfdw_config_copy(config);
	const char *name = kfdw_config_utf8(group_id);
	const rd_kafka_topic_partition_list_t *list = NULL;
	rd_kafka_resp_err_t error;
	KafkaAdmin *admin;

	for (int i = 0; i < count; i++)
		positions[i].offset = -1;
	if (count == 0)
		return true;
	kfdw_config_set(&member, KAFKA_PROPERTY_GROUP_ID, name);
	if (!must_tell)
		member.request_timeout_ms = Min(member.request_timeout_ms, PATIENCE_MS);
	admin = kfdw_admin_begin(&member, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
	error = ask_until_answered(admin, name, positions, count, &list);
	if (error && must_tell && admin->is_unanswered)
		kfdw_error_unreachable(admin->client, positions[0].topic);
	if (error && must_tell)
		report_error(admin->client, group_id, error);
	if (!error)
		take_offsets(list, positions, count);
	kfdw_admin_end(admin);
	return !error;
}
