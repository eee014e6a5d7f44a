/*
 * vigil.c
 *	  Watches partitions in which nothing is, until something comes.
 *
 * A record breaks the calm of its partition, and so does any event that is not the end of
 * the partition.  Now and then the topics are looked at: one that has other partitions by
 * now, or was created again, breaks the calm of all.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kafka/client.h"
#include "kafka/observer.h"
#include "kafka/vigil.h"
#include "stat/wait.h"

#define LOOK_MS 30000
#define BATCH 100

/* A partition that is watched. */
typedef struct KafkaWatched
{
	rd_kafka_topic_t *topic;
	int			topic_partitions;
	char		topic_id[32];	/* empty: not known */
	int32		partition;
	int64		from;
	int64		end;			/* -1: not known */
	bool		broken;
	bool		wanted;			/* since kfdw_vigil_begin() */
} KafkaWatched;

struct KafkaVigil
{
	const KafkaConfig *config;
	MemoryContext context;
	KafkaClient *client;		/* NULL: nothing is watched */
	rd_kafka_queue_t *queue;
	KafkaWatched *watched;
	int			count;
	int			room;
	bool		in_doubt;		/* the calm of all is broken */
	KafkaObserver *observer;	/* a look at the topics is under way */
	TimestampTz looked_at;
	MemoryContextCallback callback;
};

/* Stops to watch a partition. */
static void
stop(KafkaWatched *watched)
{
	rd_kafka_consume_stop(watched->topic, watched->partition);
	rd_kafka_topic_destroy(watched->topic);
}

/* Gives the client up, and what there is of it. */
static void
drop_client(KafkaVigil *vigil)
{
	if (vigil->client == NULL)
		return;
	kfdw_observer_stop(vigil->observer);
	for (int i = 0; i < vigil->count; i++)
		stop(&vigil->watched[i]);
	rd_kafka_queue_io_event_enable(vigil->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(vigil->queue);
	kfdw_client_discard(vigil->client);
	vigil->client = NULL;
	vigil->observer = NULL;
	vigil->count = 0;
	vigil->in_doubt = false;
}

/* The memory context goes away. */
static void
abandon(void *argument)
{
	drop_client(argument);
}

KafkaVigil *
kfdw_vigil_open(const KafkaConfig *config)
{
	KafkaVigil *vigil = palloc0(sizeof(KafkaVigil));

	vigil->config = config;
	vigil->context = CurrentMemoryContext;
	vigil->room = 16;
	vigil->watched = palloc(vigil->room * sizeof(KafkaWatched));
	vigil->callback.func = abandon;
	vigil->callback.arg = vigil;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &vigil->callback);
	return vigil;
}

static void
connect_client(KafkaVigil *vigil)
{
	static const uint64 one = 1;

	if (vigil->client != NULL)
		return;
	vigil->client = kfdw_client_acquire(vigil->config);
	vigil->queue = rd_kafka_queue_new(vigil->client->rk);
	rd_kafka_queue_io_event_enable(vigil->queue, vigil->client->wake_fd, &one, sizeof(one));
	vigil->looked_at = kfdw_wait_now();
}

void
kfdw_vigil_begin(KafkaVigil *vigil)
{
	for (int i = 0; i < vigil->count; i++)
		vigil->watched[i].wanted = false;
}

/* The partition among those that are watched; NULL when it is none of them. */
static KafkaWatched *
find(const KafkaVigil *vigil, const char *topic, int32 partition)
{
	for (int i = 0; i < vigil->count; i++)
		if (vigil->watched[i].partition == partition && strcmp(rd_kafka_topic_name(vigil->watched[i].topic), topic) == 0)
			return &vigil->watched[i];
	return NULL;
}

/* The id of a partition's topic; NULL: not known. */
static const char *
topic_id_of(const KafkaWatched *watched)
{
	return watched->topic_id[0] != '\0' ? watched->topic_id : NULL;
}

/* Begins to watch a partition; NULL when that cannot be. */
static KafkaWatched *
add(KafkaVigil *vigil, const char *topic, int topic_partitions, const char *topic_id, int32 partition, int64 offset)
{
	KafkaWatched *watched;

	connect_client(vigil);
	if (vigil->count == vigil->room)
		vigil->watched = repalloc(vigil->watched, (vigil->room *= 2) * sizeof(KafkaWatched));
	watched = &vigil->watched[vigil->count];
	*watched = (KafkaWatched) {
		.topic = rd_kafka_topic_new(vigil->client->rk, topic, NULL), .topic_partitions = topic_partitions,
		.partition = partition, .from = offset, .end = -1
	};
	if (watched->topic == NULL)
		return NULL;
	if (rd_kafka_consume_start_queue(watched->topic, partition, offset, vigil->queue) == 0)
	{
		strlcpy(watched->topic_id, topic_id != NULL ? topic_id : "", sizeof(watched->topic_id));
		vigil->count++;
		return watched;
	}
	rd_kafka_topic_destroy(watched->topic);
	return NULL;
}

