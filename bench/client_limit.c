/*
 * The ceiling for reading and writing a topic: librdkafka alone, nothing decoded.  Prints seconds.
 *   cc -O2 client_limit.c -lrdkafka -o client_limit
 *   ./client_limit consume BOOTSTRAP TOPIC PARTITIONS RECORDS [property=value ...]
 *   ./client_limit produce BOOTSTRAP TOPIC FILE [property=value ...]     (a record for each line, acks=all, idempotent)
 *   ./client_limit acknowledge BOOTSTRAP TOPIC RECORDS [property=value ...]  (one after the other; the seconds of each)
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char error[512];
static long delivered, failed;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) != RD_KAFKA_CONF_OK)
	{
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
}

static rd_kafka_t *
client(rd_kafka_type_t type, rd_kafka_conf_t *conf, char **argv, int from, int argc)
{
	rd_kafka_t *rk;

	set(conf, "bootstrap.servers", argv[2]);
	for (; from < argc; from++)
	{
		char	   *equals = strchr(argv[from], '=');

		*equals = '\0';
		set(conf, argv[from], equals + 1);
	}
	rk = rd_kafka_new(type, conf, error, sizeof(error));
	if (rk == NULL)
	{
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
	return rk;
}

static void
consume(int argc, char **argv)
{
	static rd_kafka_message_t *batch[10000];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	long		want = atol(argv[5]),
				got = 0;
	double		start = now();
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	rd_kafka_queue_t *queue;

	set(conf, "group.id", "limit");
	rk = client(RD_KAFKA_CONSUMER, conf, argv, 6, argc);
	topic = rd_kafka_topic_new(rk, argv[3], NULL);
	queue = rd_kafka_queue_new(rk);
	for (int p = 0; p < atoi(argv[4]); p++)
		rd_kafka_consume_start_queue(topic, p, 0, queue);
	while (got < want)
	{
		ssize_t		n = rd_kafka_consume_batch_queue(queue, 1000, batch, 10000);

		for (ssize_t i = 0; i < n; i++)
		{
			got += batch[i]->err == 0;
			rd_kafka_message_destroy(batch[i]);
		}
	}
	printf("%.4f\n", now() - start);
}

static void
delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	if (message->err)
		failed++;
	else
		delivered++;
}

static rd_kafka_topic_t *
producer(rd_kafka_t **rk, int argc, char **argv)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	set(conf, "acks", "all");
	set(conf, "enable.idempotence", "true");
	set(conf, "queue.buffering.max.messages", "1000000");
	rd_kafka_conf_set_dr_msg_cb(conf, delivery);
	*rk = client(RD_KAFKA_PRODUCER, conf, argv, 5, argc);
	return rd_kafka_topic_new(*rk, argv[3], NULL);
}

static void
check_delivered(rd_kafka_t *rk)
{
	if (failed == 0 && rd_kafka_outq_len(rk) == 0)
		return;
	fprintf(stderr, "%ld records failed\n", failed);
	exit(1);
}

static void
acknowledge(int argc, char **argv)
{
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic = producer(&rk, argc, argv);

	/* the first one, which connects, is not counted */
	for (long i = 0; i <= atol(argv[4]); i++)
	{
		double		start = now();

		rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, "{\"id\":1}", 8, NULL, 0, NULL);
		rd_kafka_flush(rk, 60000);
		check_delivered(rk);
		if (i > 0)
			printf("%.6f\n", now() - start);
	}
}

static void
produce(int argc, char **argv)
{
	FILE	   *file = fopen(argv[4], "r");
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		length;
	double		start;
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic = producer(&rk, argc, argv);

	start = now();
	while ((length = getline(&line, &size, file)) > 0)
	{
		while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, line, length - 1, NULL, 0, NULL) == -1)
			rd_kafka_poll(rk, 10);
		rd_kafka_poll(rk, 0);
	}
	rd_kafka_flush(rk, 60000);
	check_delivered(rk);
	printf("%.4f\n", now() - start);
}

int
main(int argc, char **argv)
{
	if (argc > 5 && strcmp(argv[1], "consume") == 0)
		consume(argc, argv);
	else if (argc > 4 && strcmp(argv[1], "produce") == 0)
		produce(argc, argv);
	else if (argc > 4 && strcmp(argv[1], "acknowledge") == 0)
		acknowledge(argc, argv);
	else
		return 2;
	return 0;
}
