/*
 * kafka_tool: what the tests need of a Kafka client, without the start of a JVM for each command.
 *
 * Bytes that are not printable ASCII, and the backslash, are written \xHH in its output and may be given so
 * in its input; a NULL key or value is written \N in both.  Any failure ends it with status 1 and a message.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#define ADMIN_TIMEOUT_MS 20000

static const char usage[] =
	"usage: kafka_tool [-b BOOTSTRAP_SERVERS] VERB ...\n"
	"  create-topic [--replace] NAME PARTITIONS [REPLICATION] [config=value ...]\n"
	"  delete-topic [--if-exists] NAME ...\n"
	"  add-partitions NAME TOTAL\n"
	"  delete-records NAME PARTITION BEFORE_OFFSET ...   (-1: all; more partitions and offsets may follow)\n"
	"  list-topics\n"
	"  replicas NAME         partition, leader, replicas, how many of them are in sync\n"
	"  watermark NAME        partition, low, high, last stable offset\n"
	"  group-offsets GROUP NAME          partition, committed offset\n"
	"  group-commit GROUP NAME PARTITION OFFSET\n"
	"  produce NAME [options]            a record for each line of standard input\n"
	"    -p N           to partition N           -P SEP         the line starts with partition SEP\n"
	"    -K SEP         key SEP value            -H NAME=VALUE  a header for every record (again for more)\n"
	"    -T MS          timestamp                -l             the whole input is one record\n"
	"    -x commit|abort|open    in one transaction, ended so when the input ends (open: left as it is)\n"
	"    -i ID          transactional id         -t MS          transaction timeout\n"
	"    -v             acknowledge each record on standard output, as soon as it is there\n"
	"    -X name=value  client property          -a ACKS\n"
	"  generate NAME [options]           records from templates; {i} is the sequence number, {i%N} modulo N,\n"
	"                                    {ms} the time in milliseconds\n"
	"    -k TEMPLATE    key    -m TEMPLATE  value    -n COUNT  (else until a signal)   -s FIRST   of the sequence\n"
	"    -r PER_SECOND  (else as fast as can be)     -p N      -a ACKS  -X name=value\n"
	"                                    prints the number of acknowledged records at its end\n"
	"  consume NAME [options]            all records, by partition and offset, up to the end\n"
	"    -p N           partition N only         -o OFFSET      from there\n"
	"    -u             read_uncommitted         -f COLUMNS     of p,o,k,v,h,t; default pokvh\n"
	"    -c             print the count only     -X name=value\n";

static const char *bootstrap;
static char errstr[512];
static volatile sig_atomic_t stopping;

/* options of produce, generate and consume */
static struct
{
	int32_t		partition;
	const char *partition_sep;
	const char *key_sep;
	rd_kafka_headers_t *headers;
	int64_t		timestamp;
	bool		whole_input;
	const char *transaction;	/* how it ends; NULL without one */
	bool		transactional_id;
	bool		verbose;
	const char *key;
	const char *value;
	int64_t		count;
	int64_t		first;
	double		rate;
	int64_t		offset;
	bool		count_only;
	const char *columns;
	rd_kafka_conf_t *conf;
}			opt;

static int64_t acked;
static int64_t failed;