KafkaCalm
kfdw_vigil_watch(KafkaVigil *vigil, const char *topic, int topic_partitions, const char *topic_id,
				 int32 partition, int64 offset)
{
	KafkaWatched *watched = find(vigil, topic, partition);

	if (watched == NULL)
		watched = add(vigil, topic, topic_partitions, topic_id, partition, offset);
	if (watched == NULL)
		return KAFKA_CALM_BROKEN;
	watched->wanted = true;
	if (watched->broken || vigil->in_doubt || watched->topic_partitions != topic_partitions ||
		kfdw_outlook_tells_apart(topic_id_of(watched), topic_id) || watched->end > offset)
		return KAFKA_CALM_BROKEN;
	return watched->end < 0 ? KAFKA_CALM_UNKNOWN : KAFKA_CALM;
}

bool
kfdw_vigil_end(KafkaVigil *vigil)
{
	for (int i = vigil->count - 1; i >= 0; i--)
	{
		if (vigil->watched[i].wanted && !vigil->in_doubt)
			continue;
		stop(&vigil->watched[i]);
		vigil->watched[i] = vigil->watched[--vigil->count];
	}
	if (vigil->count == 0)
		drop_client(vigil);
	return vigil->count > 0;
}

const char *
kfdw_vigil_trouble(const KafkaVigil *vigil)
{
	return vigil->client != NULL && vigil->client->error ? vigil->client->reason : NULL;
}

/* Takes what the library has for a partition. */
static void
take(KafkaVigil *vigil, const rd_kafka_message_t *message)
{
	KafkaWatched *watched = message->rkt == NULL ? NULL : find(vigil, rd_kafka_topic_name(message->rkt), message->partition);

	if (watched != NULL && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		watched->end = message->offset;
	else if (watched != NULL)
		watched->broken = true;
	else if (message->err != 0 && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
		vigil->in_doubt = true;
}

/* An error of one partition comes as one of the client, but the library's words begin with "topic [partition]". */
static void
blame_topic(KafkaVigil *vigil)
{
	const char *reason = vigil->client->reason;
	bool		found = false;

	if (vigil->client->error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	for (int i = 0; i < vigil->count; i++)
	{
		const char *topic = rd_kafka_topic_name(vigil->watched[i].topic);
		size_t		len = strlen(topic);

		if (strncmp(reason, topic, len) != 0 || strncmp(reason + len, " [", 2) != 0)
			continue;
		vigil->watched[i].broken = found = true;
	}
	if (found)
		vigil->client->error = RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Has the topics looked at now and then. */
static void
look_at_topics(KafkaVigil *vigil)
{
	KafkaObserved observed;

	if (vigil->observer == NULL && TimestampDifferenceExceeds(vigil->looked_at, kfdw_wait_now(), LOOK_MS))
	{
		observed.topics = rd_kafka_topic_partition_list_new(vigil->count);
		observed.awaited = rd_kafka_topic_partition_list_new(0);
		observed.read = rd_kafka_topic_partition_list_new(0);
		observed.lag = NULL;
		for (int i = 0; i < vigil->count; i++)
		{
			const KafkaWatched *watched = &vigil->watched[i];

			kfdw_observed_add_topic(&observed, rd_kafka_topic_name(watched->topic), watched->topic_partitions,
									topic_id_of(watched));
		}
		vigil->observer = kfdw_observer_start(vigil->client, &observed);
		kfdw_observer_look(vigil->observer);
		vigil->looked_at = kfdw_wait_now();
		vigil->in_doubt |= vigil->observer == NULL;
	}
	if (vigil->observer == NULL || kfdw_observer_sight(vigil->observer) == KAFKA_SIGHT_NONE)
		return;
	vigil->in_doubt |= kfdw_observer_sight(vigil->observer) == KAFKA_SIGHT_OTHER;
	kfdw_observer_stop(vigil->observer);
	vigil->observer = NULL;
}

void
kfdw_vigil_wait(KafkaVigil *vigil, long timeout_ms)
{
	rd_kafka_message_t *messages[BATCH];
	ssize_t		count;

	kfdw_client_wait(vigil->client, timeout_ms);
	while ((count = rd_kafka_consume_batch_queue(vigil->queue, 0, messages, BATCH)) > 0)
		for (int i = 0; i < count; i++)
		{
			take(vigil, messages[i]);
			rd_kafka_message_destroy(messages[i]);
		}
	blame_topic(vigil);
	look_at_topics(vigil);
}
