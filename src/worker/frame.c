/*
 * frame.c
 *	  The process of a worker: it connects as the owner, does its job step by step
 *	  while that is wanted, and gets over errors.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "kafka/fault.h"
#include "stat/wait.h"
#include "worker/deadlock.h"
#include "worker/frame.h"
#include "worker/news.h"
#include "worker/own_slot.h"
#include "worker/slots.h"
#include "worker/worker.h"

/* A scout that is to say what has changed has this long before the next step is tried. */
#define CHANGE_WAIT_MS 100

#define FAILED_WAIT_MS 1000

/* A worker that has begun since it was asked, or begins to do something else, is asked again. */
#define ASK_AGAIN_MS 100

/* PostgreSQL's own faults that pass by themselves, by class; of Kafka's, kafka/fault.c knows. */
static const char *const passing_faults[] = {
	"08",						/* connection */
	"25006",					/* read-only transactions, by a default that is set for a while */
	"40",						/* serialization failure, deadlock */
	"53",						/* insufficient resources */
	"55",						/* object not in prerequisite state, lock not available */
	"57",						/* operator intervention */
	"58",						/* system error */
};

static const KafkaWorkerKey *key;
static const KafkaJob *job;
static void *work = NULL;		/* NULL: to be opened */
static TransactionId opened_revision;	/* of what was wanted when it was opened */
static MemoryContext work_context;	/* holds the work */
static MemoryContext step_context;	/* is reset after each step */
static char reported[KAFKA_ERROR_LEN];	/* the trouble that is in the slot already */
static char activity[NAMEDATALEN + 32];
static bool looks_on = false;	/* it does nothing but to look after work that has failed */
static int	look_errors = 0;
static bool fresh = true;		/* the session remembers nothing: no step has done anything yet */
static emit_log_hook_type previous_log_hook;

static KafkaWaitEvent retry_wait = {"KafkaWorkerRetry"};
static KafkaWaitEvent failed_wait = {"KafkaWorkerFailed"};
static KafkaWaitEvent pace_wait = {"KafkaWorkerPace"};
static KafkaWaitEvent sleep_wait = {"KafkaWorkerSleep"};
static KafkaWaitEvent change_wait = {"KafkaWorkerChange"};
static KafkaWaitEvent stream_wait = {"KafkaWorkerStream"};


/* Waits until the timeout has passed or somebody sets the latch. */
static void
wait_ms(long ms, KafkaWaitEvent *event)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, kfdw_wait_event(event));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* True while this process does what is wanted of it. */
static bool
is_current(void)
{
	TransactionId revision;

	return kfdw_own_slot_follow(&revision) && TransactionIdEquals(revision, opened_revision);
}


/* What a job says ---------------------------------------------------------- */

void
kfdw_frame_rest(const KafkaWorkerStats *done)
{
	kfdw_own_slot_enter(KAFKA_STATE_IDLE);
	pgstat_report_activity(STATE_IDLE, activity);
	kfdw_frame_record(done, false);
	kfdw_news_good();
}

void
kfdw_frame_run(const char *what, int partitions, int64 lag, int64 timestamp)
{
	char	   *query = psprintf("%s: %s", activity, what);

	kfdw_own_slot_run(partitions, lag, timestamp);
	pgstat_report_activity(STATE_RUNNING, query);
	pfree(query);
}

void
kfdw_frame_blame(const KafkaRecord *record)
{
	kfdw_own_slot_blame(record);
}

KafkaFailedRun
kfdw_frame_failed_run(bool parked)
{
	return kfdw_own_slot_failed_run(parked);
}

void
kfdw_frame_keep_failed_run(bool parked, KafkaFailedRun run)
{
	kfdw_own_slot_keep_failed_run(parked, run);
}

void
kfdw_frame_show_plan(const char *plan, int records, int piece, double ms)
{
	kfdw_own_slot_show_plan(plan, records, piece, ms);
}

volatile int64 *
kfdw_frame_lag(void)
{
	return kfdw_own_slot_lag();
}

void
kfdw_frame_record(const KafkaWorkerStats *done, bool in_trouble)
{
	kfdw_own_slot_record(done);
	reported[0] = '\0';
	if (done->batches == 0)
		return;
	fresh = false;
	if (!in_trouble)
		kfdw_news_good();
}

