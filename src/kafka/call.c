/*
 * call.c
 *	  Blocking functions of the client library, run on threads of ours.
 *
 * Many functions of the library wait inside for as long as their timeout says and
 * see no signal.  They run on a thread with all signals blocked, while the process
 * waits on its latch.  When the process gives up (an interrupt), it leaves call
 * and client to the thread, which frees both when the function returns.
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

#include "kafka/internal.h"

typedef enum KafkaCallState
{
	CALL_RUNNING,
	CALL_DONE,					/* the waiting process frees it */
	CALL_ABANDONED				/* the thread frees it, and the client */
} KafkaCallState;

struct KafkaCall
{
	KafkaCallBody *body;
	int			wake_fd;		/* the client's; kept open until the call is done */
	KafkaClient *client;		/* set when abandoned */
	int			state;			/* KafkaCallState, by atomic exchange */
};

/* Clients that threads are destroying, or will when their call returns. */
static int	clients_going = 0;

/* Starts a detached thread that no signal reaches; false, with errno set, when it cannot. */
static bool
start_thread(void *(*run) (void *), void *argument)
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
	result = pthread_create(&thread, &attributes, run, argument);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	errno = result;
	return result == 0;
}

/* The files of a client count among those that PostgreSQL may have open. */
static void
release_files(void)
{
	for (int i = 0; i < KFDW_CLIENT_FILES; i++)
		ReleaseExternalFD();
}

/* Frees a client; may take as long as a name server is silent. */
static void
destroy_client(KafkaClient *client)
{
	rd_kafka_queue_destroy(client->log_queue);
	rd_kafka_destroy_flags(client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	close(client->wake_fd);
	free(client->key);
	free(client->servers);
	free(client);
	__atomic_sub_fetch(&clients_going, 1, __ATOMIC_SEQ_CST);
}

static void *
destroy_thread(void *argument)
{
	destroy_client(argument);
	return NULL;
}

/*
 * Frees a client on a thread of its own; nobody may use it any more.  Called in the
 * midst of an abort, so it never fails: without a thread it is freed here.
 */
void
kfdw_call_destroy_client(KafkaClient *client)
{
	release_files();
	__atomic_add_fetch(&clients_going, 1, __ATOMIC_SEQ_CST);
	if (!start_thread(destroy_thread, client))
		destroy_client(client);
}

/* For the end of the process: gives threads that destroy clients a bounded time. */
void
kfdw_call_await_destroyed(int timeout_ms)
{
	for (int waited = 0; waited < timeout_ms; waited++)
	{
		if (__atomic_load_n(&clients_going, __ATOMIC_SEQ_CST) == 0)
			return;
		pg_usleep(1000);
	}
}

static void *
call_thread(void *argument)
{
	KafkaCall  *call = argument;
	int			running = CALL_RUNNING;
	uint64		one = 1;

	call->body->run(call->body);
	if (__atomic_compare_exchange_n(&call->state, &running, CALL_DONE, false,
									__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
	{
		/* a lost wakeup costs the waiting process one slice of its wait */
		if (write(call->wake_fd, &one, sizeof(one)) < 0)
			errno = 0;
		return NULL;
	}
	call->body->release(call->body);
	destroy_client(call->client);
	free(call);
	return NULL;
}

/* Leaves a running call and its client to the thread; false when the call is done. */
bool
kfdw_call_abandon(KafkaCall *call, KafkaClient *client)
{
	int			running = CALL_RUNNING;

	call->client = client;
	call->body->abandoned = 1;
	__atomic_add_fetch(&clients_going, 1, __ATOMIC_SEQ_CST);
	if (__atomic_compare_exchange_n(&call->state, &running, CALL_ABANDONED, false,
									__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
	{
		release_files();
		return true;
	}
	__atomic_sub_fetch(&clients_going, 1, __ATOMIC_SEQ_CST);
	call->body->release(call->body);
	free(call);
	return false;
}

/* Runs body on a thread and waits for its end; the caller releases the body. */
void
kfdw_call_run(KafkaClient *client, KafkaCallBody *body)
{
	KafkaCall  *call = calloc(1, sizeof(KafkaCall));

	if (call == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	call->body = body;
	call->wake_fd = client->wake_fd;
	call->state = CALL_RUNNING;
	body->rk = client->rk;
	if (!start_thread(call_thread, call))
	{
		free(call);
		body->release(body);
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a thread: %m")));
	}
	client->call = call;
	while (__atomic_load_n(&call->state, __ATOMIC_SEQ_CST) != CALL_DONE)
	{
		kfdw_client_wait(client, 100);
		if (kfdw_error_is_lasting(client->error))
			body->abandoned = 1;
	}
	client->call = NULL;
	free(call);
}
