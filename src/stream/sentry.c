/*
 * sentry.c
 *	  The job of background workers that watch for those of idle streams.
 *
 * A sentry watches, with one client, what the workers of a role read from a server that
 * sleep, so that these need none.  It reads no record and knows no stream: it wakes who has
 * something to read, and all of them when anything is in doubt or when it ends itself.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "catalog/streams.h"
#include "kafka/vigil.h"
#include "option/options.h"
#include "stream/sentry.h"
#include "worker/frame.h"
#include "worker/sleepers.h"

/* How soon a worker that wants to sleep is seen. */
#define LOOK_MS 1000

typedef struct SentryWork
{
	Oid			server;
	KafkaConfig config;
	KafkaWatch	watch;			/* of what it was made from */
	KafkaVigil *vigil;
	MemoryContextCallback callback;
} SentryWork;

/* Workers of a role that read from a server. */
typedef struct SentryPost
{
	Oid			owner;
	Oid			server;
	int			workers;
} SentryPost;

/* The post of a role and a server, made where there is none. */
static SentryPost *
get_post(List **posts, Oid owner, Oid server)
{
	SentryPost *post;
	ListCell   *lc;

	foreach(lc, *posts)
	{
		post = lfirst(lc);
		if (post->owner == owner && post->server == server)
			return post;
	}
	post = palloc0(sizeof(SentryPost));
	post->owner = owner;
	post->server = server;
	*posts = lappend(*posts, post);
	return post;
}

/* Who reads what in this database. */
static List *
list_posts(void)
{
	List	   *posts = NIL;
	ListCell   *lc;

	foreach(lc, kfdw_streams_list())
	{
		const KafkaStream *stream = lfirst(lc);

		if (stream->enabled && OidIsValid(stream->owner) && kfdw_options_is_topic_table(stream->source))
			get_post(&posts, stream->owner, GetForeignTable(stream->source)->serverid)->workers += stream->workers;
	}
	return posts;
}

static List *
list_wants(void)
{
	List	   *wants = NIL;
	ListCell   *lc;

	foreach(lc, list_posts())
	{
		const SentryPost *post = lfirst(lc);
		KafkaWant  *want = palloc0(sizeof(KafkaWant));

		want->kind = KAFKA_JOB_SENTRY;
		want->name = psprintf("%u of %u", post->server, post->owner);
		want->owner = post->owner;
		want->workers = 1;
		want->enabled = true;
		want->revision = FirstNormalTransactionId;
		if (post->workers >= KAFKA_WORKERS_SERVED)
			wants = lappend(wants, want);
	}
	return wants;
}

/* The memory context goes away: nobody watches any more. */
static void
abandon(void *argument)
{
	SentryWork *work = argument;

	kfdw_watch_end(&work->watch);
	kfdw_sleepers_wake_all(work->server, NULL);
}

/* What clients of the server are opened with, in the current memory context; false when it was dropped. */
static bool
read_config(Oid server, KafkaConfig *config)
{
	MemoryContext context = CurrentMemoryContext;
	bool		exists;

	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	exists = GetForeignServerExtended(server, FSV_MISSING_OK) != NULL;
	if (exists)
		*config = kfdw_options_server(server, GetUserId())->consumer;
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	config->kind = KAFKA_CLIENT_WAITER;
	return exists;
}

/* True when that has changed. */
static bool
is_outdated(SentryWork *work)
{
	KafkaConfig now;

	AcceptInvalidationMessages();
	if (!work->watch.changed && !work->watch.in_doubt)
		return false;
	work->watch.changed = work->watch.in_doubt = false;
	return !read_config(work->server, &now) || !kfdw_config_equal(&now, &work->config);
}

/* Options are left to the first step: that they are wrong is something to get over. */
static void *
open_sentry(const KafkaWorkerKey *key)
{
	SentryWork *work = palloc0(sizeof(SentryWork));

	work->server = (Oid) strtoul(key->name, NULL, 10);
	return work;
}

/* Opens the client, which belongs to the work; false when the server was dropped. */
static bool
begin(SentryWork *work)
{
	MemoryContext context = GetMemoryChunkContext(work);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		exists = read_config(work->server, &work->config);

	if (exists)
	{
		work->vigil = kfdw_vigil_open(&work->config);
		kfdw_watch_begin(&work->watch, &work->config.origins);
		work->callback.func = abandon;
		work->callback.arg = work;
		MemoryContextRegisterResetCallback(context, &work->callback);
	}
	MemoryContextSwitchTo(old);
	return exists;
}

/* Watches what a worker reads: it may sleep when nothing is there, and wakes when something is. */
static void
watch_for(KafkaVigil *vigil, const KafkaSleeper *sleeper)
{
	const KafkaSleep *sleep = &sleeper->sleep;
	const char *topic_id = sleep->topic_id[0] ? sleep->topic_id : NULL;
	KafkaCalm	worst = KAFKA_CALM;

	for (int i = 0; i < sleep->count; i++)
	{
		KafkaCalm	calm = kfdw_vigil_watch(vigil, sleep->topic, sleep->topic_partitions, topic_id,
											sleep->partitions[i], sleep->next_offsets[i]);

		if (calm != KAFKA_CALM && worst != KAFKA_CALM_BROKEN)
			worst = calm;
	}
	if (worst == KAFKA_CALM_BROKEN)
		kfdw_sleepers_wake(sleeper);
	else if (worst == KAFKA_CALM && !sleeper->asleep)
		kfdw_sleepers_let_sleep(sleeper);
}

/* One look at who sleeps, and a wait. */
static KafkaStep
step(void *argument)
{
	SentryWork *work = argument;
	KafkaWorkerStats idle = {.lag = -1,.newest_record = -1};
	ListCell   *lc;

	if (work->vigil == NULL && !begin(work))
		return KAFKA_STEP_CHANGED;
	if (kfdw_vigil_trouble(work->vigil) != NULL)
		kfdw_sleepers_wake_all(work->server, kfdw_vigil_trouble(work->vigil));
	if (kfdw_vigil_trouble(work->vigil) != NULL || is_outdated(work))
		return KAFKA_STEP_REOPEN;
	kfdw_vigil_begin(work->vigil);
	foreach(lc, kfdw_sleepers_list(work->server))
		watch_for(work->vigil, lfirst(lc));
	kfdw_frame_rest(&idle);
	if (kfdw_vigil_end(work->vigil))
		kfdw_vigil_wait(work->vigil, LOOK_MS);
	else
		kfdw_frame_wait(LOOK_MS);
	return KAFKA_STEP_DONE;
}

/* Streams can do without it. */
static KafkaRemedy
judge(void *argument, const ErrorData *error)
{
	return KAFKA_REMEDY_REOPEN;
}

/* All that is to be done the memory context does. */
static void
close_sentry(void *argument)
{
}

static const KafkaJob sentry_job = {
	.noun = "sentry",
	.failed_hint = "Idle streams keep their clients meanwhile.",
	.is_optional = true,
	.list_wants = list_wants,
	.open = open_sentry,
	.step = step,
	.judge = judge,
	.close = close_sentry,
};

void
kfdw_sentry_init(void)
{
	kfdw_job_register(KAFKA_JOB_SENTRY, &sentry_job);
}