uint64
kfdw_frame_question(void)
{
	return kfdw_own_slot_question();
}

void
kfdw_frame_answer(uint64 question)
{
	kfdw_own_slot_answer(question);
}

void
kfdw_frame_sleep(const KafkaSleep *sleep)
{
	kfdw_own_slot_sleep(sleep);
}

void
kfdw_frame_stay_awake(void)
{
	kfdw_own_slot_stay_awake();
}

KafkaWakefulness
kfdw_frame_wakefulness(char **alarm)
{
	return kfdw_own_slot_wakefulness(alarm);
}

uint64
kfdw_frame_new_question(void)
{
	return kfdw_slot_new_question();
}

KafkaAnswer
kfdw_frame_ask(const char *name, uint64 question)
{
	return kfdw_slot_ask(key->database, key->kind, name, question);
}

void
kfdw_frame_wait(long ms)
{
	wait_ms(ms, &pace_wait);
}

void
kfdw_frame_sleep_on(long ms)
{
	wait_ms(ms, &sleep_wait);
}

bool
kfdw_frame_await(const char *name, uint64 question, long ms)
{
	TimestampTz end = TimestampTzPlusMilliseconds(kfdw_wait_now(), ms);
	long		left = ms;
	bool		answered;

	/* first, so that who answers finds it */
	kfdw_own_slot_await(name);
	while (!(answered = kfdw_frame_ask(name, question) == KAFKA_ANSWER_YES) && left > 0 && is_current())
	{
		wait_ms(Min(left, ASK_AGAIN_MS), &stream_wait);
		left = TimestampDifferenceMilliseconds(kfdw_wait_now(), end);
	}
	kfdw_own_slot_await("");
	return answered;
}

void
kfdw_frame_watch(Oid relation)
{
	kfdw_own_slot_watch(relation);
}

bool
kfdw_frame_is_stirred(void)
{
	return kfdw_own_slot_is_stirred();
}

void
kfdw_frame_calm(void)
{
	kfdw_own_slot_calm();
}

void
kfdw_frame_stall(const char *why)
{
	pgstat_report_activity(STATE_IDLE, activity);
	if (strncmp(reported, why, sizeof(reported) - 1) == 0)
		return;
	strlcpy(reported, why, sizeof(reported));
	(void) kfdw_own_slot_fault(KAFKA_STATE_STALLED, why, NULL);
	if (kfdw_news_is_new(ERRCODE_CONNECTION_FAILURE))
		ereport(LOG,
				(errmsg("%s \"%s\", worker %d, is stalled: %s", job->noun, key->name, key->worker, why)));
	kfdw_news_bad(KAFKA_STATE_STALLED, ERRCODE_CONNECTION_FAILURE);
}

bool
kfdw_frame_is_of_stream(const char *name)
{
	return key != NULL && key->kind == KAFKA_JOB_STREAM && strcmp(key->name, name) == 0;
}

bool
kfdw_frame_in_trouble(void)
{
	return looks_on || kfdw_news_of_trouble();
}

bool
kfdw_frame_passes(const ErrorData *error)
{
	const char *state = unpack_sql_state(error->sqlerrcode);
	KafkaVerdict verdict = kfdw_fault_judge(error);

	if (verdict != KAFKA_NOT_CONCERNED)
		return verdict == KAFKA_TRY_AGAIN;
	for (int i = 0; i < lengthof(passing_faults); i++)
		if (strncmp(state, passing_faults[i], strlen(passing_faults[i])) == 0)
			return true;
	return false;
}


/* The work ----------------------------------------------------------------- */

/* Frees the work in whatever state it is. */
static void
drop_work(void)
{
	work = NULL;
	MemoryContextReset(work_context);
}

/* Ends work that is in order. */
static void
close_work(void)
{
	if (work != NULL)
		job->close(work);
	drop_work();
}

/* False when there is none to open. */
static bool
open_work(TransactionId revision)
{
	MemoryContext old = MemoryContextSwitchTo(work_context);

	if (!TransactionIdEquals(revision, opened_revision))
		kfdw_news_renew();
	opened_revision = revision;
	work = job->open(key);
	MemoryContextSwitchTo(old);
	return work != NULL;
}

/* Lets go of the client, which is then destroyed before exit(); a transaction may be under way. */
static void
drop_work_at_exit(int code, Datum argument)
{
	AbortOutOfAnyTransaction();
	drop_work();
}

