/*
 * stream.c
 *	  Runs one worker of a stream, as the stream's owner.
 *
 * Records are waited for outside any transaction.  A batch is one transaction: the
 * statement, then the positions.  Whatever ends it in between, both are undone, and
 * the records are still in the buffer.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "source/batch.h"
#include "stream/statement.h"
#include "stream/task.h"
#include "worker/worker.h"

/* How often the number of the topic's partitions is asked for, in trouble and else. */
#define TOPIC_CHECK_MS 30000
#define TROUBLE_CHECK_MS 1000

/* Positions that move past transaction markers, without records, are written this often. */
#define MARKERS_MS 1000

/* What an error interrupts decides what is still good. */
typedef enum WorkerPhase
{
	PHASE_OPENING,
	PHASE_FETCHING,
	PHASE_STATEMENT,			/* the batch can be run again from the buffer */
	PHASE_POSITIONS				/* they may have been moved by somebody else */
} WorkerPhase;

/*
 * Faults that pass by themselves, by SQLSTATE or class; all others need somebody to
 * change the stream, its tables or its data.
 */
static const char *const passing_faults[] = {
	"08",						/* connection */
	"40",						/* serialization failure, deadlock */
	"53",						/* insufficient resources */
	"55",						/* object not in prerequisite state, lock not available */
	"57",						/* operator intervention */
	"58",						/* system error */
	"HV000",					/* the broker refused something */
	"HV00N",					/* unable to establish connection */
	"HV00R",					/* the topic is not there, or its broker just started */
};

static const KafkaWorkerKey *key;
static KafkaTask *task = NULL;	/* NULL: to be opened */
static TransactionId opened_revision;	/* of the slot when the task was opened */
static WorkerPhase phase;
static TimestampTz markers_written = 0;
static char reported[KAFKA_ERROR_LEN];	/* the fault that is in the log already */
static char activity[NAMEDATALEN + 16];
static MemoryContext loop_context;
static emit_log_hook_type previous_log_hook;

static void connect_as(Oid owner);
static void close_task_at_exit(int code, Datum argument);
static bool work(void);
static bool run_stream(void);
static bool step(void);
static bool run_batch(void);
static void await_records(void);
static bool recover(void);

void
kfdw_worker_main(Datum argument)
{
	uint32		launch;
	Oid			owner;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	memcpy(&launch, MyBgworkerEntry->bgw_extra, sizeof(launch));
	key = kfdw_slot_attach(DatumGetInt32(argument), launch, &owner);
	if (key == NULL)
		proc_exit(0);
	connect_as(owner);
	before_shmem_exit(close_task_at_exit, (Datum) 0);
	loop_context = AllocSetContextCreate(TopMemoryContext, "kafka_fdw worker", ALLOCSET_DEFAULT_SIZES);
	while (work())
		MemoryContextReset(loop_context);
	proc_exit(0);
}

/* An error that ends the process while it connects is kept for the slot. */
static void
keep_reason(ErrorData *error)
{
	if (error->elevel >= FATAL && error->message != NULL)
		kfdw_slot_set_exit_reason(error->message);
	if (previous_log_hook != NULL)
		previous_log_hook(error);
}

static void
connect_as(Oid owner)
{
	previous_log_hook = emit_log_hook;
	emit_log_hook = keep_reason;
	BackgroundWorkerInitializeConnectionByOid(key->database, owner, BGWORKER_BYPASS_ROLELOGINCHECK);
	emit_log_hook = previous_log_hook;
	snprintf(activity, sizeof(activity), "stream %s", key->name);
	SetConfigOption("application_name", activity, PGC_USERSET, PGC_S_SESSION);
}

/* Works until the stream is to be opened anew (true) or the process is to end. */
static bool
work(void)
{
	volatile bool go_on = false;

	PG_TRY();
	{
		MemoryContextSwitchTo(loop_context);
		go_on = run_stream();
	}
	PG_CATCH();
	{
		go_on = recover();
	}
	PG_END_TRY();
	return go_on;
}

static void
close_task(bool clean)
{
	if (task != NULL)
		kfdw_task_close(task, clean);
	task = NULL;
}

/* Lets go of the client, which is then destroyed before exit(); a batch may be under way. */
static void
close_task_at_exit(int code, Datum argument)
{
	AbortOutOfAnyTransaction();
	close_task(false);
}

