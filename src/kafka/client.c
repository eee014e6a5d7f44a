/*
 * client.c
 *	  Handles of the client library: made from a configuration, pooled in the backend.
 *
 * A handle is made in the process that uses it, never in the postmaster, as the
 * library's threads do not survive a fork.  An idle consumer waits in a small pool
 * for the next scan with the same properties; after an error it is destroyed, as
 * nobody knows what it was doing.  The library's log goes to a queue that is read
 * here, in our thread, and becomes DEBUG1 messages.
 */
#include "postgres.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#include "kafka/call.h"
#include "kafka/client.h"
#include "stat/wait.h"

#define MAX_IDLE_CLIENTS 4
#define EXIT_WAIT_MS 1000
#define ABORT_WAIT_MS 3000

/* Files of a client: its event file and the library's own, and those for each broker. */
#define CLIENT_FILES 4
#define BROKER_FILES 3

/* Files that PostgreSQL's own waits need beside. */
#define SPARE_FILES 8

static KafkaClient *idle_clients = NULL;
static int	scans_open = 0;		/* clients of scans, the idle ones included */
static bool exit_callback_registered = false;

/* Clients that threads are destroying, or will when a call returns. */
static int	clients_going = 0;
static int	transactional_going = 0;

/*
 * An open transaction would keep readers waiting until it times out.  Whoever comes next
 * by its transactional id ends it as well.
 */
static void
abort_transaction(KafkaClient *client)
{
	rd_kafka_error_t *error = rd_kafka_abort_transaction(client->rk, ABORT_WAIT_MS);

	if (error != NULL)
		rd_kafka_error_destroy(error);
}

/*
 * Waits until no thread of the library has a request with records: an answer that fails the
 * transaction, as the producer is fenced, would have the library free its reason twice while
 * the handle is destroyed (up to 2.14 at least).
 */
