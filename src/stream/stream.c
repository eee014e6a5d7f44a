/*
 * stream.c
 *	  A stream as a job of background workers: one batch after the other.
 *
 * Records are waited for outside any transaction.  A batch is one transaction: the
 * statement, then the positions.  Whatever ends it in between, both are undone, and
 * the records are still in the buffer.
 */
#include "postgres.h"

#include "access/xact.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "utils/timestamp.h"

#include "source/claim.h"
#include "stat/wait.h"
#include "stream/assignment.h"
#include "stream/await.h"
#include "stream/parking.h"
#include "stream/session.h"
#include "stream/stream.h"
#include "stream/trial.h"
#include "worker/deadlock.h"
#include "worker/frame.h"

/* The longest wait; what nobody is woken for is looked at after it. */
#define REST_MS 1000

/* Who was asked whether it has caught up expects to be asked again for so long. */
#define PROMPT_MS 10000

/* When nothing has come for so long the worker wants to sleep; after so long it looks by itself. */
#define SLEEP_AFTER_MS 10000
#define LONGEST_SLEEP_MS (15 * 60 * 1000)

/* Positions that move past transaction markers, without records, are written this often. */
#define MARKERS_MS 1000

/* That positions could not be written is no trouble any more when there was nothing to write for so long. */
#define DOUBT_MS 3000

/* While a batch is gathered, records that come one by one are taken so often. */
#define GATHER_MS 50

/* Between batches PostgreSQL reports statistics now and then; what is left, so long after the last one. */
#define STATISTICS_MS 1000

/*
 * kafka.explain_stream() shows a batch that was measured, which takes time: after one of
 * them none for so many times as long as it took, within limits.
 */
#define MEASURE_PAUSE 20
#define MEASURE_MIN_MS 100
#define MEASURE_MAX_MS (3600 * 1000)

/* What is worked on besides batches. */
static const char portion_name[] = "records that are parked";

/* The work before this one slept. */
static bool has_slept = false;

/* What an error interrupts decides what is still good. */
typedef enum StreamPhase
{
	PHASE_FETCHING,
	PHASE_STATEMENT,			/* the batch can be run again from the buffer */
	PHASE_POSITIONS				/* they may have been moved by somebody else */
} StreamPhase;

typedef struct StreamWork
{
	KafkaAssignment *assignment;
	KafkaTrial *trial;
	KafkaParking *parking;		/* NULL: the stream does not park */
	KafkaTrial *parking_trial;
	StreamPhase phase;
	TimestampTz opened;
	TimestampTz markers_written;
	TimestampTz quiet_since;	/* when it last did something, or wanted to sleep */
	bool		is_sleepy;		/* and said so */
	bool		is_asleep;		/* it has no client */
	TimestampTz measure_at;		/* the next batch that begins then is measured */
	TimestampTz statistics_due; /* what was counted is to be reported then; 0: it is */
	uint64		question;		/* the one for which it was last asked where the topic ends */
	TimestampTz asked_at;		/* when there was a question for the last time */
	bool		has_begun;		/* the batch in hand, as others see it */
	bool		has_waited;		/* it did, for the streams that it waits for */
	KafkaAwait	await;
} StreamWork;

/* Positions could not be written, for which the stream is opened anew: that it waits for records then says nothing. */
static bool in_doubt = false;

/* The streams of this database. */
static List *
list_wants(void)
{
	List	   *wants = NIL;
	ListCell   *lc;

	foreach(lc, kfdw_streams_list())
	{
		const KafkaStream *stream = lfirst(lc);
		KafkaWant  *want = palloc0(sizeof(KafkaWant));

		want->kind = KAFKA_JOB_STREAM;
		want->name = stream->name;
		want->owner = stream->owner;
		want->workers = stream->workers;
		want->enabled = stream->enabled && OidIsValid(stream->owner);
		want->created = stream->created;
		want->revision = stream->revision;
		wants = lappend(wants, want);
	}
	return wants;
}

/* What is parked is looked at first. */
static void
open_parking(StreamWork *work)
{
	MemoryContext context = CurrentMemoryContext;
	KafkaParkedShare share = kfdw_assignment_share_parked(work->assignment);

	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	work->parking = kfdw_parking_open(work->assignment->stream, &share);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
}

