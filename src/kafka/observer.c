/*
 * observer.c
 *	  Asks the brokers beside a consumer, whose process does not wait for the answers.
 *
 * An observer is malloc'ed, and freed by whoever lets go of it last, the process or the
 * thread.  The thread touches nothing of PostgreSQL but the number that it writes, and
 * sleeps while nothing is wanted of it.
 */
#include "postgres.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "storage/fd.h"

#include "kafka/call.h"
#include "kafka/observer.h"

/* How often the lag is measured, and how long an answer to that is waited for. */
#define MEASURE_MS 1000
#define LAG_ANSWER_MS 500

/* An answer about a topic waits for the end of a fetch. */
#define ANSWER_MS (KFDW_STREAM_FETCH_WAIT_MS + 5000)

/* In rd_kafka_offsets_for_times() this stands for the end. */
#define TIMESTAMP_END (-1)

/* The process looks itself. */
#define RESTING INT64CONST(-1)

struct KafkaObserver
{
	int			holders;
	int			wake_fd;		/* an eventfd: written to, the thread wakes up */
	KafkaClient *client;
	KafkaObserved observed;
	const rd_kafka_topic_partition_t *seen_leaderless;	/* the thread's: by the look under way; NULL: none yet */

	/* these are atomic */
	int			stopped;
	int			asleep;			/* the thread is not to be relied on for the lag, before it is woken up */
	int64		done;			/* or RESTING */
	int			look_wanted;
	int			sight;			/* a KafkaSight */
	const rd_kafka_topic_partition_t *leaderless;	/* by the last look */
};

#define get(field) __atomic_load_n(field, __ATOMIC_SEQ_CST)
#define set(field, value) __atomic_store_n(field, value, __ATOMIC_SEQ_CST)
#define exchange(field, value) __atomic_exchange_n(field, value, __ATOMIC_SEQ_CST)

/* True when two ids are equal, or neither is known. */
static bool
are_equal(const char *id, const char *other)
{
	return id == NULL || other == NULL ? id == other : strcmp(id, other) == 0;
}

/* A topic's list entry has the number of its partitions as partition, and its id as metadata. */
void
kfdw_observed_add_topic(KafkaObserved *observed, const char *topic, int npartitions, const char *topic_id)
{
	rd_kafka_topic_partition_t *entry;

	for (int t = 0; t < observed->topics->cnt; t++)
	{
		entry = &observed->topics->elems[t];
		if (entry->partition == npartitions && strcmp(entry->topic, topic) == 0 && are_equal(entry->metadata, topic_id))
			return;
	}
	entry = rd_kafka_topic_partition_list_add(observed->topics, topic, npartitions);
	if (topic_id != NULL && (entry->metadata = strdup(topic_id)) != NULL)
		entry->metadata_size = strlen(topic_id) + 1;
}

/* Frees what is observed. */
static void
free_observed(const KafkaObserved *observed)
{
	rd_kafka_topic_partition_list_destroy(observed->topics);
	rd_kafka_topic_partition_list_destroy(observed->awaited);
	rd_kafka_topic_partition_list_destroy(observed->read);
}

/* Frees an observer that nobody holds any more. */
static void
let_go(KafkaObserver *observer)
{
	if (__atomic_sub_fetch(&observer->holders, 1, __ATOMIC_SEQ_CST) > 0)
		return;
	close(observer->wake_fd);
	free_observed(&observer->observed);
	kfdw_client_let_go(observer->client);
	free(observer);
}

static void
wake_up(KafkaObserver *observer)
{
	static const uint64 one = 1;

	/* a counter that is full wakes it up as well */
	if (write(observer->wake_fd, &one, sizeof(one)) < 0)
		return;
}

