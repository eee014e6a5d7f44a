/*
 * admin.c
 *	  Requests of the library's administration, which answers in a queue.
 *
 * No thread of ours is needed: the library works on its own ones, and the process waits
 * on its latch and for the queue.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "kafka/admin.h"
#include "kafka/error.h"
#include "kafka/fault.h"
#include "stat/wait.h"

#define AWAIT_MS 100

/* The longest that the library takes. */
#define MAX_LIBRARY_TIMEOUT_MS (3600 * 1000)

/* Lets go of everything that the library counts. */
static void
drop_library_objects(KafkaAdmin *admin)
{
	if (admin->answer != NULL)
		rd_kafka_event_destroy(admin->answer);
	if (admin->options != NULL)
		rd_kafka_AdminOptions_destroy(admin->options);
	if (admin->queue != NULL)
	{
		rd_kafka_queue_io_event_enable(admin->queue, -1, NULL, 0);
		rd_kafka_queue_destroy(admin->queue);
	}
	admin->answer = NULL;
	admin->options = NULL;
	admin->queue = NULL;
}

/* The memory context goes away, most likely by an error. */
static void
abandon_admin(void *argument)
{
	KafkaAdmin *admin = argument;

	if (admin->client == NULL)
		return;
	drop_library_objects(admin);
	kfdw_client_discard(admin->client);
	admin->client = NULL;
}

/*
 * How long the library tries, and how long brokers may take to do what they are asked for.
 * A request to the coordinator of a group must not end in the library before its client
 * does: the library would still answer it when the coordinator is found, and crash.
 */
static void
set_timeouts(KafkaAdmin *admin, rd_kafka_admin_op_t operation)
{
	char		reason[256];
	int			timeout_ms = admin->client->request_timeout_ms;
	bool		of_group = operation == RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS;

	(void) rd_kafka_AdminOptions_set_request_timeout(admin->options, of_group ? MAX_LIBRARY_TIMEOUT_MS : timeout_ms,
													 reason, sizeof(reason));
	if (operation == RD_KAFKA_ADMIN_OP_CREATETOPICS || operation == RD_KAFKA_ADMIN_OP_DELETETOPICS ||
		operation == RD_KAFKA_ADMIN_OP_CREATEPARTITIONS)
		(void) rd_kafka_AdminOptions_set_operation_timeout(admin->options, timeout_ms, reason, sizeof(reason));
}

KafkaAdmin *
kfdw_admin_begin(const KafkaConfig *config, rd_kafka_admin_op_t operation)
{
	static const uint64 one = 1;
	KafkaAdmin *admin = palloc0(sizeof(KafkaAdmin));

	admin->client = kfdw_client_acquire(config);
	admin->callback.func = abandon_admin;
	admin->callback.arg = admin;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &admin->callback);
	admin->queue = rd_kafka_queue_new(admin->client->rk);
	rd_kafka_queue_io_event_enable(admin->queue, admin->client->wake_fd, &one, sizeof(one));
	admin->options = rd_kafka_AdminOptions_new(admin->client->rk, operation);
	set_timeouts(admin, operation);
	return admin;
}

/* True when nobody will answer any more. */
static bool
is_hopeless(const KafkaAdmin *admin, TimestampTz began)
{
	const KafkaClient *client = admin->client;

	if (client->error && kfdw_fault_course(client->error) != KAFKA_PASSES)
		return true;
	return TimestampDifferenceExceeds(began, kfdw_wait_now(),
									  Min(client->request_timeout_ms, PG_INT32_MAX - AWAIT_MS) + AWAIT_MS);
}

rd_kafka_event_t *
kfdw_admin_answer(KafkaAdmin *admin)
{
	TimestampTz began = kfdw_wait_now();

	if (admin->answer != NULL)
		rd_kafka_event_destroy(admin->answer);
	admin->answer = NULL;
	while ((admin->answer = rd_kafka_queue_poll(admin->queue, 0)) == NULL)
	{
		admin->is_unanswered = is_hopeless(admin, began);
		if (admin->is_unanswered)
			return NULL;
		kfdw_client_wait(admin->client, AWAIT_MS);
	}
	admin->is_unanswered = rd_kafka_event_error(admin->answer) == RD_KAFKA_RESP_ERR__TIMED_OUT;
	return admin->is_unanswered ? NULL : admin->answer;
}

rd_kafka_event_t *
kfdw_admin_await(KafkaAdmin *admin, const char *topic)
{
	rd_kafka_event_t *answer = kfdw_admin_answer(admin);

	if (answer == NULL)
		kfdw_error_unreachable(admin->client, topic);
	return answer;
}

void
kfdw_admin_end(KafkaAdmin *admin)
{
	KafkaClient *client = admin->client;

	if (admin->is_unanswered)
	{
		abandon_admin(admin);
		return;
	}
	drop_library_objects(admin);
	admin->client = NULL;
	kfdw_client_release(client);
}

rd_kafka_resp_err_t
kfdw_admin_group_error(rd_kafka_event_t *answer, const rd_kafka_topic_partition_list_t **offsets)
{
	const rd_kafka_group_result_t **groups;
	size_t		count;

	if (rd_kafka_event_error(answer))
		return rd_kafka_event_error(answer);
	groups = rd_kafka_ListConsumerGroupOffsets_result_groups(rd_kafka_event_ListConsumerGroupOffsets_result(answer),
															 &count);
	if (count != 1)
		return RD_KAFKA_RESP_ERR__BAD_MSG;
	if (rd_kafka_group_result_error(groups[0]) != NULL)
		return rd_kafka_error_code(rd_kafka_group_result_error(groups[0]));
	*offsets = rd_kafka_group_result_partitions(groups[0]);
	if (*offsets == NULL)
		return RD_KAFKA_RESP_ERR__BAD_MSG;
	for (int i = 0; i < (*offsets)->cnt; i++)
		if ((*offsets)->elems[i].err)
			return (*offsets)->elems[i].err;
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}
