/*
 * client_conf.c
 *	  The properties that a handle of the client library is made with.
 */
#include "postgres.h"

#include "kafka/client_conf.h"

/*
 * Records that a scan's client fetches ahead, in kilobytes: the more scans are open at a
 * time, the less each gets, so that all of them have about four times the first one's.
 * The library needs some 300 bytes for each record beside, so their number is bounded,
 * too.  Either may be exceeded by an answer of each broker.
 */
#define FETCH_AHEAD_KB 32768
#define LEAST_FETCH_AHEAD_KB 2048
#define AHEAD_RECORDS_PER_KB 3

/* Of an answer of a broker, in bytes; those that the library asks for. */
#define LEAST_ANSWER 1000
#define ANSWER_FRAME 512
#define LEAST_ANSWER_TAKEN 100000000

#define SCANS		(1 << KAFKA_CLIENT_SCAN)
#define STREAMS		(1 << KAFKA_CLIENT_STREAM)
#define PROMPT		(1 << KAFKA_CLIENT_PROMPT_STREAM)
#define WAITERS		(1 << KAFKA_CLIENT_WAITER)
#define PRODUCERS	(1 << KAFKA_CLIENT_PRODUCER)
#define CONSUMERS	(SCANS | STREAMS | PROMPT | WAITERS)

/* A property that no option changes, for clients of these kinds, ored together. */
typedef struct KafkaFixedProperty
{
	int			kinds;
	const char *name;
	const char *value;
} KafkaFixedProperty;

/*
 * message.max.bytes is for producers, but the library refuses a consumer whose
 * fetch.max.bytes is below it.  auto.offset.reset is an error, as every position
 * is ours.  An idle fetch of a scan is short, as it delays what comes next; a
 * stream only waits: a record ends its fetch at once, and each fetch costs the broker
 * more than it costs us.
 * No consumer joins its group: session.timeout.ms is how long a handle that is destroyed
 * waits for a coordinator that does not answer, and its main thread is busy meanwhile.
 */
static const KafkaFixedProperty fixed_properties[] = {
	{CONSUMERS | PRODUCERS, "allow.auto.create.topics", "false"},
	{CONSUMERS | PRODUCERS, "log.connection.close", "false"},
	{CONSUMERS | PRODUCERS, "log.queue", "true"},
	{CONSUMERS, "auto.offset.reset", "error"},
	{CONSUMERS, "check.crcs", "true"},
	{CONSUMERS, "enable.auto.commit", "false"},
	{CONSUMERS, "enable.auto.offset.store", "false"},
	{CONSUMERS, "enable.partition.eof", "true"},
	{CONSUMERS, "message.max.bytes", CppAsString2(LEAST_ANSWER)},
	{CONSUMERS, "session.timeout.ms", "1000"},
	{CONSUMERS, "topic.metadata.propagation.max.ms", "5000"},	/* from 2.8 on for topics that were there, too */
	{SCANS, "fetch.wait.max.ms", "10"},
	{STREAMS | WAITERS, "fetch.wait.max.ms", CppAsString2(KFDW_STREAM_FETCH_WAIT_MS)},
	{PROMPT, "fetch.wait.max.ms", "50"},
	{PRODUCERS, "queue.buffering.max.messages", "1000000"},
	{PRODUCERS, "retry.backoff.ms", "10"},
};

/* Sets one property; the library's own words about a secret are not repeated. */
static void
set_property(rd_kafka_conf_t *conf, const char *name, const char *value, bool secret)
{
	char		reason[256];

	if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) != RD_KAFKA_CONF_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the Kafka client refuses the property \"%s\"", name),
				 secret ? 0 : errdetail_internal("%s", reason)));
}

/* What a client may fetch ahead, beside scans that are open. */
static int
choose_fetch_ahead(KafkaClientKind kind, int open_scans)
{
	return kind == KAFKA_CLIENT_SCAN ? Max(FETCH_AHEAD_KB / (open_scans + 1), LEAST_FETCH_AHEAD_KB) : FETCH_AHEAD_KB;
}

/* Sets the properties that are the same for all clients of a kind. */
static void
set_fixed_properties(rd_kafka_conf_t *conf, KafkaClientKind kind)
{
	for (int i = 0; i < lengthof(fixed_properties); i++)
	{
		const KafkaFixedProperty *fixed = &fixed_properties[i];

		if ((fixed->kinds & (1 << kind)) != 0)
			set_property(conf, fixed->name, fixed->value, false);
	}
	if (kfdw_library_is_told_metrics())
		set_property(conf, "enable.metrics.push", "false", false);
	if (kind != KAFKA_CLIENT_PRODUCER && kfdw_library_has_fetch_backoff())
		set_property(conf, "fetch.queue.backoff.ms", "10", false);
}

/* Sets the properties that options chose. */
static void
set_chosen_properties(rd_kafka_conf_t *conf, const KafkaConfig *config)
{
	for (int i = 0; i < config->nproperties; i++)
	{
		const KafkaProperty *property = &config->properties[i];

		set_property(conf, kfdw_property_name(property->id), property->value, property->secret);
	}
	if (kfdw_library_keeps_dead_topics())
		set_property(conf, kfdw_property_name(KAFKA_PROPERTY_METADATA_MAX_AGE_MS), KFDW_METADATA_MAX_AGE_MS, false);
}

/* Sets one property that is a number. */
static void
set_number(rd_kafka_conf_t *conf, const char *name, int number)
{
	char		value[16];

	snprintf(value, sizeof(value), "%d", number);
	set_property(conf, name, value, false);
}

/*
 * Bounds what a client fetches ahead, and its answers in proportion.  What an answer is
 * decompressed to may be as large as the option allows.
 */
static KafkaFetchAhead
bound_fetch_ahead(rd_kafka_conf_t *conf, KafkaClientKind kind, int open_scans)
{
	KafkaFetchAhead ahead = {.kb = choose_fetch_ahead(kind, open_scans)};
	char		value[16] = "";
	size_t		size = sizeof(value);
	int			answer;

	ahead.records = ahead.kb * AHEAD_RECORDS_PER_KB;
	set_number(conf, "queued.max.messages.kbytes", ahead.kb);
	set_number(conf, "queued.min.messages", ahead.records);
	(void) rd_kafka_conf_get(conf, "fetch.max.bytes", value, &size);
	answer = atoi(value);
	set_number(conf, "receive.message.max.bytes", Max(answer + ANSWER_FRAME, LEAST_ANSWER_TAKEN));
	set_number(conf, "fetch.max.bytes", Max((int64) answer * ahead.kb / FETCH_AHEAD_KB, LEAST_ANSWER));
	return ahead;
}

rd_kafka_conf_t *
kfdw_client_conf_make(KafkaClientKind kind, const KafkaConfig *config, int open_scans, KafkaFetchAhead *ahead)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	PG_TRY();
	{
		set_fixed_properties(conf, kind);
		set_chosen_properties(conf, config);
		if (kind != KAFKA_CLIENT_PRODUCER)
			*ahead = bound_fetch_ahead(conf, kind, open_scans);
	}
	PG_CATCH();
	{
		rd_kafka_conf_destroy(conf);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return conf;
}
