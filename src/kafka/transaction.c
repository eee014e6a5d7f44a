/*
 * transaction.c
 *	  Kafka transactions: what a producer sends becomes visible together, or never.
 *
 * Each step is a function of the library that waits for brokers, so it runs on a thread
 * (call.c), in slices: one that times out is called again, as the library wants it.  The
 * library tells what an error means; what it does not say for sure is not assumed.
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "kafka/call.h"
#include "kafka/client.h"
#include "kafka/error.h"
#include "kafka/fault.h"
#include "kafka/sender.h"
#include "kafka/transaction.h"

#define SLICE_MS 500
#define RETRY_PAUSE_US 20000

/* The library may wait in a step for a coordinator and never look at the clock: it is not waited for longer. */
#define GRACE_MS 5000

/* How long the end of a producer may take that this one takes the place of. */
#define PREDECESSOR_WAIT_MS 5000

/* After a commit that took longer the producer is not used again: an answer may be late. */
#define SLOW_COMMIT_MS 2000

typedef struct TransactionCall
{
	KafkaCall	call;
	KafkaClient *client;
	const char *what;			/* it does, for errors */
	int64		gives_up_at;	/* the process does, where it looks */
	rd_kafka_error_t *(*step) (struct TransactionCall *call, int timeout_ms);
	int			timeout_ms;		/* of all slices together */
	bool		must_end;		/* goes on until its outcome is known or the time is up */
	const KafkaTransactionPosition *position; /* the process's, for errors; NULL: it is about none */
	char	   *group_id;		/* the thread's, as that */
	char	   *topic;
	int64		offset;

	/* the last error; 0: none */
	rd_kafka_resp_err_t error;
	bool		retriable;
	bool		abortable;		/* the transaction cannot commit, but the producer is sound */
	char		reason[512];
} TransactionCall;


/* On the thread ------------------------------------------------------------ */

static rd_kafka_error_t *
init_step(TransactionCall *call, int timeout_ms)
{
	return rd_kafka_init_transactions(call->client->rk, timeout_ms);
}

static rd_kafka_error_t *
commit_step(TransactionCall *call, int timeout_ms)
{
	return rd_kafka_commit_transaction(call->client->rk, timeout_ms);
}

static rd_kafka_error_t *
abort_step(TransactionCall *call, int timeout_ms)
{
	return rd_kafka_abort_transaction(call->client->rk, timeout_ms);
}

/* The position of the call as the library's list. */
static rd_kafka_topic_partition_list_t *
make_list(const TransactionCall *call)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, call->topic, 0)->offset = call->offset;
	return list;
}

static rd_kafka_error_t *
move_step(TransactionCall *call, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *list = make_list(call);
	rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata_new(call->group_id);
	rd_kafka_error_t *error = rd_kafka_send_offsets_to_transaction(call->client->rk, list, group, timeout_ms);

	rd_kafka_consumer_group_metadata_destroy(group);
	rd_kafka_topic_partition_list_destroy(list);
	return error;
}

/*
 * The library goes on looking for a coordinator that brokers do not name to this user, and
 * says so once, in the consumer's queue: that is the reason why the time is up.
 */
static rd_kafka_resp_err_t
find_reason(const TransactionCall *call, rd_kafka_resp_err_t error)
{
	rd_kafka_message_t *message;

	while ((message = rd_kafka_consumer_poll(call->client->rk, 0)) != NULL)
	{
		if (message->err && kfdw_fault_course(message->err) != KAFKA_PASSES)
			error = message->err;
		rd_kafka_message_destroy(message);
	}
	return error;
}

/* Asking is not a part of a transaction, and has no such error; what passes is asked again. */
static rd_kafka_error_t *
read_step(TransactionCall *call, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *list = make_list(call);
	rd_kafka_resp_err_t error = rd_kafka_committed(call->client->rk, list, timeout_ms);

	if (!error)
		error = list->elems[0].err;
	call->offset = list->elems[0].offset;
	rd_kafka_topic_partition_list_destroy(list);
	if (kfdw_fault_course(error) == KAFKA_PASSES)
		error = find_reason(call, error);
	call->error = error;
	call->retriable = kfdw_fault_course(error) == KAFKA_PASSES;
	strlcpy(call->reason, rd_kafka_err2str(error), sizeof(call->reason));
	return NULL;
}

/* Keeps what the library says of a step. */
static void
take_error(TransactionCall *call, rd_kafka_error_t *error)
{
	if (error == NULL)
		return;
	call->error = rd_kafka_error_code(error);
	call->retriable = rd_kafka_error_is_retriable(error) != 0;
	call->abortable = rd_kafka_error_txn_requires_abort(error) != 0;
	strlcpy(call->reason, rd_kafka_error_string(error), sizeof(call->reason));
	rd_kafka_error_destroy(error);
}