static void
fail(const char *fmt,...)
{
	va_list		ap;

	fflush(stdout);
	fputs("kafka_tool: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void
check(rd_kafka_resp_err_t err, const char *what)
{
	if (err)
		fail("%s: %s", what, rd_kafka_err2str(err));
}

static void
check_error(rd_kafka_error_t *error, const char *what)
{
	if (error)
		fail("%s: %s", what, rd_kafka_error_string(error));
}

static long
number(const char *s)
{
	char	   *end;
	long		n;

	if (s == NULL)
		fail("a number is missing\n%s", usage);
	n = strtol(s, &end, 10);
	if (end == s || *end)
		fail("not a number: %s", s);
	return n;
}

static const char *
needed(const char *s)
{
	if (s == NULL)
		fail("an argument is missing\n%s", usage);
	return s;
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	if (rd_kafka_conf_set(conf, name, value, errstr, sizeof(errstr)) != RD_KAFKA_CONF_OK)
		fail("%s", errstr);
}

/* name=value in place, at the first '=' */
static char *
split(char *pair)
{
	char	   *eq = strchr(pair, '=');

	if (eq == NULL)
		fail("not name=value: %s", pair);
	*eq = '\0';
	return eq + 1;
}

static rd_kafka_t *
client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	rd_kafka_t *rk;

	if (conf == NULL)
		conf = rd_kafka_conf_new();
	set(conf, "bootstrap.servers", bootstrap);
	set(conf, "log_level", "2");
	set(conf, "socket.timeout.ms", "10000");
	rk = rd_kafka_new(type, conf, errstr, sizeof(errstr));
	if (rk == NULL)
		fail("%s", errstr);
	return rk;
}

static void
nap_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&ts, NULL);
}

static int64_t
now_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ------------------------------------------------------------- metadata and administration */

static const rd_kafka_metadata_t *
metadata(rd_kafka_t *rk)
{
	const rd_kafka_metadata_t *md;

	check(rd_kafka_metadata(rk, 1, NULL, &md, ADMIN_TIMEOUT_MS), bootstrap);
	return md;
}

/* The number of partitions that have a leader if all have one, 0 for no such topic, -1 if some lack one. */
static int
partition_count(rd_kafka_t *rk, const char *name)
{
	const rd_kafka_metadata_t *md = metadata(rk);
	int			found = 0;

	for (int t = 0; t < md->topic_cnt; t++)
	{
		const rd_kafka_metadata_topic_t *topic = &md->topics[t];

		if (strcmp(topic->topic, name) != 0)
			continue;
		found = topic->err ? -1 : topic->partition_cnt;
		for (int p = 0; p < topic->partition_cnt; p++)
			if (topic->partitions[p].leader < 0)
				found = -1;
	}
	rd_kafka_metadata_destroy(md);
	return found;
}

static void
await_partitions(rd_kafka_t *rk, const char *name, int wanted)
{
	for (int i = 0; i < 1000; i++)
	{
		if (partition_count(rk, name) == wanted)
			return;
		nap_ms(20);
	}
	fail("topic %s did not reach %d partitions", name, wanted);
}

/*
 * A broker that has just started may not know a topic, or its leaders, for a moment.  From 2.4
 * on, the library would send to a topic that it was not asked for by name a second later.
 */
static int
existing_partitions(rd_kafka_t *rk, const char *name)
{
	int			n = partition_count(rk, name);
	const rd_kafka_metadata_t *md;

	for (int i = 0; n <= 0 && i < 100; i++)
	{
		nap_ms(20);
		n = partition_count(rk, name);
	}
	if (n <= 0)
		fail("unknown topic: %s", name);
	check(rd_kafka_metadata(rk, 0, rd_kafka_topic_new(rk, name, NULL), &md, ADMIN_TIMEOUT_MS), bootstrap);
	rd_kafka_metadata_destroy(md);
	return n;
}

static rd_kafka_AdminOptions_t *
admin_options(rd_kafka_t *rk, bool wait)
{
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_ANY);

	check(rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_TIMEOUT_MS, errstr, sizeof(errstr)), errstr);
	if (wait)
		check(rd_kafka_AdminOptions_set_operation_timeout(options, ADMIN_TIMEOUT_MS, errstr, sizeof(errstr)), errstr);
	return options;
}

static rd_kafka_event_t *
admin_result(rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * ADMIN_TIMEOUT_MS);

	if (event == NULL)
		fail("no answer from %s", bootstrap);
	if (rd_kafka_event_error(event))
		fail("%s", rd_kafka_event_error_string(event));
	return event;
}

/* The answer for the one topic of a request. */
static rd_kafka_resp_err_t
topic_result(const rd_kafka_topic_result_t **results, const char **message)
{
	*message = rd_kafka_topic_result_error_string(results[0]);
	return rd_kafka_topic_result_error(results[0]);
}