static void
end_requests(KafkaClient *client)
{
	(void) rd_kafka_purge(client->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

/* Frees a client that nobody holds; may take as long as a name server is silent. */
static void
destroy_client(KafkaClient *client)
{
	if (client->in_transaction)
		abort_transaction(client);
	if (client->transaction_timeout_ms > 0)
		end_requests(client);
	rd_kafka_queue_destroy(client->log_queue);
	rd_kafka_destroy_flags(client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	if (client->transaction_timeout_ms > 0)
		__atomic_sub_fetch(&transactional_going, 1, __ATOMIC_SEQ_CST);
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

void
kfdw_client_hold(KafkaClient *client)
{
	__atomic_add_fetch(&client->holders, 1, __ATOMIC_SEQ_CST);
}

void
kfdw_client_let_go(KafkaClient *client)
{
	if (__atomic_sub_fetch(&client->holders, 1, __ATOMIC_SEQ_CST) == 0)
		destroy_client(client);
}

void
kfdw_client_let_go_soon(KafkaClient *client)
{
	if (__atomic_sub_fetch(&client->holders, 1, __ATOMIC_SEQ_CST) == 0 &&
		kfdw_call_start_thread(destroy_thread, client) != 0)
		destroy_client(client);
}

void
kfdw_client_discard(KafkaClient *client)
{
	for (int i = 0; i < client->files; i++)
		ReleaseExternalFD();
	kfdw_watch_end(&client->watch);
	scans_open -= client->kind == KAFKA_CLIENT_SCAN;
	client->discarded = 1;
	if (client->transaction_timeout_ms > 0)
		__atomic_add_fetch(&transactional_going, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&clients_going, 1, __ATOMIC_SEQ_CST);
	kfdw_client_let_go_soon(client);
}

bool
kfdw_client_is_transactional_going(void)
{
	return __atomic_load_n(&transactional_going, __ATOMIC_SEQ_CST) > 0;
}

/*
 * The end of the process, after its transaction was aborted: no thread of the library
 * may run into exit().  Those that destroy clients get a bounded time.
 */
static void
close_clients_at_exit(int code, Datum argument)
{
	while (idle_clients != NULL)
	{
		KafkaClient *client = idle_clients;

		idle_clients = client->next;
		kfdw_client_discard(client);
	}
	for (int waited = 0; waited < EXIT_WAIT_MS; waited++)
	{
		if (__atomic_load_n(&clients_going, __ATOMIC_SEQ_CST) == 0)
			return;
		pg_usleep(1000);
	}
}

/* The library tells of an error, from inside our own rd_kafka_poll(). */
static void
remember_error(rd_kafka_t *rk, int error, const char *reason, void *opaque)
{
	KafkaClient *client = opaque;

	/* "all brokers down" says less than the reason that came before it */
	if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && client->error != 0)
		return;
	client->error = error;
	strlcpy(client->reason, reason, sizeof(client->reason));
}

/* The log of rd_kafka_new() itself, before the log queue is there. */
static void
drop_log(const rd_kafka_t *rk, int level, const char *facility, const char *message)
{
}

/* The library's report on a record. */
static void
pass_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	KafkaClient *client = opaque;

	if (client->owner != NULL)
		client->report(client->owner, message);
}

/* The scans' clients that are not idle. */
static int
count_busy_scans(void)
{
	int			busy = scans_open;

	for (const KafkaClient *idle = idle_clients; idle != NULL; idle = idle->next)
		busy -= idle->kind == KAFKA_CLIENT_SCAN;
	return busy;
}

/* Makes the library's configuration. */
static rd_kafka_conf_t *
make_conf(KafkaClient *client, const KafkaConfig *config)
{
	rd_kafka_conf_t *conf = kfdw_client_conf_make(client->kind, config, count_busy_scans(), &client->ahead);

	client->needs_kick = !kfdw_library_has_fetch_backoff();
	rd_kafka_conf_set_opaque(conf, client);
	rd_kafka_conf_set_error_cb(conf, remember_error);
	rd_kafka_conf_set_log_cb(conf, drop_log);
	if (client->kind == KAFKA_CLIENT_PRODUCER)
		rd_kafka_conf_set_dr_msg_cb(conf, pass_report);
	return conf;
}

/* Frees a client that never got a handle. */
static void
free_unborn(KafkaClient *client)
{
	for (int i = 0; i < client->files; i++)
		ReleaseExternalFD();
	if (client->wake_fd >= 0)
		close(client->wake_fd);
	free(client->key);
	free(client->servers);
	free(client);
}

/* Takes files for a client out of those that PostgreSQL leaves to others; false when they are used up. */
static bool
try_to_reserve(int files)
{
	int			taken = 0;

	while (taken < files + SPARE_FILES && AcquireExternalFD())
		taken++;
	for (int i = 0; i < (taken < files + SPARE_FILES ? taken : SPARE_FILES); i++)
		ReleaseExternalFD();
	return taken == files + SPARE_FILES;
}

/* The brokers that a client starts from. */
static int
count_servers(const char *servers)
{
	int			count = 1;

	for (const char *c = servers; *c != '\0'; c++)
		count += *c == ',';
	return count;
}

/* Reserves the files of a client that is to be made, if need be those of idle ones. */
static void
reserve_files(KafkaClient *client)
{
	int			files = CLIENT_FILES + BROKER_FILES * count_servers(client->servers);

	while (!try_to_reserve(files))
	{
		KafkaClient *idle = idle_clients;

		if (idle == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("too many Kafka clients are open in this session"),
					 errdetail("Each needs %d files or more, and a third of \"max_files_per_process\" (%d) is for such.",
							   files, max_files_per_process),
					 errhint("Close cursors that read topics, or raise \"max_files_per_process\".")));
		idle_clients = idle->next;
		kfdw_client_discard(idle);
	}
	client->files = files;
}

void
kfdw_client_account(KafkaClient *client, int nbrokers)
{
	int			files = CLIENT_FILES + BROKER_FILES * nbrokers;

	for (; client->files < files; client->files++)
		ReserveExternalFD();
}

/* Opens a new client. */
static KafkaClient *
open_client(const KafkaConfig *config, const char *key)
{
	KafkaClient *client = calloc(1, sizeof(KafkaClient));
	rd_kafka_conf_t *conf;
	char		reason[256];

	if (client == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	client->kind = config->kind;
	client->holders = 1;
	client->key = strdup(key);
	client->servers = strdup(config->bootstrap_servers);
	client->request_timeout_ms = config->request_timeout_ms;
	client->transaction_timeout_ms = config->transaction_timeout_ms;
	client->wake_fd = -1;

	PG_TRY();
	{
		if (client->key == NULL || client->servers == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		reserve_files(client);
		client->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (client->wake_fd < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("could not create a Kafka client: %m")));
		conf = make_conf(client, config);
		client->rk = client->kind == KAFKA_CLIENT_PRODUCER ?
			kfdw_handle_create_producer(conf, &client->written, reason, sizeof(reason)) :
			kfdw_handle_create_consumer(conf, reason, sizeof(reason));
		if (client->rk == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION),
					 errmsg("could not create a Kafka client for \"%s\"", config->bootstrap_servers),
					 errdetail_internal("%s", reason)));
	}
	PG_CATCH();
	{
		free_unborn(client);
		PG_RE_THROW();
	}
	PG_END_TRY();
	kfdw_watch_begin(&client->watch, &config->origins);
	scans_open += client->kind == KAFKA_CLIENT_SCAN;
	client->log_queue = rd_kafka_queue_new(client->rk);
	rd_kafka_set_log_queue(client->rk, client->log_queue);
	return client;
}

