/*
 * lag.c
 *	  How far behind a consumer is while its process is busy with something else.
 *
 * The meter is malloc'ed, and freed by whoever lets go of it last, the process or the
 * thread.  The thread touches nothing of PostgreSQL but the number that it writes.
 */
#include "postgres.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "storage/fd.h"

#include "kafka/call.h"
#include "kafka/lag.h"

#define MEASURE_MS 1000
#define ANSWER_MS 500

/* In rd_kafka_offsets_for_times() this stands for the end. */
#define TIMESTAMP_END (-1)

/* The process looks itself. */
#define RESTING (-1)

struct KafkaLagMeter
{
	int			holders;
	int			stop_fd;		/* an eventfd: written to, the thread ends */
	KafkaClient *client;
	rd_kafka_topic_partition_list_t *partitions;
	volatile int64 done;		/* or RESTING */
	volatile int64 *lag;		/* NULL: stopped */
};

/* Frees a meter that nobody holds any more. */
static void
let_go(KafkaLagMeter *meter)
{
	if (__atomic_sub_fetch(&meter->holders, 1, __ATOMIC_SEQ_CST) > 0)
		return;
	close(meter->stop_fd);
	rd_kafka_topic_partition_list_destroy(meter->partitions);
	kfdw_client_let_go(meter->client);
	free(meter);
}

/* The sum of the ends; -1 when a leader does not answer. */
static int64
ask_ends(KafkaLagMeter *meter)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(meter->partitions);
	int64		ends = 0;

	if (rd_kafka_offsets_for_times(meter->client->rk, list, ANSWER_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		ends = -1;
	for (int i = 0; i < list->cnt && ends >= 0; i++)
		ends = list->elems[i].err ? -1 : ends + list->elems[i].offset;
	rd_kafka_topic_partition_list_destroy(list);
	return ends;
}

static void *
measure(void *argument)
{
	KafkaLagMeter *meter = argument;
	struct pollfd stop = {meter->stop_fd, POLLIN};

	while (poll(&stop, 1, MEASURE_MS) == 0)
	{
		int64		done = meter->done;
		int64		ends = done == RESTING ? -1 : ask_ends(meter);
		volatile int64 *lag = __atomic_load_n(&meter->lag, __ATOMIC_SEQ_CST);

		/* what the process did meanwhile it has told itself */
		if (ends >= done && ends >= 0 && lag != NULL && done == meter->done)
			*lag = ends - done;
	}
	let_go(meter);
	return NULL;
}

KafkaLagMeter *
kfdw_lag_start(KafkaClient *client, rd_kafka_topic_partition_list_t *partitions, volatile int64 *lag)
{
	KafkaLagMeter *meter = calloc(1, sizeof(KafkaLagMeter));
	int			stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (meter == NULL || stop_fd < 0)
	{
		free(meter);
		if (stop_fd >= 0)
			close(stop_fd);
		rd_kafka_topic_partition_list_destroy(partitions);
		return NULL;
	}
	for (int i = 0; i < partitions->cnt; i++)
		partitions->elems[i].offset = TIMESTAMP_END;
	kfdw_client_hold(client);
	meter->holders = 2;
	meter->stop_fd = stop_fd;
	meter->client = client;
	meter->partitions = partitions;
	meter->done = RESTING;
	meter->lag = lag;
	if (kfdw_call_start_thread(measure, meter) == 0)
	{
		ReserveExternalFD();
		return meter;
	}
	meter->holders = 1;
	let_go(meter);
	return NULL;
}

void
kfdw_lag_measure(KafkaLagMeter *meter, int64 done)
{
	if (meter != NULL)
		meter->done = done;
}

void
kfdw_lag_rest(KafkaLagMeter *meter)
{
	if (meter != NULL)
		meter->done = RESTING;
}

void
kfdw_lag_stop(KafkaLagMeter *meter)
{
	static const uint64 one = 1;

	if (meter == NULL)
		return;
	ReleaseExternalFD();
	__atomic_store_n(&meter->lag, NULL, __ATOMIC_SEQ_CST);

	/* the eventfd takes it: it is written to only once */
	if (write(meter->stop_fd, &one, sizeof(one)) < 0)
		meter->done = RESTING;
	let_go(meter);
}