static rd_kafka_resp_err_t
create(rd_kafka_t *rk, rd_kafka_queue_t *queue, char **argv, const char **message)
{
	char	   *name = argv[0];
	int			partitions = number(argv[1]);
	int			replication = -1;
	char	  **config = argv + 2;
	rd_kafka_NewTopic_t *topic;
	rd_kafka_event_t *event;
	size_t		n;

	if (*config && strchr(*config, '=') == NULL)
		replication = number(*config++);
	topic = rd_kafka_NewTopic_new(name, partitions, replication, errstr, sizeof(errstr));
	if (topic == NULL)
		fail("%s", errstr);
	for (; *config; config++)
	{
		char	   *pair = strdup(*config);
		char	   *value = split(pair);

		check(rd_kafka_NewTopic_set_config(topic, pair, value), pair);
		free(pair);
	}
	rd_kafka_CreateTopics(rk, &topic, 1, admin_options(rk, true), queue);
	event = admin_result(queue);
	return topic_result(rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n), message);
}

static rd_kafka_resp_err_t
delete(rd_kafka_t *rk, rd_kafka_queue_t *queue, const char *name, const char **message)
{
	rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
	rd_kafka_event_t *event;
	size_t		n;

	rd_kafka_DeleteTopics(rk, &topic, 1, admin_options(rk, true), queue);
	event = admin_result(queue);
	return topic_result(rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &n), message);
}

static bool
take_flag(char ***argv, const char *flag)
{
	if (**argv == NULL || strcmp(**argv, flag) != 0)
		return false;
	(*argv)++;
	return true;
}

static void
create_topic(char **argv)
{
	rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, NULL);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	bool		replace = take_flag(&argv, "--replace");
	const char *name = needed(argv[0]);
	const char *message;
	rd_kafka_resp_err_t err;

	number(argv[1]);
	if (replace && partition_count(rk, name) != 0)
	{
		err = delete(rk, queue, name, &message);
		if (err && err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			fail("%s", message);
		await_partitions(rk, name, 0);
	}
	err = create(rk, queue, argv, &message);
	if (err)
		fail("%s: %s", name, message);
	await_partitions(rk, name, number(argv[1]));
}

static void
delete_topic(char **argv)
{
	rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, NULL);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	bool		if_exists = take_flag(&argv, "--if-exists");

	for (needed(*argv); *argv; argv++)
	{
		const char *message;
		rd_kafka_resp_err_t err = delete(rk, queue, *argv, &message);

		if (err && !(if_exists && err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART))
			fail("%s: %s", *argv, message);
		await_partitions(rk, *argv, 0);
	}
}

static void
add_partitions(char **argv)
{
	rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, NULL);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	const char *name = needed(argv[0]);
	int			total = number(argv[1]);
	rd_kafka_NewPartitions_t *partitions = rd_kafka_NewPartitions_new(name, total, errstr, sizeof(errstr));
	rd_kafka_event_t *event;
	const char *message;
	size_t		n;

	if (partitions == NULL)
		fail("%s", errstr);
	rd_kafka_CreatePartitions(rk, &partitions, 1, admin_options(rk, true), queue);
	event = admin_result(queue);
	if (topic_result(rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &n), &message))
		fail("%s: %s", name, message);
	await_partitions(rk, name, total);
}

static void
delete_records(char **argv)
{
	rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, NULL);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	const rd_kafka_topic_partition_list_t *answer;
	rd_kafka_DeleteRecords_t *request;
	rd_kafka_event_t *event;

	needed(argv[1]);
	for (char **next = argv + 1; *next != NULL; next += 2)
		rd_kafka_topic_partition_list_add(list, needed(argv[0]), number(next[0]))->offset = number(next[1]);
	request = rd_kafka_DeleteRecords_new(list);
	rd_kafka_DeleteRecords(rk, &request, 1, admin_options(rk, true), queue);
	event = admin_result(queue);
	answer = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
	for (int i = 0; i < answer->cnt; i++)
		check(answer->elems[i].err, argv[0]);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const rd_kafka_metadata_topic_t *) a)->topic, ((const rd_kafka_metadata_topic_t *) b)->topic);
}