/* The sum of the ends; -1 when a leader does not answer. */
static int64
ask_ends(const KafkaObserver *observer, const rd_kafka_topic_partition_list_t *partitions, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(partitions);
	int64		ends = 0;

	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = TIMESTAMP_END;
	if (rd_kafka_offsets_for_times(observer->client->rk, list, timeout_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
		ends = -1;
	for (int i = 0; i < list->cnt && ends >= 0; i++)
		ends = list->elems[i].err ? -1 : ends + list->elems[i].offset;
	rd_kafka_topic_partition_list_destroy(list);
	return ends;
}

/* Writes the lag of a process that is busy. */
static void
measure(KafkaObserver *observer)
{
	int64		done = get(&observer->done);
	int64		ends = done == RESTING ? -1 : ask_ends(observer, observer->observed.read, LAG_ANSWER_MS);

	/* what the process did meanwhile it has told itself */
	if (ends >= done && ends >= 0 && done == get(&observer->done) && !get(&observer->stopped))
		*observer->observed.lag = ends - done;
}

/* True when a partition that is awaited has a leader, and that answers. */
static bool
answers(const KafkaObserver *observer, const char *topic, const struct rd_kafka_metadata_partition *partition)
{
	rd_kafka_topic_partition_list_t *list;
	bool		result;

	if (partition->leader < 0 ||
		rd_kafka_topic_partition_list_find(observer->observed.awaited, topic, partition->id) == NULL)
		return false;
	list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, partition->id);
	result = ask_ends(observer, list, ANSWER_MS) >= 0;
	rd_kafka_topic_partition_list_destroy(list);
	return result;
}

/* True when a topic was deleted and created again, as far as it can be told. */
static bool
is_another(const KafkaObserver *observer, const rd_kafka_topic_partition_t *known)
{
	char	   *topic_id = known->metadata == NULL ? NULL : kfdw_library_topic_id(observer->client->rk, known->topic, ANSWER_MS);
	bool		result = kfdw_outlook_tells_apart(topic_id, known->metadata);

	free(topic_id);
	return result;
}

/* Notes that a partition has no leader, if it is one that is read. */
static void
note_leaderless(KafkaObserver *observer, const char *topic, int32 partition)
{
	const rd_kafka_topic_partition_t *read = rd_kafka_topic_partition_list_find(observer->observed.read, topic, partition);

	if (read != NULL)
		observer->seen_leaderless = read;
}

/* True when a topic is as it was. */
static bool
is_same(KafkaObserver *observer, const struct rd_kafka_metadata_topic *topic,
		const rd_kafka_topic_partition_t *known)
{
	if (topic->err || topic->partition_cnt != known->partition || is_another(observer, known))
		return false;
	for (int p = 0; p < topic->partition_cnt && !get(&observer->stopped); p++)
	{
		if (topic->partitions[p].leader < 0 && observer->seen_leaderless == NULL)
			note_leaderless(observer, topic->topic, topic->partitions[p].id);
		if (answers(observer, topic->topic, &topic->partitions[p]))
			return false;
	}
	return true;
}

/* Asks for a topic; true when it is as it was. */
static bool
look_at_topic(KafkaObserver *observer, const rd_kafka_topic_partition_t *known)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(observer->client->rk, known->topic, NULL);
	const struct rd_kafka_metadata *metadata;
	bool		same = false;

	if (topic == NULL)
		return false;
	if (rd_kafka_metadata(observer->client->rk, 0, topic, &metadata, ANSWER_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		same = metadata->topic_cnt == 1 && is_same(observer, &metadata->topics[0], known);
		rd_kafka_metadata_destroy(metadata);
	}
	rd_kafka_topic_destroy(topic);
	return same;
}

/* What is seen of all topics. */
static KafkaSight
look(KafkaObserver *observer)
{
	const rd_kafka_topic_partition_list_t *topics = observer->observed.topics;
	bool		same = true;

	observer->seen_leaderless = NULL;
	for (int t = 0; t < topics->cnt && same && !get(&observer->stopped); t++)
		same = look_at_topic(observer, &topics->elems[t]);
	set(&observer->leaderless, observer->seen_leaderless);
	return same ? KAFKA_SIGHT_SAME : KAFKA_SIGHT_OTHER;
}

/* True when nobody relies on the thread, which will be woken up. */
static bool
may_sleep(KafkaObserver *observer)
{
	set(&observer->asleep, 1);
	if (get(&observer->done) == RESTING)
		return true;
	set(&observer->asleep, 0);
	return false;
}

/* The thread.  Once woken up it stays awake for a while: batches may follow each other quickly. */
static void *
observe(void *argument)
{
	KafkaObserver *observer = argument;
	struct pollfd wake = {observer->wake_fd, POLLIN};
	bool		was_woken = false;
	uint64		count;

	while (!get(&observer->stopped))
	{
		bool		stays_awake = was_woken || !may_sleep(observer);

		was_woken = poll(&wake, 1, stays_awake ? MEASURE_MS : -1) > 0;
		if (!was_woken)
			measure(observer);
		else if (read(observer->wake_fd, &count, sizeof(count)) > 0 && exchange(&observer->look_wanted, 0))
			set(&observer->sight, look(observer));
	}
	let_go(observer);
	return NULL;
}

KafkaObserver *
kfdw_observer_start(KafkaClient *client, const KafkaObserved *observed)
{
	KafkaObserver *observer = calloc(1, sizeof(KafkaObserver));
	int			wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (observer == NULL || wake_fd < 0)
	{
		free(observer);
		if (wake_fd >= 0)
			close(wake_fd);
		free_observed(observed);
		return NULL;
	}
	kfdw_client_hold(client);
	observer->holders = 2;
	observer->wake_fd = wake_fd;
	observer->client = client;
	observer->observed = *observed;
	observer->done = RESTING;
	if (kfdw_call_start_thread(observe, observer) == 0)
	{
		ReserveExternalFD();
		return observer;
	}
	observer->holders = 1;
	let_go(observer);
	return NULL;
}

void
kfdw_observer_measure(KafkaObserver *observer, int64 done)
{
	if (observer == NULL)
		return;
	set(&observer->done, done);
	if (exchange(&observer->asleep, 0))
		wake_up(observer);
}

void
kfdw_observer_rest(KafkaObserver *observer)
{
	if (observer != NULL)
		set(&observer->done, RESTING);
}

void
kfdw_observer_look(KafkaObserver *observer)
{
	if (observer == NULL)
		return;
	set(&observer->sight, KAFKA_SIGHT_NONE);
	set(&observer->look_wanted, 1);
	wake_up(observer);
}

KafkaSight
kfdw_observer_sight(const KafkaObserver *observer)
{
	return observer == NULL ? KAFKA_SIGHT_OTHER : get(&observer->sight);
}

const rd_kafka_topic_partition_t *
kfdw_observer_leaderless(const KafkaObserver *observer)
{
	return observer == NULL ? NULL : get(&observer->leaderless);
}

void
kfdw_observer_stop(KafkaObserver *observer)
{
	if (observer == NULL)
		return;
	ReleaseExternalFD();
	set(&observer->stopped, 1);
	wake_up(observer);
	let_go(observer);
}
