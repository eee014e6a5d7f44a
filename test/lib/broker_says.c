/*
 * broker_says.c
 *	  For LD_PRELOAD: lets the client library give answers that a real broker gives at
 *	  moments that a test cannot choose.
 *
 * While the file named by BROKER_SAYS exists, the next call that it is about takes it
 * away and gives the answer that it holds:  "offsets CODE": the error of each partition
 * that rd_kafka_offsets_for_times() is asked for;  "records CODE": the error in place of
 * the next records of a partition;  "start NUMBER": reading begins so many times, and the
 * next time not before there is a file again;  "position SECONDS": no answer for so long
 * to rd_kafka_send_offsets_to_transaction(), whatever its timeout;  "lose 1": the next record
 * is taken, and nothing is said of it ever.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

/* True when the file has an answer to this. */
static int
has_answer(const char *question, int *code)
{
	const char *path = getenv("BROKER_SAYS");
	FILE	   *file = path ? fopen(path, "r") : NULL;
	char		about[32];
	int			mine;

	if (file == NULL)
		return 0;
	mine = fscanf(file, "%31s %d", about, code) == 2 && strcmp(about, question) == 0;
	fclose(file);
	return mine;
}

/* True when the file had an answer to this, which was not given before. */
static int
take_answer(const char *question, int *code)
{
	return has_answer(question, code) && unlink(getenv("BROKER_SAYS")) == 0;
}

ssize_t
rd_kafka_consume_batch_queue(rd_kafka_queue_t *queue, int timeout_ms, rd_kafka_message_t **messages, size_t size)
{
	ssize_t		(*real) (rd_kafka_queue_t *, int, rd_kafka_message_t **, size_t) =
		dlsym(RTLD_NEXT, "rd_kafka_consume_batch_queue");
	ssize_t		count = real(queue, timeout_ms, messages, size);
	int			code;

	if (count <= 0 || messages[0]->err || !take_answer("records", &code))
		return count;
	for (ssize_t i = 1; i < count; i++)
		rd_kafka_message_destroy(messages[i]);
	messages[0]->err = code;
	messages[0]->payload = NULL;
	messages[0]->len = 0;
	return 1;
}

int
rd_kafka_consume_start_queue(rd_kafka_topic_t *topic, int32_t partition, int64_t offset, rd_kafka_queue_t *queue)
{
	static int	started = 0;
	int			(*real) (rd_kafka_topic_t *, int32_t, int64_t, rd_kafka_queue_t *) =
		dlsym(RTLD_NEXT, "rd_kafka_consume_start_queue");
	int			number;

	if (has_answer("start", &number) && started++ == number && take_answer("start", &number))
	{
		started = 0;
		while (access(getenv("BROKER_SAYS"), F_OK) != 0)
			usleep(10000);
	}
	return real(topic, partition, offset, queue);
}

rd_kafka_resp_err_t
rd_kafka_offsets_for_times(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *offsets, int timeout_ms)
{
	rd_kafka_resp_err_t (*real) (rd_kafka_t *, rd_kafka_topic_partition_list_t *, int) =
		dlsym(RTLD_NEXT, "rd_kafka_offsets_for_times");
	int			code;

	if (!take_answer("offsets", &code))
		return real(rk, offsets, timeout_ms);
	for (int i = 0; i < offsets->cnt; i++)
		offsets->elems[i].err = code;
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_error_t *
rd_kafka_send_offsets_to_transaction(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets,
									 const rd_kafka_consumer_group_metadata_t *group, int timeout_ms)
{
	rd_kafka_error_t *(*real) (rd_kafka_t *, const rd_kafka_topic_partition_list_t *,
							   const rd_kafka_consumer_group_metadata_t *, int) =
		dlsym(RTLD_NEXT, "rd_kafka_send_offsets_to_transaction");
	int			seconds;

	if (take_answer("position", &seconds))
		sleep(seconds);
	return real(rk, offsets, group, timeout_ms);
}

rd_kafka_error_t *
rd_kafka_produceva(rd_kafka_t *rk, const rd_kafka_vu_t *vus, size_t cnt)
{
	rd_kafka_error_t *(*real) (rd_kafka_t *, const rd_kafka_vu_t *, size_t) = dlsym(RTLD_NEXT, "rd_kafka_produceva");
	int			number;

	return take_answer("lose", &number) ? NULL : real(rk, vus, cnt);
}
