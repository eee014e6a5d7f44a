/*
 * call.c
 *	  Blocking functions, run on threads of ours.
 *
 * Many functions of libraries wait inside for as long as their timeout says and
 * see no signal.  They run on a thread with all signals blocked, while the process
 * waits on its latch.  When the process gives up (an interrupt), it leaves the call
 * to the thread, which releases it when the function returns.
 *
 * A thread touches nothing of PostgreSQL.
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "kafka/call.h"
#include "stat/wait.h"

/* The longest wait without a look at interrupts. */
#define SLICE_MS 100

typedef enum KafkaCallState
{
	CALL_RUNNING,
	CALL_DONE,					/* the waiting process releases it */
	CALL_ABANDONED				/* the thread releases it */
} KafkaCallState;

/*
 * What threads wake the process by.  It stays open as long as the process lives: a
 * thread writes to it after its call is done, when nobody waits for it any more.
 */
static int	wake_fd = -1;

/* What a thread is to do. */
typedef struct ThreadStart
{
	void	   *(*run) (void *argument);
	void	   *argument;
} ThreadStart;

static int	threads_running = 0;

/* A thread from its beginning to its end. */
static void *
run_thread(void *argument)
{
	ThreadStart start = *(ThreadStart *) argument;

	free(argument);
	start.run(start.argument);
	__atomic_sub_fetch(&threads_running, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/*
 * The process leaves by exit(), and a thread is still busy, behind a name server that is
 * silent for example: it must not meet what libraries destroy there.
 */
static void
leave_at_once(int status, void *argument)
{
	if (__atomic_load_n(&threads_running, __ATOMIC_SEQ_CST) > 0)
		_exit(status);
}

/* Starts a thread; 0, or an errno. */
static int
create_thread(ThreadStart *start)
{
	sigset_t	all,
				old;
	pthread_attr_t attributes;
	pthread_t	thread;
	int			result;

	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	result = pthread_create(&thread, &attributes, run_thread, start);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return result;
}

int
kfdw_call_start_thread(void *(*run) (void *), void *argument)
{
	static bool exit_callback_registered = false;
	ThreadStart *start = malloc(sizeof(ThreadStart));
	int			result;

	if (start == NULL)
		return ENOMEM;
	start->run = run;
	start->argument = argument;

	/* what is registered last comes first: before the end of the libraries that a thread uses */
	if (!exit_callback_registered)
		exit_callback_registered = on_exit(leave_at_once, NULL) == 0;
	__atomic_add_fetch(&threads_running, 1, __ATOMIC_SEQ_CST);
	result = create_thread(start);
	if (result == 0)
		return 0;
	__atomic_sub_fetch(&threads_running, 1, __ATOMIC_SEQ_CST);
	free(start);
	return result;
}

int64
kfdw_call_now_ms(void)
{
	return kfdw_wait_now() / 1000;
}

/* Makes the file that threads wake the process by; false when there can be none. */
static bool
open_wake_fd(void)
{
	if (wake_fd >= 0)
		return true;
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (wake_fd < 0)
		return false;
	ReserveExternalFD();
	return true;
}

/* Moves a running call to another state; false when the other side was first. */
static bool
change_state(KafkaCall *call, KafkaCallState state)
{
	int			running = CALL_RUNNING;

	return __atomic_compare_exchange_n(&call->state, &running, state, false,
									   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* The thread: after the change of state nothing of a call that is done may be touched. */
static void *
call_thread(void *argument)
{
	static const uint64 one = 1;
	KafkaCall  *call = argument;

	call->run(call);
	if (!change_state(call, CALL_DONE))
		call->release(call);

	/* a lost wakeup costs the waiting process one slice of its wait */
	else if (write(wake_fd, &one, sizeof(one)) < 0)
		return NULL;
	return NULL;
}

/* Waits until the thread is done. */
static void
await_call(KafkaCall *call)
{
	CHECK_FOR_INTERRUPTS();
	while (__atomic_load_n(&call->state, __ATOMIC_SEQ_CST) != CALL_DONE)
	{
		/* a thread of an older call may wake it, too */
		kfdw_wait(KAFKA_WAIT_ANSWER, wake_fd, SLICE_MS);
		CHECK_FOR_INTERRUPTS();
		if (call->look != NULL)
			call->look(call);
	}
}

/*
 * Starts the thread of a call.  Where there can be none the call runs here, once and
 * as short as it can: run() always runs.
 */
static void
start_call(KafkaCall *call)
{
	call->abandoned = 0;
	call->state = CALL_RUNNING;
	if (open_wake_fd() && kfdw_call_start_thread(call_thread, call) == 0)
		return;
	call->abandoned = 1;
	call->run(call);
	call->state = CALL_DONE;
}

void
kfdw_call_run(KafkaCall *call)
{
	start_call(call);
	PG_TRY();
	{
		await_call(call);
	}
	PG_CATCH();
	{
		call->abandoned = 1;
		if (!change_state(call, CALL_ABANDONED))
			call->release(call);
		PG_RE_THROW();
	}
	PG_END_TRY();
}