/* True when there is an open task of the revision that is wanted. */
static bool
open_task(TransactionId revision)
{
	if (task != NULL)
		return true;
	phase = PHASE_OPENING;
	opened_revision = revision;
	task = kfdw_task_create(key->worker);
	if (!kfdw_task_open(task, key->name))
	{
		close_task(false);
		return false;
	}
	ereport(LOG,
			(errmsg("stream \"%s\", worker %d, reads %d partitions of topic \"%s\"",
					key->name, key->worker, task->npartitions, task->key.topic)));
	return true;
}

static void
report_activity(BackendState state)
{
	pgstat_report_activity(state, activity);
}

/* Opens the stream and works on it while it stays as it is. */
static bool
run_stream(void)
{
	TransactionId revision;

	if (!kfdw_slot_follow(&revision) || !open_task(revision))
	{
		close_task(true);
		return false;
	}
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		MemoryContextSwitchTo(loop_context);
		MemoryContextReset(loop_context);
		if (!kfdw_slot_follow(&revision))
		{
			close_task(true);
			return false;
		}
		if (!TransactionIdEquals(revision, opened_revision) || !step())
		{
			close_task(true);
			return true;
		}
	}
}

/* One batch, or one wait; false when the task is to be opened anew. */
static bool
step(void)
{
	int			check_ms = kfdw_consumer_trouble(task->consumer) ? TROUBLE_CHECK_MS : TOPIC_CHECK_MS;

	phase = PHASE_FETCHING;
	if (kfdw_task_is_outdated(task))
		return false;
	if (kfdw_task_gather(task) > 0)
	{
		if (!run_batch() && !kfdw_task_is_outdated(task))
		{
			/* the stream was changed: a scout will say how */
			kfdw_shared_ping(key->database);
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 100, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
		}
		phase = PHASE_FETCHING;
	}
	else
		await_records();
	if (TimestampDifferenceExceeds(task->topic_checked, GetCurrentTimestamp(), check_ms))
		return !kfdw_task_topic_has_grown(task);
	return true;
}

/* Begins a transaction in which neither stream nor source can be changed; false when one has been. */
static bool
begin_transaction(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	kfdw_streams_lock(key->name, false);
	LockRelationOid(task->stream->source, AccessShareLock);
	if (kfdw_streams_is_current(key->name, task->stream->revision) && !kfdw_task_is_outdated(task))
		return true;
	CommitTransactionCommand();
	return false;
}

/* Moves the positions and commits; counts what was done. */
static void
commit(KafkaWorkerStats *batch)
{
	phase = PHASE_POSITIONS;
	kfdw_task_write_positions(task);
	CommitTransactionCommand();
	MemoryContextSwitchTo(loop_context);
	kfdw_task_confirm_positions(task);

	batch->partitions = task->npartitions;
	batch->lag = kfdw_task_lag(task);
	batch->last_commit_at = GetCurrentTimestamp();
	kfdw_slot_record(batch);
	reported[0] = '\0';
}

static void
describe_batch(void *argument)
{
	kfdw_task_describe_batch(task);
}

/* Runs the statement for the records in the buffer; false when the stream was changed. */
static bool
run_batch(void)
{
	KafkaWorkerStats batch = {0};
	TimestampTz began = GetCurrentTimestamp();
	ErrorContextCallback context = {.previous = error_context_stack, .callback = describe_batch};

	batch.batches = 1;
	batch.records_in = kfdw_buffer_count(task->buffer);
	batch.bytes_in = kfdw_buffer_bytes(task->buffer);
	batch.newest_record = kfdw_task_newest_timestamp(task);
	kfdw_slot_enter(KAFKA_STATE_RUNNING);
	report_activity(STATE_RUNNING);
	phase = PHASE_STATEMENT;
	error_context_stack = &context;
	if (!begin_transaction())
	{
		error_context_stack = context.previous;
		return false;
	}
	kfdw_batch_bind(task->stream->source, task->buffer);
	batch.records_out = kfdw_statement_run(task->stream->statement, task->stream->search_path,
										   task->stream->source);
	kfdw_batch_unbind();
	batch.last_batch_ms = (GetCurrentTimestamp() - began) / 1000.0;
	commit(&batch);
	error_context_stack = context.previous;
	kfdw_buffer_clear(task->buffer);
	return true;
}