static void
take_step(void)
{
	switch (job->step(work))
	{
		case KAFKA_STEP_DONE:
			break;
		case KAFKA_STEP_REOPEN:
			close_work();
			break;
		case KAFKA_STEP_CHANGED:
			kfdw_shared_ping(key->database);
			wait_ms(CHANGE_WAIT_MS, &change_wait);
			break;
	}
}

/* Does the job, in the revision that is wanted, until none is. */
static void
do_job(void)
{
	TransactionId revision;

	while (kfdw_own_slot_follow(&revision))
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		MemoryContextSwitchTo(step_context);
		MemoryContextReset(step_context);
		if (work != NULL && !TransactionIdEquals(revision, opened_revision))
			close_work();
		if (work == NULL && !open_work(revision))
			break;
		take_step();
	}
	close_work();
	ereport(LOG,
			(errmsg("%s \"%s\", worker %d, ends", job->noun, key->name, key->worker)));
}


/* Errors ------------------------------------------------------------------- */

/* Ends what the error interrupted; returns a copy of it.  One of a kind that was logged is not logged again. */
static ErrorData *
clean_up(void)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(step_context);
	error = CopyErrorData();
	if (kfdw_news_is_new(error->sqlerrcode))
		EmitErrorReport();
	strlcpy(reported, error->message, sizeof(reported));
	AbortOutOfAnyTransaction();
	LWLockReleaseAll();
	MemoryContextSwitchTo(step_context);
	FlushErrorState();
	RESUME_INTERRUPTS();
	return error;
}

/* Waits before the next attempt, unless what is wanted changes. */
static void
pause_before_retry(int ms)
{
	TimestampTz end = TimestampTzPlusMilliseconds(kfdw_wait_now(), ms);
	long		left = ms;

	while (left > 0 && is_current())
	{
		wait_ms(left, &retry_wait);
		left = TimestampDifferenceMilliseconds(kfdw_wait_now(), end);
	}
}

/* Tells of an error that passes, and waits. */
static void
wait_out(const ErrorData *error)
{
	int			faults = kfdw_own_slot_fault(KAFKA_STATE_STALLED, kfdw_news_describe(error), error->hint);

	kfdw_news_bad(KAFKA_STATE_STALLED, error->sqlerrcode);
	pause_before_retry(kfdw_slot_backoff_ms(faults));
}

/* What is to be done about an error; work that has failed for good is kept to look at. */
static KafkaRemedy
judge(const ErrorData *error)
{
	KafkaRemedy remedy;

	if (work != NULL)
		remedy = job->judge(work, error);
	else
		remedy = kfdw_frame_passes(error) ? KAFKA_REMEDY_REOPEN : KAFKA_REMEDY_NONE;
	if (remedy == KAFKA_REMEDY_REOPEN || (remedy == KAFKA_REMEDY_NONE && !fresh))
		drop_work();
	return remedy;
}

/* The process does nothing any more; the slot says whether there will be another one. */
static void
give_up(const ErrorData *error, KafkaWorkerState state, const char *outcome, const char *hint)
{
	(void) kfdw_own_slot_fault(state, kfdw_news_describe(error), error->hint);
	ereport(LOG,
			(errmsg("%s \"%s\", worker %d, %s", job->noun, key->name, key->worker, outcome),
			 errhint("%s", hint)));
}

/*
 * After an error: true when this process is to try again.  What lasts may be the
 * session's own fault, as that remembers plans and types; so only a new session is
 * believed that nothing helps.
 */
static bool
recover(void)
{
	ErrorData  *error = clean_up();
	KafkaRemedy remedy = judge(error);
	bool		was_fresh = fresh;

	fresh = false;
	pgstat_report_activity(STATE_IDLE, activity);
	if (remedy == KAFKA_REMEDY_NONE && was_fresh)
	{
		give_up(error, KAFKA_STATE_FAILED, "has failed", job->failed_hint);
		kfdw_news_bad(KAFKA_STATE_FAILED, error->sqlerrcode);
	}
	else if (remedy == KAFKA_REMEDY_NONE)
		give_up(error, KAFKA_STATE_STALLED, "starts anew", "If it fails in a new session, too, that is for good.");
	else
		wait_out(error);
	return remedy != KAFKA_REMEDY_NONE;
}

