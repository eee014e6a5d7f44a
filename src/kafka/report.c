/*
 * report.c
 *	  Tells Kafka how far a consumer group has read, after the fact.
 *
 * Positions wait in a list, one entry for each group, until the thread takes them: a newer
 * one takes the place of an older one, so that a process that commits a thousand times a
 * second reports ten times.  The thread touches nothing of PostgreSQL, and ends when there
 * was nothing to do for a while.
 */
#include "postgres.h"

#include <pthread.h>
#include <time.h>

#include "storage/ipc.h"

#include "kafka/call.h"
#include "kafka/client.h"
#include "kafka/fault.h"
#include "kafka/report.h"

/* Between two reports; how long a thread waits for the next one, and for an answer. */
#define PAUSE_MS 100
#define IDLE_MS 5000
#define ANSWER_MS 10000

/* How long the end of the process waits for the last report. */
#define EXIT_WAIT_MS 1000

/* What is to be reported of a group; one client has one group. */
typedef struct KafkaReport
{
	KafkaClient *client;
	rd_kafka_topic_partition_list_t *positions;
	struct KafkaReport *next;
} KafkaReport;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;	/* by the clock that is never set */

/* under the mutex */
static KafkaReport *reports = NULL;
static bool thread_runs = false;
static bool process_ends = false;

/* Frees a report; on the thread, as the client may be the last one's to destroy. */
static void
free_report(KafkaReport *report)
{
	kfdw_client_let_go(report->client);
	rd_kafka_topic_partition_list_destroy(report->positions);
	free(report);
}

/* Waits for a change, under the mutex; false when there was none in this time. */
static bool
wait_for_change(int timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (timeout_ms % 1000) * 1000000L;
	if (until.tv_nsec >= 1000000000L)
	{
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	return pthread_cond_timedwait(&changed, &mutex, &until) == 0;
}

/*
 * Makes one attempt; true when it is worth another one, which an answer that does not come is
 * not.  This is what a consumer's commit does that is no member of its group.
 */
static bool
try_to_report(const KafkaReport *report)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(report->client->rk);
	rd_kafka_resp_err_t error = rd_kafka_commit_queue(report->client->rk, report->positions, queue, NULL, NULL);
	rd_kafka_event_t *answer = error ? NULL : rd_kafka_queue_poll(queue, ANSWER_MS);

	if (answer != NULL)
	{
		error = rd_kafka_event_error(answer);
		rd_kafka_event_destroy(answer);
	}
	rd_kafka_queue_destroy(queue);
	return error && kfdw_fault_course(error) == KAFKA_PASSES;
}

/* The report of a client's group that waits, NULL when there is none.  Under the mutex. */
static KafkaReport *
find_report(const KafkaClient *client)
{
	for (KafkaReport *report = reports; report != NULL; report = report->next)
		if (report->client == client)
			return report;
	return NULL;
}

/* A new one, empty; NULL without memory.  Under the mutex. */
static KafkaReport *
add_report(KafkaClient *client)
{
	KafkaReport *report = calloc(1, sizeof(KafkaReport));

	if (report == NULL)
		return NULL;
	report->client = client;
	kfdw_client_hold(client);
	report->positions = rd_kafka_topic_partition_list_new(8);
	report->next = reports;
	reports = report;
	return report;
}

/* Sends a report, again while that is of use and nothing newer waits. */
static void
send_report(const KafkaReport *report)
{
	for (int waited_ms = 0; waited_ms < ANSWER_MS && try_to_report(report); waited_ms += PAUSE_MS)
	{
		bool		is_outdated;

		pthread_mutex_lock(&mutex);
		(void) wait_for_change(PAUSE_MS);
		is_outdated = find_report(report->client) != NULL || process_ends;
		pthread_mutex_unlock(&mutex);
		if (is_outdated)
			return;
	}
}

/* Sends and frees what the thread has taken out of the list. */
static void
send_reports(KafkaReport *taken)
{
	while (taken != NULL)
	{
		KafkaReport *next = taken->next;

		send_report(taken);
		free_report(taken);
		taken = next;
	}
}

/* Lets some time pass, in which reports come together, unless the process ends.  Under the mutex. */
static void
pause_thread(void)
{
	for (int waited_ms = 0; waited_ms < PAUSE_MS && !process_ends; waited_ms += PAUSE_MS / 5)
		(void) wait_for_change(PAUSE_MS / 5);
}

/* The thread. */
static void *
report_to_brokers(void *argument)
{
	pthread_mutex_lock(&mutex);
	while (reports != NULL || (!process_ends && (wait_for_change(IDLE_MS) || reports != NULL)))
	{
		KafkaReport *taken = reports;

		reports = NULL;
		pthread_mutex_unlock(&mutex);
		send_reports(taken);
		pthread_mutex_lock(&mutex);
		pause_thread();
	}
	thread_runs = false;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

/* True when everything was reported. */
static bool
is_idle(void)
{
	bool		idle;

	pthread_mutex_lock(&mutex);
	process_ends = true;
	pthread_cond_signal(&changed);
	idle = !thread_runs;
	pthread_mutex_unlock(&mutex);
	return idle;
}

/* The end of the process, before clients are destroyed: what was committed last is worth a moment. */
static void
finish_at_exit(int code, Datum argument)
{
	for (int waited = 0; waited < EXIT_WAIT_MS && !is_idle(); waited++)
		pg_usleep(1000);
}

/* Done once in a process, before the thread. */
static void
set_up(void)
{
	pthread_condattr_t attributes;

	if (pthread_condattr_init(&attributes) != 0 ||
		pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) != 0 ||
		pthread_cond_init(&changed, &attributes) != 0)
		elog(ERROR, "could not prepare to report positions");
	(void) pthread_condattr_destroy(&attributes);
	on_proc_exit(finish_at_exit, 0);
}

KafkaReporter *
kfdw_reporter_get(KafkaConsumer *consumer)
{
	static bool is_set_up = false;
	KafkaReporter *reporter = kfdw_consumer_client(consumer);

	if (!is_set_up)
		set_up();
	is_set_up = true;
	kfdw_client_hold(reporter);
	return reporter;
}

void
kfdw_reporter_send(KafkaReporter *reporter, const KafkaGroupPosition *positions, int count)
{
	KafkaReport *report;

	if (count == 0)
		return;
	pthread_mutex_lock(&mutex);
	report = find_report(reporter);
	if (report == NULL)
		report = add_report(reporter);
	for (int i = 0; report != NULL && i < count; i++)
	{
		rd_kafka_topic_partition_list_del(report->positions, positions[i].topic, positions[i].partition);
		rd_kafka_topic_partition_list_add(report->positions, positions[i].topic, positions[i].partition)->offset =
			positions[i].offset;
	}
	if (!thread_runs)
		thread_runs = kfdw_call_start_thread(report_to_brokers, NULL) == 0;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&mutex);
}

void
kfdw_reporter_let_go(KafkaReporter *reporter)
{
	if (reporter != NULL)
		kfdw_client_let_go_soon(reporter);
}
