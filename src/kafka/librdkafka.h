/*
 * librdkafka.h
 *	  The one place that includes the client library, with its version differences.
 */
#ifndef KFDW_LIBRDKAFKA_H
#define KFDW_LIBRDKAFKA_H

#include <librdkafka/rdkafka.h>

/* 2.0.2 is Debian bookworm's; 1.9.0 fixed the silent loss of acknowledged records. */
#if RD_KAFKA_VERSION < 0x020002ff
#error "librdkafka 2.0.2 or later is required"
#endif

/*
 * From 2.4 on, the library's cache finds topics by their ids too.  Until 2.10, a topic
 * that is created again while the entry of its predecessor is cached leaves a pointer
 * to freed memory there: calls time out, and the process aborts.  So entries expire
 * sooner than anybody can remove a topic and create it again.  A producer forgets its
 * topics with them, and asks before it sends.
 */
#define KFDW_METADATA_MAX_AGE_MS "10"

static inline bool
kfdw_library_keeps_dead_topics(void)
{
	return rd_kafka_version() >= 0x02040000 && rd_kafka_version() < 0x020a0000;
}

/* From 2.10 on brokers that are no part of the cluster any more are forgotten, and who waits for one is told so. */
#define KFDW_ERROR_BROKER_FORGOTTEN ((rd_kafka_resp_err_t) -137)

/* From 2.4 on a broker says which records of a batch it refuses; where it is more than one, this is said of all others. */
#define KFDW_ERROR_OTHER_RECORD ((rd_kafka_resp_err_t) -138)

/* 2.2 lets a full queue be looked at again sooner than in a second. */
static inline bool
kfdw_library_has_fetch_backoff(void)
{
	return rd_kafka_version() >= 0x02020000;
}

/*
 * Before 2.4 the main thread, which waits for whole milliseconds, looks at the clock in a loop
 * for the rest of the time until its timer is due.
 */
static inline bool
kfdw_library_waits_too_shortly(void)
{
	return rd_kafka_version() < 0x02040000;
}

/* 2.5 sends metrics of the client to brokers that ask for them, unless it is told not to. */
static inline bool
kfdw_library_is_told_metrics(void)
{
	return rd_kafka_version() >= 0x02050000;
}

/*
 * 2.3 tells the ids of topics, which a topic that is created again does not keep.  NULL where
 * library or broker is too old, or nobody answers in time; malloc'ed.  May be called on a thread.
 */
#if RD_KAFKA_VERSION >= 0x020300ff
static inline char *
kfdw_library_copy_topic_id(rd_kafka_event_t *answer)
{
	const rd_kafka_DescribeTopics_result_t *result = rd_kafka_event_DescribeTopics_result(answer);
	const rd_kafka_TopicDescription_t **topics;
	const rd_kafka_Uuid_t *id;
	size_t		count = 0;

	if (rd_kafka_event_error(answer) || result == NULL)
		return NULL;
	topics = rd_kafka_DescribeTopics_result_topics(result, &count);
	if (count != 1 || rd_kafka_error_code(rd_kafka_TopicDescription_error(topics[0])) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return NULL;
	id = rd_kafka_TopicDescription_topic_id(topics[0]);
	if (rd_kafka_Uuid_most_significant_bits(id) == 0 && rd_kafka_Uuid_least_significant_bits(id) == 0)
		return NULL;
	return strdup(rd_kafka_Uuid_base64str(id));
}

static inline char *
kfdw_library_topic_id(rd_kafka_t *rk, const char *topic, int timeout_ms)
{
	rd_kafka_TopicCollection_t *names = rd_kafka_TopicCollection_of_topic_names(&topic, 1);
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_event_t *answer;
	char	   *id = NULL;

	(void) rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
	rd_kafka_DescribeTopics(rk, names, options, queue);
	answer = rd_kafka_queue_poll(queue, timeout_ms);
	if (answer != NULL)
	{
		id = kfdw_library_copy_topic_id(answer);
		rd_kafka_event_destroy(answer);
	}
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_TopicCollection_destroy(names);
	return id;
}
#else
static inline char *
kfdw_library_topic_id(rd_kafka_t *rk, const char *topic, int timeout_ms)
{
	return NULL;
}
#endif

#endif							/* KFDW_LIBRDKAFKA_H */