/* Calls the step until it has an answer other than "again" or the time is up. */
static void
run_call(KafkaCall *argument)
{
	TransactionCall *call = (TransactionCall *) argument;
	int64		deadline = kfdw_call_now_ms() + call->timeout_ms;

	for (;;)
	{
		int64		left = deadline - kfdw_call_now_ms();

		call->error = RD_KAFKA_RESP_ERR_NO_ERROR;
		call->retriable = call->abortable = false;
		take_error(call, call->step(call, (int) Max(Min(left, SLICE_MS), 1)));
		if (!call->retriable || left <= 0 || call->client->discarded || (argument->abandoned && !call->must_end))
			break;
		if (call->error != RD_KAFKA_RESP_ERR__TIMED_OUT)
			usleep(RETRY_PAUSE_US);
	}
	kfdw_client_let_go(call->client);
}

/* Frees the call; may run on the thread. */
static void
release_call(KafkaCall *argument)
{
	TransactionCall *call = (TransactionCall *) argument;

	free(call->group_id);
	free(call->topic);
	free(call);
}


/* In the process ----------------------------------------------------------- */

/* What helps where the brokers refuse the client, or a right, or cannot be reached. */
static int
give_hint(const TransactionCall *call, rd_kafka_resp_err_t error)
{
	switch (kfdw_fault_sqlstate(error))
	{
		case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:
		case ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION:
			return errhint("%s", KFDW_CHECK_SECURITY);
		case ERRCODE_INSUFFICIENT_PRIVILEGE:
			return call->position != NULL ?
				errhint("The client's user needs the right to Read the group \"%s\" and the topic \"%s\".",
						call->position->group_id, call->position->topic) :
				errhint("The client's user needs the rights to Write and to Describe its transactional id, which begins with \"transactional_id_prefix\", and to Write the topics.");
		default:
			if (kfdw_error_is_fence(call->client, error))
				return errhint("%s", KFDW_CHECK_FENCE);
			return error == RD_KAFKA_RESP_ERR__TIMED_OUT ||
				(error == call->client->error && kfdw_fault_course(error) == KAFKA_PASSES) ? errhint("%s", KFDW_CHECK_ADDRESS) : 0;
	}
}

/* Raises the error of a step. */
pg_noreturn static void
report(const TransactionCall *call)
{
	KafkaClient *client = call->client;
	rd_kafka_resp_err_t error = call->error;
	const char *reason = call->reason;

	if (client->error && kfdw_fault_course(error) == KAFKA_PASSES)
	{
		error = client->error;
		reason = client->reason;
	}
	ereport_domain(ERROR, kfdw_fault_domain(error),
				   (errcode(kfdw_fault_sqlstate(error)),
					errmsg("could not %s at \"%s\"", call->what, client->servers),
					errdetail_internal("%s", reason), give_hint(call, error)));
}

/* Waiting is of no use where the brokers refuse the client, nor where the library has forgotten the time. */
static void
look_after(KafkaCall *argument)
{
	const TransactionCall *call = (TransactionCall *) argument;
	KafkaClient *client = call->client;
	TransactionCall late = {.client = client,.what = call->what,.error = RD_KAFKA_RESP_ERR__TIMED_OUT};

	kfdw_client_serve(client);
	if (client->error && kfdw_fault_course(client->error) != KAFKA_PASSES)
		argument->abandoned = 1;
	if (kfdw_call_now_ms() < call->gives_up_at)
		return;
	strlcpy(late.reason, rd_kafka_err2str(late.error), sizeof(late.reason));
	report(&late);
}