static void
list_topics(char **argv)
{
	const rd_kafka_metadata_t *md = metadata(client(RD_KAFKA_PRODUCER, NULL));

	(void) argv;
	qsort(md->topics, md->topic_cnt, sizeof(*md->topics), by_name);
	for (int t = 0; t < md->topic_cnt; t++)
		printf("%s\t%d\n", md->topics[t].topic, md->topics[t].partition_cnt);
}

static void
replicas(char **argv)
{
	const rd_kafka_metadata_t *md = metadata(client(RD_KAFKA_PRODUCER, NULL));
	const char *name = needed(argv[0]);

	for (int t = 0; t < md->topic_cnt; t++)
		for (int p = 0; p < md->topics[t].partition_cnt && strcmp(md->topics[t].topic, name) == 0; p++)
		{
			const rd_kafka_metadata_partition_t *partition = &md->topics[t].partitions[p];

			printf("%d\t%d\t%d\t%d\n", partition->id, partition->leader, partition->replica_cnt, partition->isr_cnt);
		}
}

/* The ends of n partitions as a reader of that isolation level sees them. */
static rd_kafka_topic_partition_list_t *
ends(const char *name, int n, const char *isolation)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);

	set(conf, "isolation.level", isolation);
	for (int p = 0; p < n; p++)
		rd_kafka_topic_partition_list_add(list, name, p)->offset = RD_KAFKA_OFFSET_END;
	check(rd_kafka_offsets_for_times(client(RD_KAFKA_CONSUMER, conf), list, ADMIN_TIMEOUT_MS), name);
	for (int p = 0; p < n; p++)
		check(list->elems[p].err, name);
	return list;
}

static void
watermark(char **argv)
{
	const char *name = needed(argv[0]);
	rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, NULL);
	int			n = existing_partitions(rk, name);
	rd_kafka_topic_partition_list_t *high = ends(name, n, "read_uncommitted");
	rd_kafka_topic_partition_list_t *stable = ends(name, n, "read_committed");

	for (int p = 0; p < n; p++)
	{
		int64_t		low;
		int64_t		ignored;

		check(rd_kafka_query_watermark_offsets(rk, name, p, &low, &ignored, ADMIN_TIMEOUT_MS), name);
		printf("%d\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n", p, low, high->elems[p].offset, stable->elems[p].offset);
	}
}

static rd_kafka_t *
group_client(const char *group)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	set(conf, "group.id", needed(group));
	set(conf, "enable.auto.commit", "false");
	return client(RD_KAFKA_CONSUMER, conf);
}

/* A coordinator may just be made or move: it is asked again for a while. */
static rd_kafka_resp_err_t
ask_committed(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_resp_err_t err;

	for (int waited_ms = 0;; waited_ms += 100)
	{
		err = rd_kafka_committed(rk, list, ADMIN_TIMEOUT_MS);
		if ((err != RD_KAFKA_RESP_ERR_NOT_COORDINATOR && err != RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE &&
			 err != RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS) || waited_ms >= ADMIN_TIMEOUT_MS)
			return err;
		usleep(100 * 1000);
	}
}

static void
group_offsets(char **argv)
{
	rd_kafka_t *rk = group_client(argv[0]);
	const char *name = needed(argv[1]);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
	int			n = existing_partitions(rk, name);

	for (int p = 0; p < n; p++)
		rd_kafka_topic_partition_list_add(list, name, p);
	check(ask_committed(rk, list), argv[0]);
	for (int p = 0; p < n; p++)
		if (list->elems[p].offset >= 0)
			printf("%d\t%" PRId64 "\n", p, list->elems[p].offset);
}