static void *
open_stream(const KafkaWorkerKey *key)
{
	StreamWork *work = palloc0(sizeof(StreamWork));

	work->assignment = kfdw_assignment_open(key->name, key->worker);
	if (work->assignment == NULL)
		return NULL;
	work->opened = kfdw_wait_now();
	work->trial = kfdw_trial_create(work->assignment->stream, work->assignment->options->server, KAFKA_TRIAL_WORKER);
	work->parking_trial = kfdw_trial_create(work->assignment->stream, work->assignment->options->server, KAFKA_TRIAL_WORKER);
	open_parking(work);
	work->quiet_since = kfdw_wait_now();
	kfdw_frame_stay_awake();
	if (!kfdw_frame_in_trouble() && !has_slept)
		ereport(LOG,
				(errmsg_plural("stream \"%s\", worker %d, reads %d partition of topic \"%s\"",
							   "stream \"%s\", worker %d, reads %d partitions of topic \"%s\"",
							   work->assignment->npartitions, key->name, key->worker,
							   work->assignment->npartitions, work->assignment->options->topic)));
	has_slept = false;
	return work;
}

static void
close_stream(void *argument)
{
	StreamWork *work = argument;

	kfdw_assignment_close(work->assignment);
}

/*
 * Begins a transaction in which neither stream nor source nor the server's name can be
 * changed; false when one has been.  What is made in it is the step's, and outlives it.
 */
static bool
begin_transaction(const KafkaAssignment *assignment)
{
	const KafkaStream *stream = assignment->stream;
	MemoryContext context = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	kfdw_deadlock_give_way();
	kfdw_streams_lock_to_consume(stream->name);
	LockRelationOid(stream->source, AccessShareLock);
	kfdw_options_keep_server(assignment->options->serverid);
	if (!kfdw_streams_is_current(stream->name, stream->revision) || kfdw_assignment_is_outdated(assignment))
	{
		CommitTransactionCommand();
		MemoryContextSwitchTo(context);
		return false;
	}
	kfdw_assignment_check_options(assignment->options);
	return true;
}

/* Sets what is shown of how things stand. */
static void
fill_in(const StreamWork *work, KafkaWorkerStats *stats)
{
	stats->partitions = work->assignment->npartitions;
	stats->lag = kfdw_assignment_lag(work->assignment);
	stats->parked = kfdw_parking_count(work->parking);
}

/* Moves the positions and commits; counts what was done. */
static void
commit(StreamWork *work, KafkaWorkerStats *done, int64 parked)
{
	KafkaAssignment *assignment = work->assignment;
	MemoryContext context = CurrentMemoryContext;

	work->phase = PHASE_POSITIONS;
	kfdw_positions_write(assignment->positions);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	kfdw_positions_confirm(assignment->positions);
	kfdw_assignment_report(assignment);
	work->phase = PHASE_FETCHING;
	in_doubt = false;

	kfdw_parking_add(work->parking, parked);
	done->last_commit_at = GetCurrentTimestamp();
	fill_in(work, done);
	kfdw_frame_record(done, kfdw_assignment_trouble(assignment) != NULL);
}

/*
 * Reports statistics after a batch and while there is none: PostgreSQL puts it off for a
 * while, and by itself would do the rest at the end of the process.
 */
static void
report_statistics(StreamWork *work)
{
	TimestampTz now = kfdw_wait_now();
	bool		due = work->statistics_due != 0 && work->statistics_due <= now;

	if (pgstat_report_stat(due) == 0)
		work->statistics_due = 0;
	else if (due || work->statistics_due == 0)
		work->statistics_due = TimestampTzPlusMilliseconds(now, STATISTICS_MS);
}

/* Tells in errors which records they are about. */
static void
describe_batch(void *argument)
{
	errcontext("%s", kfdw_assignment_describe_batch(((StreamWork *) argument)->assignment));
}

static void
describe_portion(void *argument)
{
	errcontext("%s", portion_name);
}

/* Shows how a batch was run, unless all of its records failed; says when the next one is to be measured. */
static void
show_plan(StreamWork *work, const KafkaTrialResult *result, const KafkaWorkerStats *batch)
{
	double		pause = Max(batch->last_batch_ms * MEASURE_PAUSE, MEASURE_MIN_MS);

	work->measure_at = TimestampTzPlusMilliseconds(kfdw_wait_now(), (int) Min(pause, MEASURE_MAX_MS));
	if (result->plan[0] != '\0')
		kfdw_frame_show_plan(result->plan, (int) batch->records_in, result->planned, batch->last_batch_ms);
}