bool
kfdw_client_is_stale(const KafkaClient *client)
{
	return client->watch.changed;
}

/* Throws idle clients away that are stale, or have this key. */
static void
drop_idle_clients(const char *key)
{
	KafkaClient **link = &idle_clients;

	while (*link != NULL)
	{
		KafkaClient *client = *link;

		if (!kfdw_client_is_stale(client) && (key == NULL || strcmp(client->key, key) != 0))
		{
			link = &client->next;
			continue;
		}
		*link = client->next;
		kfdw_client_discard(client);
	}
}

void
kfdw_client_discard_like(KafkaClient *client)
{
	drop_idle_clients(client->key);
	kfdw_client_discard(client);
}

/* Takes the idle client with this key out of the pool that fetches most ahead; NULL: there is none. */
static KafkaClient *
take_idle(const char *key)
{
	KafkaClient **best = NULL;
	KafkaClient *client;

	for (KafkaClient **link = &idle_clients; *link != NULL; link = &(*link)->next)
		if (strcmp((*link)->key, key) == 0 && (best == NULL || (*link)->ahead.kb > (*best)->ahead.kb))
			best = link;
	if (best == NULL)
		return NULL;
	client = *best;
	*best = client->next;
	return client;
}

KafkaClient *
kfdw_client_acquire(const KafkaConfig *config)
{
	char	   *key = kfdw_config_key(config);
	KafkaClient *client;

	if (!exit_callback_registered)
	{
		on_proc_exit(close_clients_at_exit, 0);
		exit_callback_registered = true;
	}
	drop_idle_clients(NULL);
	client = take_idle(key);
	if (client == NULL)
		client = open_client(config, key);

	/* what an idle client heard in the meantime is of no interest */
	kfdw_client_serve(client);
	client->error = RD_KAFKA_RESP_ERR_NO_ERROR;
	pfree(key);
	return client;
}

/* Destroys the idle client that waits for longest, where there are too many. */
static void
trim_pool(void)
{
	KafkaClient **link = &idle_clients;
	KafkaClient *oldest;
	int			idle = 0;

	while (*link != NULL && ++idle <= MAX_IDLE_CLIENTS)
		link = &(*link)->next;
	oldest = *link;
	if (oldest == NULL)
		return;
	*link = NULL;
	kfdw_client_discard(oldest);
}

void
kfdw_client_release(KafkaClient *client)
{
	/* that of a stream may be in the middle of a fetch, which the next one would wait for */
	if (kfdw_client_is_stale(client) || client->error != 0 || client->kind == KAFKA_CLIENT_STREAM ||
		client->kind == KAFKA_CLIENT_PROMPT_STREAM)
	{
		kfdw_client_discard(client);
		return;
	}
	client->next = idle_clients;
	idle_clients = client;
	trim_pool();
}

void
kfdw_client_serve(KafkaClient *client)
{
	rd_kafka_event_t *event;

	rd_kafka_poll(client->rk, 0);
	while ((event = rd_kafka_queue_poll(client->log_queue, 0)) != NULL)
	{
		const char *facility = NULL;
		const char *message = NULL;
		char		line[512];
		int			level;

		if (rd_kafka_event_log(event, &facility, &message, &level) == 0)
			snprintf(line, sizeof(line), "%s: %s", facility, message);
		else
			line[0] = '\0';
		rd_kafka_event_destroy(event);
		if (line[0] != '\0')
			elog(DEBUG1, "kafka client: %s", line);
	}
}

void
kfdw_client_wait(KafkaClient *client, long timeout_ms)
{
	KafkaWait	wait = client->kind == KAFKA_CLIENT_PRODUCER ? KAFKA_WAIT_ACKNOWLEDGEMENT : KAFKA_WAIT_RECORDS;

	kfdw_client_serve(client);
	CHECK_FOR_INTERRUPTS();
	kfdw_wait(wait, client->wake_fd, timeout_ms);
	CHECK_FOR_INTERRUPTS();
	kfdw_client_serve(client);
}