static void
group_commit(char **argv)
{
	rd_kafka_t *rk = group_client(argv[0]);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, needed(argv[1]), number(argv[2]))->offset = number(argv[3]);
	check(rd_kafka_commit(rk, list, 0), argv[0]);
	check(list->elems[0].err, argv[0]);
}

/* ------------------------------------------------------------- bytes as text */

static void
print_bytes(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	if (p == NULL)
	{
		fputs("\\N", stdout);
		return;
	}
	for (; len > 0; p++, len--)
	{
		if (*p >= 0x20 && *p < 0x7f && *p != '\\')
			putchar(*p);
		else
			printf("\\x%02x", *p);
	}
}

/* In place; NULL for \N, else *len is set. */
static char *
parse_bytes(char *s, size_t *len)
{
	char	   *out = s;
	unsigned int byte;

	*len = 0;
	if (s == NULL || strcmp(s, "\\N") == 0)
		return NULL;
	for (char *in = s; *in;)
	{
		if (in[0] == '\\' && in[1] == 'x' && isxdigit((unsigned char) in[2]) && isxdigit((unsigned char) in[3]) &&
			sscanf(in + 2, "%2x", &byte) == 1)
		{
			*out++ = (char) byte;
			in += 4;
		}
		else
			*out++ = *in++;
	}
	*len = out - s;
	return s;
}

/* ------------------------------------------------------------- produce */

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void) rk;
	(void) opaque;
	if (message->err)
	{
		failed++;
		fprintf(stderr, "kafka_tool: %s [%d]: %s\n", rd_kafka_topic_name(message->rkt), message->partition,
				rd_kafka_err2str(message->err));
		return;
	}
	acked++;
	if (opt.verbose)
	{
		printf("%d\t%" PRId64 "\n", message->partition, message->offset);
		fflush(stdout);
	}
}