/* True when the batch that was gathered may be run; else it has waited for a while. */
static bool
begin_batch(StreamWork *work)
{
	KafkaAssignment *assignment = work->assignment;

	if (!work->has_begun)
	{
		kfdw_frame_run(kfdw_assignment_describe_batch(assignment), assignment->npartitions,
					   kfdw_assignment_lag(assignment), kfdw_buffer_get(assignment->buffer, 0)->timestamp);
		kfdw_consumer_is_busy(assignment->consumer, kfdw_assignment_done(assignment));
		if (!work->has_waited)
			work->await = kfdw_await_begin(assignment->stream);
	}
	work->has_begun = true;
	work->has_waited = work->has_waited || kfdw_await_step(&work->await);
	return work->has_waited;
}

/* Runs the statement for the records in the buffer; false when the stream was changed. */
static bool
run_batch(StreamWork *work)
{
	KafkaAssignment *assignment = work->assignment;
	TimestampTz began = kfdw_wait_now();
	KafkaWorkerStats batch = {
		.batches = 1,
		.records_in = kfdw_buffer_count(assignment->buffer),
		.bytes_in = kfdw_buffer_bytes(assignment->buffer),
		.newest_record = kfdw_assignment_newest_timestamp(assignment),
	};
	bool		measure = began >= work->measure_at;
	KafkaTrialResult result;

	work->phase = PHASE_STATEMENT;
	work->quiet_since = began;
	if (work->is_sleepy)
		kfdw_frame_stay_awake();
	work->is_sleepy = false;
	if (!begin_transaction(assignment))
		return false;
	result = kfdw_trial_run(work->trial, assignment->buffer, measure);
	if (kfdw_trial_roll_back(&result))
		return true;			/* the next step runs it again */
	batch.records_out = result.rows;
	batch.dead_letters = result.set_aside;
	batch.last_batch_ms = (kfdw_wait_now() - began) / 1000.0;
	commit(work, &batch, result.parked);
	kfdw_trial_committed(work->trial);
	if (measure)
		show_plan(work, &result, &batch);
	kfdw_session_forget();

	/* also in a long backlog, so that autovacuum sees what is done */
	report_statistics(work);
	kfdw_assignment_finish_batch(assignment);
	work->has_begun = work->has_waited = false;
	return true;
}

/* Runs the statement for some of the records that are parked; false when the stream was changed. */
static bool
run_portion(StreamWork *work)
{
	MemoryContext context = CurrentMemoryContext;
	KafkaWorkerStats portion = {.newest_record = -1};
	KafkaTrialResult result;

	kfdw_frame_run(portion_name, work->assignment->npartitions, kfdw_assignment_lag(work->assignment), -1);
	work->phase = PHASE_STATEMENT;
	kfdw_parking_begin(work->parking);
	if (!begin_transaction(work->assignment))
		return false;
	result = kfdw_parking_run(work->parking, work->parking_trial);
	if (kfdw_trial_roll_back(&result))
		return true;			/* the next step runs it again */
	portion.records_out = result.rows;
	portion.dead_letters = result.set_aside;
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	kfdw_parking_committed(work->parking);
	kfdw_trial_committed(work->parking_trial);
	kfdw_session_forget();
	portion.last_commit_at = GetCurrentTimestamp();
	fill_in(work, &portion);
	kfdw_frame_record(&portion, kfdw_assignment_trouble(work->assignment) != NULL);
	report_statistics(work);
	return true;
}

/* Runs a batch or a portion, with errors that tell which records they are about. */
static KafkaStep
run_described(StreamWork *work, bool (*run) (StreamWork *work), void (*describe) (void *argument))
{
	ErrorContextCallback context = {error_context_stack, describe, work};
	bool		done;

	error_context_stack = &context;
	done = run(work);
	error_context_stack = context.previous;
	work->phase = PHASE_FETCHING;
	if (done)
		return KAFKA_STEP_DONE;
	return kfdw_assignment_is_outdated(work->assignment) ? KAFKA_STEP_REOPEN : KAFKA_STEP_CHANGED;
}