/* Moves positions past what is no record: transaction markers, compacted gaps. */
static void
write_markers(void)
{
	KafkaWorkerStats batch = {.newest_record = -1};

	markers_written = GetCurrentTimestamp();
	phase = PHASE_POSITIONS;
	if (begin_transaction())
		commit(&batch);
	phase = PHASE_FETCHING;
}

/* Shows that the worker waits, and whether its brokers answer. */
static void
enter_wait(void)
{
	const char *trouble = kfdw_consumer_trouble(task->consumer);
	KafkaWorkerStats idle = {.newest_record = -1};

	report_activity(STATE_IDLE);
	if (trouble == NULL)
	{
		kfdw_slot_enter(KAFKA_STATE_IDLE);
		idle.partitions = task->npartitions;
		idle.lag = kfdw_task_lag(task);
		kfdw_slot_record(&idle);
		reported[0] = '\0';
	}
	else if (strcmp(reported, trouble) != 0)
	{
		strlcpy(reported, trouble, sizeof(reported));
		(void) kfdw_slot_fault(KAFKA_STATE_STALLED, trouble);
		ereport(LOG,
				(errmsg("stream \"%s\", worker %d, is stalled: %s", key->name, key->worker, trouble)));
	}
}

/* Waits for records; what else there is to do comes in between. */
static void
await_records(void)
{
	long		timeout_ms = TROUBLE_CHECK_MS;
	long		flush_ms;

	if (kfdw_task_has_moved(task) &&
		TimestampDifferenceExceeds(markers_written, GetCurrentTimestamp(), MARKERS_MS))
	{
		write_markers();
		return;
	}
	enter_wait();
	flush_ms = pgstat_report_stat(false);
	if (flush_ms > 0)
		timeout_ms = Min(timeout_ms, flush_ms);
	kfdw_consumer_wait(task->consumer, timeout_ms);
}


/* Errors ------------------------------------------------------------------- */

static bool
is_passing(int sqlstate)
{
	/* what the broker does not have any more is judged when the task is opened */
	if (phase == PHASE_FETCHING && sqlstate == ERRCODE_NO_DATA_FOUND)
		return true;
	for (int i = 0; i < lengthof(passing_faults); i++)
		if (strncmp(unpack_sql_state(sqlstate), passing_faults[i], strlen(passing_faults[i])) == 0)
			return true;
	return false;
}

/* What kafka.stat_streams shows of an error. */
static char *
describe_error(const ErrorData *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s (SQLSTATE %s)", error->message, unpack_sql_state(error->sqlerrcode));
	if (error->detail != NULL)
		appendStringInfo(&text, "\nDETAIL:  %s", error->detail);
	if (error->context != NULL)
		appendStringInfo(&text, "\nCONTEXT:  %s", error->context);
	return text.data;
}

/* Ends what the error interrupted; returns a copy of it.  A repeated one is not logged again. */
static ErrorData *
clean_up(void)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(loop_context);
	error = CopyErrorData();
	if (strncmp(reported, error->message, sizeof(reported) - 1) != 0)
		EmitErrorReport();
	strlcpy(reported, error->message, sizeof(reported));
	AbortOutOfAnyTransaction();
	LWLockReleaseAll();
	kfdw_batch_unbind();
	MemoryContextSwitchTo(loop_context);
	FlushErrorState();
	RESUME_INTERRUPTS();
	return error;
}

/* Waits before the next attempt, unless the stream is changed. */
static void
pause_before_retry(int ms)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
	TransactionId revision;
	long		left = ms;

	report_activity(STATE_IDLE);
	while (left > 0 && kfdw_slot_follow(&revision) && TransactionIdEquals(revision, opened_revision))
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);
	}
}

/* After an error: true when the worker is to try again. */
static bool
recover(void)
{
	ErrorData  *error = clean_up();
	bool		passing = is_passing(error->sqlerrcode);
	int			faults = kfdw_slot_fault(passing ? KAFKA_STATE_STALLED : KAFKA_STATE_FAILED,
										 describe_error(error));

	if (phase == PHASE_STATEMENT && passing)
		kfdw_buffer_rewind(task->buffer);
	else
		close_task(false);
	if (!passing)
	{
		ereport(LOG,
				(errmsg("stream \"%s\", worker %d, has failed", key->name, key->worker),
				 errhint("It waits for kafka.resume_stream() or a change of the stream.")));
		return false;
	}
	pause_before_retry(kfdw_slot_backoff_ms(faults));
	return true;
}