/* Tells in errors whose they are. */
static void
describe_worker(void *argument)
{
	if (geterrcode() == ERRCODE_QUERY_CANCELED && kfdw_own_slot_steps_back())
		errmsg("gave way to a session that changes the %s, and holds a lock that was waited for", job->noun);
	if (geterrcode() != ERRCODE_SUCCESSFUL_COMPLETION)
		errcontext("%s \"%s\", worker %d", job->noun, key->name, key->worker);
}

/* Does the job, or another thing, until it is over (false) or an error came that one gets over. */
static bool
try_to(void (*act) (void), bool (*get_over) (void))
{
	volatile bool again = false;
	ErrorContextCallback context = {error_context_stack, describe_worker, NULL};

	PG_TRY();
	{
		error_context_stack = &context;
		act();
	}
	PG_CATCH();
	{
		again = get_over();
	}
	PG_END_TRY();
	error_context_stack = context.previous;
	return again;
}

/*
 * Work that has failed for good does nothing, but shows how far behind it is, until
 * somebody changes what is wanted: that takes a new process.  One that was started in place
 * of another that did this opens the work for it.
 */
static void
look_on(void)
{
	TransactionId revision;

	if (look_errors > 0)
		pause_before_retry(kfdw_slot_backoff_ms(look_errors));
	if (work == NULL)
	{
		MemoryContextSwitchTo(step_context);
		MemoryContextReset(step_context);
		if (!kfdw_own_slot_follow(&revision) || !open_work(revision))
			return;
		job->look_on(work);
		pgstat_report_activity(STATE_IDLE, activity);
	}
	while (is_current() && kfdw_own_slot_has_failed())
		wait_ms(FAILED_WAIT_MS, &failed_wait);
}

/* An error, or a cancel, ends no look. */
static bool
look_again(void)
{
	(void) clean_up();
	drop_work();
	look_errors++;
	return looks_on;
}

/* Work that could not even be opened is not looked after, nor that of jobs which show nothing of it. */
static void
watch_failed_work(void)
{
	if (work == NULL && !looks_on)
		return;
	looks_on = job->look_on != NULL;
	kfdw_own_slot_set_looks_on(looks_on);
	while (try_to(look_on, look_again))
		;
	drop_work();
}


/* The process -------------------------------------------------------------- */

/* An error that ends the process while it connects is kept for the slot. */
static void
keep_reason(ErrorData *error)
{
	if (error->elevel >= FATAL && error->message != NULL)
		kfdw_own_slot_set_exit_reason(error->message);
	if (previous_log_hook != NULL)
		previous_log_hook(error);
}

/* Connects as the owner, and as nobody that a setting of the role or the database would make of it. */
static void
connect_as(Oid owner)
{
	previous_log_hook = emit_log_hook;
	emit_log_hook = keep_reason;
	BackgroundWorkerInitializeConnectionByOid(key->database, owner, BGWORKER_BYPASS_ROLELOGINCHECK);
	emit_log_hook = previous_log_hook;
	SetConfigOption("role", "none", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("application_name", psprintf("%s %s", job->noun, key->name), PGC_USERSET, PGC_S_SESSION);
	snprintf(activity, sizeof(activity), "%s %s, worker %d", job->noun, key->name, key->worker);
	kfdw_deadlock_connect();
}

void
kfdw_worker_main(Datum argument)
{
	uint32		launch;
	Oid			owner;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	memcpy(&launch, MyBgworkerEntry->bgw_extra, sizeof(launch));
	key = kfdw_own_slot_attach(DatumGetInt32(argument), launch, &owner);
	if (key == NULL)
		proc_exit(0);
	job = kfdw_job_get(key->kind);
	kfdw_news_begin(job, key);
	connect_as(owner);
	work_context = AllocSetContextCreate(TopMemoryContext, "kafka_fdw work", ALLOCSET_DEFAULT_SIZES);
	step_context = AllocSetContextCreate(TopMemoryContext, "kafka_fdw step", ALLOCSET_DEFAULT_SIZES);
	before_shmem_exit(drop_work_at_exit, (Datum) 0);
	looks_on = job->look_on != NULL && kfdw_own_slot_has_failed();
	while (!looks_on && try_to(do_job, recover))
		;
	watch_failed_work();
	proc_exit(0);
}