/* Moves positions past what is no record: transaction markers, compacted gaps. */
static void
write_markers(StreamWork *work)
{
	KafkaWorkerStats markers = {.newest_record = -1};

	work->markers_written = kfdw_wait_now();
	work->phase = PHASE_POSITIONS;
	if (begin_transaction(work->assignment))
		commit(work, &markers, 0);
}

/* Shows that the worker waits, and whether its brokers answer. */
static void
enter_wait(const StreamWork *work)
{
	const char *trouble = kfdw_assignment_trouble(work->assignment);
	KafkaWorkerStats idle = {.newest_record = -1};

	if (trouble != NULL)
	{
		kfdw_frame_stall(trouble);
		return;
	}
	if (in_doubt && !TimestampDifferenceExceeds(work->opened, kfdw_wait_now(), DOUBT_MS))
		return;
	in_doubt = false;
	fill_in(work, &idle);
	kfdw_frame_rest(&idle);
}

/* Waits for more records than those in hand, which may not be run yet. */
static void
gather_on(const KafkaAssignment *assignment, long rest_ms)
{
	bool		is_full = kfdw_buffer_full(assignment->buffer);
	long		wait_ms = Min(kfdw_pace_wait_ms(&assignment->pace, is_full), rest_ms);

	kfdw_frame_wait(is_full ? wait_ms : Min(wait_ms, GATHER_MS));
	if (!is_full && wait_ms > GATHER_MS)
		kfdw_consumer_wait(assignment->consumer, wait_ms - GATHER_MS);
}

/* Does without a client when somebody watches what is read, and sees to that when nothing has come for long. */
static void
look_for_sleep(StreamWork *work)
{
	KafkaAssignment *assignment = work->assignment;
	KafkaSleep	sleep;

	if (kfdw_buffer_count(assignment->buffer) > 0 || assignment->is_prompt || kfdw_parking_count(work->parking) > 0 ||
		kfdw_positions_have_moved(assignment->positions) || kfdw_assignment_trouble(assignment) != NULL)
	{
		work->quiet_since = kfdw_wait_now();
		return;
	}
	if (kfdw_frame_wakefulness(NULL) == KAFKA_ASLEEP)
	{
		kfdw_assignment_close(assignment);
		work->is_asleep = has_slept = true;
	}
	else if (TimestampDifferenceExceeds(work->quiet_since, kfdw_wait_now(), SLEEP_AFTER_MS))
	{
		work->quiet_since = kfdw_wait_now();
		if (kfdw_assignment_describe_sleep(assignment, &sleep))
		{
			kfdw_frame_sleep(&sleep);
			work->is_sleepy = true;
		}
	}
}

/* Waits until it is woken, or there is something to do for which it must be awake. */
static KafkaStep
sleep_on(const StreamWork *work)
{
	char	   *alarm;
	bool		is_woken = kfdw_frame_wakefulness(&alarm) != KAFKA_ASLEEP || kfdw_frame_question() != 0 ||
		TimestampDifferenceExceeds(work->quiet_since, kfdw_wait_now(), LONGEST_SLEEP_MS);

	if (is_woken && alarm != NULL)
		kfdw_frame_stall(alarm);
	if (is_woken)
		return KAFKA_STEP_REOPEN;
	kfdw_frame_sleep_on(REST_MS);
	return KAFKA_STEP_DONE;
}

/* Waits for records; what else there is to do comes in between. */
static void
await_records(StreamWork *work)
{
	long		rest_ms = kfdw_parking_rest_ms(work->parking, REST_MS);

	if (kfdw_positions_have_moved(work->assignment->positions) &&
		TimestampDifferenceExceeds(work->markers_written, kfdw_wait_now(), MARKERS_MS))
	{
		write_markers(work);
		return;
	}
	enter_wait(work);
	report_statistics(work);
	look_for_sleep(work);
	if (work->is_asleep)
		return;
	if (kfdw_buffer_count(work->assignment->buffer) > 0)
		gather_on(work->assignment, rest_ms);
	else
		kfdw_consumer_wait(work->assignment->consumer, rest_ms);
}