static void
send_record(rd_kafka_t *rk, const char *topic, int32_t partition, char *key, char *value)
{
	size_t		key_len;
	size_t		value_len;
	char	   *k = parse_bytes(key, &key_len);
	char	   *v = parse_bytes(value, &value_len);
	rd_kafka_resp_err_t err;

	do
	{
		rd_kafka_headers_t *headers = opt.headers ? rd_kafka_headers_copy(opt.headers) : NULL;
		rd_kafka_vu_t vus[] = {
			{.vtype = RD_KAFKA_VTYPE_TOPIC,.u.cstr = topic},
			{.vtype = RD_KAFKA_VTYPE_PARTITION,.u.i32 = partition},
			{.vtype = RD_KAFKA_VTYPE_KEY,.u.mem = {k, key_len}},
			{.vtype = RD_KAFKA_VTYPE_VALUE,.u.mem = {v, value_len}},
			{.vtype = RD_KAFKA_VTYPE_MSGFLAGS,.u.i = RD_KAFKA_MSG_F_COPY},
			{.vtype = RD_KAFKA_VTYPE_TIMESTAMP,.u.i64 = opt.timestamp},
			{.vtype = RD_KAFKA_VTYPE_HEADERS,.u.headers = headers},
		};
		rd_kafka_error_t *error = rd_kafka_produceva(rk, vus, headers ? 7 : 6);

		err = error ? rd_kafka_error_code(error) : 0;
		if (error && headers)
			rd_kafka_headers_destroy(headers);
		if (error && err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			check_error(error, topic);
		rd_kafka_poll(rk, err ? 50 : 0);
	} while (err);
}

/* One line: [partition SEP] [key SEP] value */
static void
send_line(rd_kafka_t *rk, const char *topic, char *line)
{
	int32_t		partition = opt.partition;
	char	   *key = NULL;
	char	   *sep;

	if (opt.partition_sep)
	{
		sep = strstr(line, opt.partition_sep);
		if (sep == NULL)
			fail("no partition in: %s", line);
		*sep = '\0';
		partition = number(line);
		line = sep + strlen(opt.partition_sep);
	}
	if (opt.key_sep)
	{
		sep = strstr(line, opt.key_sep);
		if (sep == NULL)
			fail("no key in: %s", line);
		*sep = '\0';
		key = line;
		line = sep + strlen(opt.key_sep);
	}
	send_record(rk, topic, partition, key, line);
}

static rd_kafka_t *
producer(void)
{
	rd_kafka_conf_set_dr_msg_cb(opt.conf, delivered);
	return client(RD_KAFKA_PRODUCER, opt.conf);
}

static void
finish(rd_kafka_t *rk)
{
	check(rd_kafka_flush(rk, 60000), "flush");
	if (failed)
		fail("%" PRId64 " records failed", failed);
}

/*
 * Brokers write the markers of a transaction after they answered that it is over.  Waits for
 * them, but not for the transactions of others.
 */
static void
await_markers(const char *name, int n)
{
	int64_t		deadline = now_us(CLOCK_MONOTONIC) + 2000000;
	bool		behind = true;

	while (behind && now_us(CLOCK_MONOTONIC) < deadline)
	{
		rd_kafka_topic_partition_list_t *high = ends(name, n, "read_uncommitted");
		rd_kafka_topic_partition_list_t *stable = ends(name, n, "read_committed");

		behind = false;
		for (int p = 0; p < n; p++)
			behind |= stable->elems[p].offset < high->elems[p].offset;
		rd_kafka_topic_partition_list_destroy(high);
		rd_kafka_topic_partition_list_destroy(stable);
	}
}

static void
produce(char **argv)
{
	const char *topic = needed(argv[0]);
	int			partitions;
	rd_kafka_t *rk;
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		len;

	if (opt.transaction && !opt.transactional_id)
	{
		char		id[64];

		snprintf(id, sizeof(id), "kafka_tool-%d-%" PRId64, (int) getpid(), now_us(CLOCK_REALTIME));
		set(opt.conf, "transactional.id", id);
	}
	rk = producer();
	partitions = existing_partitions(rk, topic);
	if (opt.transaction)
	{
		check_error(rd_kafka_init_transactions(rk, 30000), "init_transactions");
		check_error(rd_kafka_begin_transaction(rk), "begin_transaction");
	}
	while ((len = getdelim(&line, &size, opt.whole_input ? '\0' : '\n', stdin)) > 0)
	{
		if (!opt.whole_input && line[len - 1] == '\n')
			line[len - 1] = '\0';
		send_line(rk, topic, line);
		if (opt.verbose)
			check(rd_kafka_flush(rk, 60000), "flush");
	}
	finish(rk);
	if (opt.transaction && strcmp(opt.transaction, "commit") == 0)
		check_error(rd_kafka_commit_transaction(rk, 30000), "commit_transaction");
	else if (opt.transaction && strcmp(opt.transaction, "abort") == 0)
		check_error(rd_kafka_abort_transaction(rk, 30000), "abort_transaction");
	else if (opt.transaction)
		_exit(0);				/* closing the client would abort it */
	if (opt.transaction)
		await_markers(topic, partitions);
}

/* ------------------------------------------------------------- generate */

static void
on_signal(int signo)
{
	(void) signo;
	stopping = 1;
}

/* Fills in the template's {i}, {i%N} and {ms}. */
static char *
expand(const char *template, int64_t i, char *buffer, size_t size)
{
	char	   *out = buffer;

	if (template == NULL)
		return NULL;
	while (*template && out < buffer + size - 32)
	{
		long		modulus;
		int			used = 0;

		if (strncmp(template, "{i}", 3) == 0)
		{
			out += sprintf(out, "%" PRId64, i);
			template += 3;
		}
		else if (strncmp(template, "{ms}", 4) == 0)
		{
			out += sprintf(out, "%" PRId64, now_us(CLOCK_REALTIME) / 1000);
			template += 4;
		}
		else if (sscanf(template, "{i%%%ld}%n", &modulus, &used) == 1 && used > 0 && modulus > 0)
		{
			out += sprintf(out, "%" PRId64, i % modulus);
			template += used;
		}
		else
			*out++ = *template++;
	}
	*out = '\0';
	return buffer;
}

static void
generate(char **argv)
{
	const char *topic = needed(argv[0]);
	rd_kafka_t *rk = producer();
	int64_t		start = now_us(CLOCK_MONOTONIC);
	static char key[4096];
	static char value[65536];

	existing_partitions(rk, topic);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	for (int64_t n = 0; !stopping && (opt.count < 0 || n < opt.count); n++)
	{
		while (opt.rate > 0 && !stopping)
		{
			int64_t		early = start + (int64_t) (n * 1000000 / opt.rate) - now_us(CLOCK_MONOTONIC);

			if (early <= 0)
				break;
			rd_kafka_poll(rk, 0);
			usleep(early > 20000 ? 20000 : early);
		}
		send_record(rk, topic, opt.partition, expand(opt.key, opt.first + n, key, sizeof(key)),
					expand(opt.value, opt.first + n, value, sizeof(value)));
	}
	rd_kafka_flush(rk, 60000);
	printf("%" PRId64 "\n", acked);
	finish(rk);
}

/* ------------------------------------------------------------- consume */

static void
print_headers(const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	const char *name;
	const void *value;
	size_t		len;

	if (rd_kafka_message_headers(message, &headers))
		return;
	for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &len) == 0; i++)
	{
		printf("%s%s=", i ? "," : "", name);
		print_bytes(value, len);
	}
}

