/*
 * handle.c
 *	  Makes the library's handles, and has counted what producers write.
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "kafka/call.h"
#include "kafka/handle.h"

/* Waits of a consumer's threads may end so late, where nothing comes: each second they do. */
#define CONSUMER_SLACK_NS (50 * 1000000L)

/* The number of the request in Kafka's protocol that has records. */
#define PRODUCE_REQUEST 0

/* The library came so far with the newest handle that it had our interceptors added. */
static bool has_interceptors;

/* On a thread of the library: a request was written. */
static rd_kafka_resp_err_t
count_request(rd_kafka_t *rk, int socket, const char *broker, int32 broker_id, int16 key, int16 version,
			  int32 number, size_t size, void *opaque)
{
	KafkaWritten *written = opaque;

	if (key == PRODUCE_REQUEST)
	{
		__atomic_add_fetch(&written->bytes, size, __ATOMIC_RELAXED);
		__atomic_add_fetch(&written->requests, 1, __ATOMIC_RELAXED);
	}
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* A handle is being made: has its requests counted. */
static rd_kafka_resp_err_t
watch_requests(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *reason, size_t size)
{
	has_interceptors = true;
	return rd_kafka_interceptor_add_on_request_sent(rk, "kafka_fdw", count_request, opaque);
}

/* Sets how late waits of this thread, and of those that it starts, may end that nobody ends before; the value before. */
static long
set_timer_slack(long ns)
{
#ifdef PR_SET_TIMERSLACK
	long		before = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);

	(void) prctl(PR_SET_TIMERSLACK, ns, 0, 0, 0);
	return before;
#else
	return 0;
#endif
}

/* Makes a handle with signals blocked, as its threads inherit the mask, and their timers' slack. */
static rd_kafka_t *
create(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *reason, size_t size)
{
	sigset_t	all,
				old;
	bool		is_slack = type == RD_KAFKA_CONSUMER && kfdw_library_waits_too_shortly();
	long		slack = 0;
	rd_kafka_t *rk;

	has_interceptors = false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (is_slack)
		slack = set_timer_slack(CONSUMER_SLACK_NS);
	rk = rd_kafka_new(type, conf, reason, size);
	if (is_slack)
		(void) set_timer_slack(slack);
	pthread_sigmask(SIG_SETMASK, &old, NULL);

	/* else the library has freed them, and would do so again with the configuration: that is lost */
	if (rk == NULL && !has_interceptors)
		rd_kafka_conf_destroy(conf);
	return rk;
}

static void *
destroy_thread(void *rk)
{
	rd_kafka_destroy(rk);
	return NULL;
}

/* True when a producer of the same configuration, but without interceptors, can be made. */
static bool
try_plain(const rd_kafka_conf_t *conf, char *reason, size_t size)
{
	rd_kafka_t *rk = create(RD_KAFKA_PRODUCER, rd_kafka_conf_dup(conf), reason, size);

	if (rk != NULL && kfdw_call_start_thread(destroy_thread, rk) != 0)
		rd_kafka_destroy(rk);
	return rk != NULL;
}

rd_kafka_t *
kfdw_handle_create_consumer(rd_kafka_conf_t *conf, char *reason, size_t size)
{
	return create(RD_KAFKA_CONSUMER, conf, reason, size);
}

/*
 * What fails late, for a file of certificates, loses its configuration.  So that this is not
 * repeated, a process that has seen it tries first without interceptors, until that works.
 */
rd_kafka_t *
kfdw_handle_create_producer(rd_kafka_conf_t *conf, KafkaWritten *written, char *reason, size_t size)
{
	static bool has_failed = false;
	rd_kafka_t *rk;

	if (has_failed && !try_plain(conf, reason, size))
	{
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	rd_kafka_conf_interceptor_add_on_new(conf, "kafka_fdw", watch_requests, written);
	rk = create(RD_KAFKA_PRODUCER, conf, reason, size);
	has_failed = rk == NULL && (has_failed || has_interceptors);
	return rk;
}