/* Tells who waits for this worker when it has done what was there when he asked. */
static KafkaStep
answer(StreamWork *work)
{
	TimestampTz now = kfdw_wait_now();
	uint64		question = kfdw_frame_question();

	/* fetching promptly costs something, so it ends when nobody asks any more */
	if (question == 0)
		return work->assignment->is_prompt && TimestampDifferenceExceeds(work->asked_at, now, PROMPT_MS) ?
			KAFKA_STEP_REOPEN : KAFKA_STEP_DONE;
	work->asked_at = now;
	if (kfdw_assignment_trouble(work->assignment) != NULL)
		return KAFKA_STEP_DONE;
	if (!work->assignment->is_prompt)
		return KAFKA_STEP_REOPEN;
	if (question != work->question && kfdw_assignment_ask_ends(work->assignment))
		work->question = question;
	if (question == work->question && kfdw_assignment_has_caught_up(work->assignment))
		kfdw_frame_answer(question);
	return KAFKA_STEP_DONE;
}

/* What is due: a portion of what is parked, and a batch, or a wait. */
static KafkaStep
work_or_wait(StreamWork *work)
{
	KafkaStep	result = KAFKA_STEP_DONE;
	bool		is_due;

	kfdw_parking_follow_table(work->parking);
	is_due = work->parking != NULL && kfdw_parking_rest_ms(work->parking, REST_MS) == 0;
	if (is_due)
		result = run_described(work, run_portion, describe_portion);
	if (result != KAFKA_STEP_DONE)
		return result;
	if (kfdw_assignment_gather(work->assignment))
	{
		if (begin_batch(work))
			result = run_described(work, run_batch, describe_batch);
		return result == KAFKA_STEP_DONE ? answer(work) : result;
	}
	result = answer(work);
	if (result == KAFKA_STEP_DONE && !is_due)
		await_records(work);
	return result;
}

/* One batch, or one wait. */
static KafkaStep
step(void *argument)
{
	StreamWork *work = argument;
	KafkaAssignment *assignment = work->assignment;
	KafkaStep	result;

	work->phase = PHASE_FETCHING;
	if (kfdw_assignment_is_outdated(assignment))
		return KAFKA_STEP_REOPEN;
	if (work->is_asleep)
		return sleep_on(work);
	result = work_or_wait(work);
	if (result == KAFKA_STEP_DONE && !work->is_asleep && kfdw_assignment_is_to_be_renewed(assignment))
		return KAFKA_STEP_REOPEN;
	return result;
}

/* Who pauses or changes the stream waits for what is told of it until then. */
static bool
is_current(const KafkaWorkerKey *key, TransactionId revision)
{
	kfdw_streams_lock_to_consume(key->name);
	return kfdw_streams_is_current(key->name, revision);
}

/* What the broker does not have any more is judged when the stream is opened. */
static KafkaRemedy
judge(void *argument, const ErrorData *error)
{
	StreamWork *work = argument;

	kfdw_session_forget();
	kfdw_trial_free_piece(work->trial);
	kfdw_trial_free_piece(work->parking_trial);
	work->has_begun = false;
	in_doubt = work->phase == PHASE_POSITIONS;
	if (work->phase == PHASE_FETCHING && error->sqlerrcode == ERRCODE_NO_DATA_FOUND)
		return KAFKA_REMEDY_REOPEN;
	if (!kfdw_frame_passes(error))
		return KAFKA_REMEDY_NONE;
	return work->phase == PHASE_STATEMENT ? KAFKA_REMEDY_RETRY : KAFKA_REMEDY_REOPEN;
}

static void
look_on(void *argument)
{
	StreamWork *work = argument;
	KafkaWorkerStats stats = {.newest_record = -1};

	fill_in(work, &stats);
	kfdw_frame_record(&stats, true);
	kfdw_consumer_is_busy(work->assignment->consumer, kfdw_assignment_done(work->assignment));
}

static const KafkaJob stream_job = {
	.noun = "stream",
	.failed_hint = "It waits for kafka.resume_stream() or a change of the stream.",
	.list_wants = list_wants,
	.open = open_stream,
	.step = step,
	.is_current = is_current,
	.judge = judge,
	.look_on = look_on,
	.close = close_stream,
};

void
kfdw_stream_init(void)
{
	kfdw_job_register(KAFKA_JOB_STREAM, &stream_job);
}