static void
print_record(const rd_kafka_message_t *message)
{
	for (const char *c = opt.columns; *c; c++)
	{
		if (c != opt.columns)
			putchar('\t');
		switch (*c)
		{
			case 'p':
				printf("%d", message->partition);
				break;
			case 'o':
				printf("%" PRId64, message->offset);
				break;
			case 'k':
				print_bytes(message->key, message->key_len);
				break;
			case 'v':
				print_bytes(message->payload, message->len);
				break;
			case 'h':
				print_headers(message);
				break;
			case 't':
				printf("%" PRId64, rd_kafka_message_timestamp(message, NULL));
				break;
			default:
				fail("unknown column: %c", *c);
		}
	}
	putchar('\n');
}

/* Reads one partition up to the end that the broker reports. */
static int64_t
consume_partition(rd_kafka_t *rk, const char *topic, int32_t partition)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	int64_t		count = 0;

	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = opt.offset;
	check(rd_kafka_assign(rk, list), topic);
	for (;;)
	{
		rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, ADMIN_TIMEOUT_MS);

		if (message == NULL)
			fail("no answer from %s", bootstrap);
		if (message->partition == partition && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			break;
		if (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
			fail("%s", rd_kafka_message_errstr(message));
		if (!message->err)
		{
			count++;
			if (!opt.count_only)
				print_record(message);
		}
		rd_kafka_message_destroy(message);
	}
	rd_kafka_topic_partition_list_destroy(list);
	return count;
}

static void
consume(char **argv)
{
	const char *topic = needed(argv[0]);
	rd_kafka_t *rk;
	int64_t		count = 0;
	int			n;

	set(opt.conf, "group.id", "kafka_tool");
	set(opt.conf, "enable.auto.commit", "false");
	set(opt.conf, "enable.partition.eof", "true");
	set(opt.conf, "auto.offset.reset", "error");
	set(opt.conf, "fetch.wait.max.ms", "10");
	rk = client(RD_KAFKA_CONSUMER, opt.conf);
	n = existing_partitions(rk, topic);
	for (int p = 0; p < n; p++)
		if (opt.partition < 0 || opt.partition == p)
			count += consume_partition(rk, topic, p);
	if (opt.count_only)
		printf("%" PRId64 "\n", count);
}

/* ------------------------------------------------------------- command line */

static void
add_header(char *pair)
{
	char	   *value = split(pair);
	size_t		len;

	if (opt.headers == NULL)
		opt.headers = rd_kafka_headers_new(4);
	value = parse_bytes(value, &len);
	check(rd_kafka_header_add(opt.headers, pair, -1, value, value ? (ssize_t) len : 0), pair);
}