static TransactionCall *
make_call(KafkaClient *client, rd_kafka_error_t *(*step) (TransactionCall *, int), const KafkaTransactionPosition *position,
		  const char *what)
{
	TransactionCall *call = calloc(1, sizeof(TransactionCall));

	if (call != NULL && position != NULL)
	{
		call->group_id = strdup(position->group_id);
		call->topic = strdup(position->topic);
		call->offset = position->offset;
	}
	if (call == NULL || (position != NULL && (call->group_id == NULL || call->topic == NULL)))
	{
		if (call != NULL)
			release_call(&call->call);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	call->call.run = run_call;
	call->call.release = release_call;
	call->call.look = look_after;
	call->client = client;
	call->what = what;
	call->position = position;
	call->step = step;
	call->timeout_ms = client->request_timeout_ms;
	call->gives_up_at = kfdw_call_now_ms() + call->timeout_ms + GRACE_MS;
	return call;
}

/* Runs a call to its end and gives what came of it; an interrupt leaves it to its thread. */
static TransactionCall
run(TransactionCall *call)
{
	TransactionCall result;

	kfdw_client_hold(call->client);
	kfdw_call_run(&call->call);
	result = *call;
	release_call(&call->call);
	return result;
}

/* Runs a step of a producer; where it fails, or is interrupted, the producer is done for. */
static void
run_step(KafkaProducer *producer, rd_kafka_error_t *(*step) (TransactionCall *, int),
		 const KafkaTransactionPosition *position, const char *what)
{
	PG_TRY();
	{
		TransactionCall result = run(make_call(producer->client, step, position, what));

		if (result.error)
			report(&result);
	}
	PG_CATCH();
	{
		producer->broken = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * One that is being destroyed, by the same id, may have a request under way, or end its
 * transaction yet: that would fence this one.
 */
static void
wait_for_predecessor(void)
{
	int64		deadline = kfdw_call_now_ms() + PREDECESSOR_WAIT_MS;

	while (kfdw_client_is_transactional_going() && kfdw_call_now_ms() < deadline)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(1000);
	}
}

void
kfdw_transaction_prepare(KafkaProducer *producer)
{
	KafkaClient *client = producer->client;

	if (client->transactional)
		return;
	wait_for_predecessor();
	run_step(producer, init_step, NULL, "prepare Kafka transactions");
	client->transactional = true;
}

void
kfdw_transaction_begin(KafkaProducer *producer)
{
	KafkaClient *client = producer->client;
	TransactionCall failed = {.client = client,.what = "begin a Kafka transaction"};

	kfdw_transaction_prepare(producer);
	take_error(&failed, rd_kafka_begin_transaction(client->rk));
	if (failed.error)
	{
		producer->broken = true;
		report(&failed);
	}
	client->in_transaction = true;
}

void
kfdw_transaction_move_position(KafkaProducer *producer, const KafkaTransactionPosition *position)
{
	run_step(producer, move_step, position, "store a position in a Kafka transaction");
}

void
kfdw_transaction_abort(KafkaProducer *producer)
{
	run_step(producer, abort_step, NULL, "abort a Kafka transaction");
	producer->client->in_transaction = false;
}

/* Nobody knows whether it committed; the brokers end it by their timeout, if it is still open. */
pg_noreturn static void
report_unknown(const TransactionCall *call)
{
	ereport_domain(ERROR, kfdw_fault_domain(RD_KAFKA_RESP_ERR__TIMED_OUT),
				   (errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
					errmsg("the outcome of a Kafka transaction at \"%s\" is not known", call->client->servers),
					errdetail_internal("%s", call->reason),
					errhint("This transaction is rolled back. If Kafka had committed its own, all of its records are in their topics, else none: look there before you repeat it.")));
}

void
kfdw_transaction_commit(KafkaProducer *producer)
{
	KafkaClient *client = producer->client;
	TransactionCall *call = make_call(client, commit_step, NULL, "commit a Kafka transaction");
	int64		began = kfdw_call_now_ms();
	TransactionCall result;

	call->call.look = NULL;
	call->must_end = true;
	call->timeout_ms = client->transaction_timeout_ms;
	client->error = RD_KAFKA_RESP_ERR_NO_ERROR;

	/* until the answer comes nobody may abort it, nor assume that it did not commit */
	client->in_transaction = false;
	HOLD_INTERRUPTS();
	result = run(call);
	RESUME_INTERRUPTS();
	if (result.error || client->error || kfdw_call_now_ms() - began > SLOW_COMMIT_MS)
		producer->broken = true;
	if (!result.error)
		return;
	client->in_transaction = result.abortable;
	if (result.abortable)
		report(&result);
	report_unknown(&result);
}

void
kfdw_transaction_read_position(const KafkaConfig *consumer, KafkaTransactionPosition *position)
{
	KafkaConfig config = kfdw_config_copy(consumer);
	KafkaClient *client;

	kfdw_config_set(&config, KAFKA_PROPERTY_GROUP_ID, position->group_id);
	client = kfdw_client_acquire(&config);
	PG_TRY();
	{
		TransactionCall result = run(make_call(client, read_step, position, "read a position"));

		if (result.error)
			report(&result);
		position->offset = result.offset;
	}
	PG_FINALLY();
	{
		kfdw_client_discard(client);
	}
	PG_END_TRY();
}
