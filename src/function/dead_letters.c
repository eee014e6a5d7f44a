/*
 * dead_letters.c
 *	  The SQL functions of a stream's records that failed: set aside, and run again.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "catalog/dead_letters.h"
#include "catalog/role_scope.h"
#include "function/stream_owner.h"
#include "option/options.h"
#include "source/batch.h"
#include "stream/assignment.h"
#include "stream/session.h"
#include "stream/trial.h"
#include "worker/shared.h"
#include "worker/slots.h"

PG_FUNCTION_INFO_V1(kfdw_skip_record);
PG_FUNCTION_INFO_V1(kfdw_retry_dead_letters);

/* Has the worker of a slot skip the record at which it failed; false when it has not. */
static bool
skip_failed(const KafkaStream *stream, int worker)
{
	KafkaWorkerKey key = {.database = MyDatabaseId, .kind = KAFKA_JOB_STREAM, .worker = worker};
	KafkaSlot	slot;

	strlcpy(key.name, stream->name, NAMEDATALEN);
	if (kfdw_shared == NULL || !kfdw_slot_copy(&key, &slot) || slot.created != stream->created ||
		slot.state != KAFKA_STATE_FAILED || slot.blame.topic[0] == '\0')
		return false;
	kfdw_streams_skip(stream->name, slot.blame.topic, slot.blame.partition, slot.blame.offset);
	return true;
}

Datum
kfdw_skip_record(PG_FUNCTION_ARGS)
{
	KafkaStream *stream = kfdw_stream_lock_own(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	int			skipped = 0;

	for (int worker = 0; worker < stream->workers; worker++)
		skipped += skip_failed(stream, worker);
	if (skipped == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream \"%s\" has not failed at a record", stream->name),
				 errhint("kafka.stat_streams shows its state and its last error; kafka.resume_stream() has one that failed try again.")));
	kfdw_shared_ping_at_end();
	PG_RETURN_VOID();
}

/* True where the session never was, and never will be, anybody's but the role's. */
static bool
is_session_of(Oid role)
{
	return GetUserId() == role && GetSessionUserId() == role && GetAuthenticatedUserId() == role;
}

/* Whose batch this would take the place of reads on. */
static void
check_no_batch(void)
{
	if (kfdw_batch_is_bound())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot run dead letters again in the statement of a stream")));
}

/* Runs letters again; returns how many are none any more. */
static int64
retry(KafkaTrial *trial, List *records)
{
	KafkaBuffer *buffer = kfdw_buffer_create(list_length(records), PG_INT64_MAX);
	KafkaTrialResult result;
	ListCell   *lc;

	foreach(lc, records)
		kfdw_buffer_add(buffer, lfirst(lc));
	result = kfdw_trial_run(trial, buffer, false);
	return list_length(records) - result.set_aside;
}

/* Runs all letters again that are there now, some at a time; tells how many of them stay. */
static int64
retry_all(const KafkaStream *stream, const char *server, int64 *kept)
{
	KafkaTrial *trial = kfdw_trial_create(stream, server, KAFKA_TRIAL_USER);
	MemoryContext some = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw retry", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(some);
	KafkaRecord last = {.topic = ""};
	int64		total = 0;
	List	   *records;

	while ((records = kfdw_dead_letters_take(stream->name, &last)) != NIL)
	{
		int64		done = retry(trial, records);

		total += done;
		*kept += list_length(records) - done;
		last = *(KafkaRecord *) llast(records);
		last.topic = MemoryContextStrdup(old, last.topic);
		MemoryContextReset(some);
	}
	MemoryContextSwitchTo(old);
	return total;
}

/*
 * The same in a session of somebody who acts for the owner, by SET ROLE or not: what the
 * owner wrote must not get any rights but his, now or at COMMIT.  So nothing of his can be
 * deferred.
 */
static int64
retry_as_owner(const KafkaStream *stream, const char *server, int64 *kept)
{
	KafkaRoleScope scope;
	int64		done;

	kfdw_role_begin(&scope, stream->owner);
	done = retry_all(stream, server, kept);
	kfdw_role_end(&scope);
	return done;
}

Datum
kfdw_retry_dead_letters(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	KafkaStream *stream = kfdw_stream_get_own(name);
	const KafkaTableOptions *options;
	bool		is_own;
	int64		done = 0;
	int64		kept = 0;

	PreventCommandIfReadOnly("kafka.retry_dead_letters()");
	check_no_batch();
	kfdw_streams_lock_to_consume(name);
	stream = kfdw_stream_get_own(name);
	kfdw_stream_require_owner(stream);
	kfdw_assignment_require_source(stream);
	kfdw_options_require_select(stream->source, stream->owner);
	LockRelationOid(stream->source, AccessShareLock);
	options = kfdw_options_table(stream->source, stream->owner);

	/* letters belong to the server by its name, which it keeps from here on */
	kfdw_options_keep_server(options->serverid);
	options = kfdw_options_table(stream->source, stream->owner);
	kfdw_assignment_check_options(options);

	/* what the session has deferred is done before, with the session's rights */
	is_own = is_session_of(stream->owner);
	if (!is_own)
		kfdw_session_do_deferred();

	/* also a savepoint that is rolled back must not leave the batch bound */
	PG_TRY();
	{
		kfdw_stream_set_retried(name);
		done = is_own ? retry_all(stream, options->server, &kept) :
			retry_as_owner(stream, options->server, &kept);
	}
	PG_FINALLY();
	{
		kfdw_batch_unbind();
		kfdw_stream_set_retried("");
	}
	PG_END_TRY();

	/* what the transaction has left to its end fails with each letter, and is no fault of theirs */
	if (kept > 0)
		kfdw_session_check_deferred();
	PG_RETURN_INT64(done);
}