/* Sets the options; the remaining arguments are moved to the front. */
static char **
parse_options(int argc, char **argv)
{
	int			c;
	char	   *pair;

	opt.partition = RD_KAFKA_PARTITION_UA;
	opt.count = -1;
	opt.offset = RD_KAFKA_OFFSET_BEGINNING;
	opt.columns = "pokvh";
	opt.value = "{i}";
	opt.conf = rd_kafka_conf_new();

	/* a record that is sent again, as a leader was slow to answer or moved, is in the topic once */
	set(opt.conf, "enable.idempotence", "true");
	while ((c = getopt(argc, argv, "p:P:K:H:T:lx:i:t:vX:a:k:m:n:s:f:r:o:uc")) != -1)
	{
		switch (c)
		{
			case 'p':
				opt.partition = number(optarg);
				break;
			case 'P':
				opt.partition_sep = optarg;
				break;
			case 'K':
				opt.key_sep = optarg;
				break;
			case 'H':
				add_header(optarg);
				break;
			case 'T':
				opt.timestamp = number(optarg);
				break;
			case 'l':
				opt.whole_input = true;
				break;
			case 'x':
				if (strcmp(optarg, "commit") && strcmp(optarg, "abort") && strcmp(optarg, "open"))
					fail("neither commit, abort nor open: %s", optarg);
				opt.transaction = optarg;
				break;
			case 'i':
				set(opt.conf, "transactional.id", optarg);
				opt.transactional_id = true;
				break;
			case 't':
				set(opt.conf, "transaction.timeout.ms", optarg);
				break;
			case 'v':
				opt.verbose = true;
				break;
			case 'X':
				pair = optarg;
				optarg = split(pair);
				set(opt.conf, pair, optarg);
				break;
			case 'a':
				set(opt.conf, "enable.idempotence", "false");
				set(opt.conf, "acks", optarg);
				break;
			case 'k':
				opt.key = optarg;
				break;
			case 'm':
				opt.value = optarg;
				break;
			case 'n':
				opt.count = number(optarg);
				break;
			case 'f':
				opt.columns = optarg;
				break;
			case 's':
				opt.first = number(optarg);
				break;
			case 'r':
				opt.rate = number(optarg);
				break;
			case 'o':
				opt.offset = number(optarg);
				break;
			case 'u':
				set(opt.conf, "isolation.level", "read_uncommitted");
				break;
			case 'c':
				opt.count_only = true;
				break;
			default:
				fail("%s", usage);
		}
	}
	return argv + optind;
}

static const struct
{
	const char *name;
	void		(*run) (char **argv);
	bool		takes_options;
}			verbs[] = {
	{"create-topic", create_topic, false},
	{"delete-topic", delete_topic, false},
	{"add-partitions", add_partitions, false},
	{"delete-records", delete_records, false},
	{"list-topics", list_topics, false},
	{"replicas", replicas, false},
	{"watermark", watermark, false},
	{"group-offsets", group_offsets, false},
	{"group-commit", group_commit, false},
	{"produce", produce, true},
	{"generate", generate, true},
	{"consume", consume, true},
};

int
main(int argc, char **argv)
{
	bootstrap = getenv("KAFKA_BOOTSTRAP_SERVERS");
	if (bootstrap == NULL || *bootstrap == '\0')
		bootstrap = "localhost:9092";
	if (argc > 2 && strcmp(argv[1], "-b") == 0)
	{
		bootstrap = argv[2];
		argv += 2;
		argc -= 2;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
	{
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		verbs[i].run(verbs[i].takes_options ? parse_options(argc - 1, argv + 1) : argv + 2);
		if (fflush(stdout) || ferror(stdout))
			fail("write: %s", strerror(errno));
		_exit(0);				/* without the wait for the client's threads */
	}
	fail("%s", usage);
}
