/*
 * await.c
 *	  Streams that wait for the tables that others keep.
 *
 * Their workers know how far they are, and find out where their topics end when they are
 * asked: what is to be waited for is there by then, as a batch asks after it was gathered.
 */
#include "postgres.h"

#include "access/xact.h"
#include "nodes/value.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog/streams.h"
#include "stat/wait.h"
#include "stream/await.h"
#include "worker/frame.h"

/* A worker looks so often what else there is to do. */
#define STEP_MS 1000

/* True when there is such a stream, though no worker of it. */
static bool
exists(const char *name)
{
	MemoryContext context = CurrentMemoryContext;
	bool		found;

	StartTransactionCommand();
	found = kfdw_streams_get(name) != NULL;
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return found;
}

KafkaAwait
kfdw_await_begin(const KafkaStream *stream)
{
	KafkaAwait	await = {.names = stream->settings.wait_for};
	ListCell   *lc;

	if (await.names == NIL)
		return await;
	await.until = TimestampTzPlusMilliseconds(kfdw_wait_now(), stream->settings.max_task_idle);
	await.question = kfdw_frame_new_question();
	foreach(lc, await.names)
		(void) kfdw_frame_ask(strVal(lfirst(lc)), await.question);
	return await;
}

/* True when one has answered, or there is none to do so. */
static bool
has_answered(const char *name, uint64 question)
{
	KafkaAnswer answer = kfdw_frame_ask(name, question);

	return answer == KAFKA_ANSWER_YES || (answer == KAFKA_ANSWER_NOBODY && !exists(name));
}

bool
kfdw_await_step(const KafkaAwait *await)
{
	ListCell   *lc;

	foreach(lc, await->names)
	{
		const char *name = strVal(lfirst(lc));
		long		left = TimestampDifferenceMilliseconds(kfdw_wait_now(), await->until);

		if (left <= 0)
			return true;
		if (!has_answered(name, await->question) && !kfdw_frame_await(name, await->question, Min(left, STEP_MS)))
			return false;
	}
	return true;
}
