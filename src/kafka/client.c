/*
 * client.c
 *	  Handles of the client library: made from properties, pooled in the backend.
 *
 * A handle is made in the process that uses it, never in the postmaster, as the
 * library's threads do not survive a fork.  An idle consumer waits in a small pool
 * for the next scan with the same properties; after an error it is destroyed, as
 * nobody knows what it was doing.  The library's log goes to a queue that is read
 * here, in our thread, and becomes DEBUG1 messages.
 */
#include "postgres.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "kafka/internal.h"
#include "kafka/producer.h"

#define MAX_IDLE_CLIENTS 4
#define EXIT_WAIT_MS 1000

static KafkaClient *idle_clients = NULL;
static uint64 catalog_generation = 0;
static bool exit_callback_registered = false;

/*
 * The end of the process, after its transaction was aborted: no thread of the library
 * may run into exit().
 */
static void
close_clients_at_exit(int code, Datum argument)
{
	kfdw_producer_close_all();
	while (idle_clients != NULL)
	{
		KafkaClient *client = idle_clients;

		idle_clients = client->next;
		kfdw_call_destroy_client(client);
	}
	kfdw_call_await_destroyed(EXIT_WAIT_MS);
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

/* The properties as one string. */
char *
kfdw_client_key(KafkaClientKind kind, const KafkaConfig *config)
{
	StringInfoData key;

	initStringInfo(&key);
	appendStringInfo(&key, "%d\n%d\n", kind, config->request_timeout_ms);
	for (int i = 0; i < config->nproperties; i++)
		appendStringInfo(&key, "%s=%s\n", config->properties[i].name, config->properties[i].value);
	return key.data;
}

bool
kfdw_config_equal(const KafkaConfig *left, const KafkaConfig *right)
{
	char	   *left_key = kfdw_client_key(KAFKA_CLIENT_CONSUMER, left);
	char	   *right_key = kfdw_client_key(KAFKA_CLIENT_CONSUMER, right);
	bool		equal = strcmp(left_key, right_key) == 0;

	pfree(left_key);
	pfree(right_key);
	return equal;
}

/* Sets one property; the library's own words about a secret are not repeated. */
static void
set_property(rd_kafka_conf_t *conf, const KafkaProperty *property, KafkaClient *client)
{
	char		reason[256];
	rd_kafka_conf_res_t result;

	result = rd_kafka_conf_set(conf, property->name, property->value, reason, sizeof(reason));
	if (result == RD_KAFKA_CONF_OK)
		return;
	if (result == RD_KAFKA_CONF_UNKNOWN && property->optional)
	{
		if (strcmp(property->name, "fetch.queue.backoff.ms") == 0)
			client->needs_kick = true;
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the Kafka client refuses the property \"%s\"", property->name),
			 property->secret ? 0 : errdetail_internal("%s", reason)));
}

/* Makes the library's configuration; freed when setting a property fails. */
static rd_kafka_conf_t *
make_conf(KafkaClient *client, const KafkaConfig *config)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	KafkaProperty log_queue = {"log.queue", "true", false, false};
	KafkaProperty max_age = {"metadata.max.age.ms", KFDW_METADATA_MAX_AGE_MS, false, false};

	PG_TRY();
	{
		for (int i = 0; i < config->nproperties; i++)
			set_property(conf, &config->properties[i], client);
		set_property(conf, &log_queue, client);
		if (kfdw_metadata_must_expire())
			set_property(conf, &max_age, client);
	}
	PG_CATCH();
	{
		rd_kafka_conf_destroy(conf);
		PG_RE_THROW();
	}
	PG_END_TRY();
	rd_kafka_conf_set_opaque(conf, client);
	rd_kafka_conf_set_error_cb(conf, remember_error);
	rd_kafka_conf_set_log_cb(conf, drop_log);
	if (client->kind == KAFKA_CLIENT_PRODUCER)
		rd_kafka_conf_set_dr_msg_cb(conf, kfdw_producer_report);
	return conf;
}

/* Frees a client that never got a handle. */
static void
free_unborn(KafkaClient *client)
{
	if (client->wake_fd >= 0)
		close(client->wake_fd);
	free(client->key);
	free(client->servers);
	free(client);
}

/* Makes the handle itself, with signals blocked as its threads inherit the mask. */
static void
make_handle(KafkaClient *client, rd_kafka_conf_t *conf, char *reason, size_t size)
{
	sigset_t	all,
				old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	client->rk = rd_kafka_new(client->kind == KAFKA_CLIENT_PRODUCER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER,
							  conf, reason, size);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (client->rk == NULL)
		rd_kafka_conf_destroy(conf);
}

/* Opens a new client. */
static KafkaClient *
open_client(KafkaClientKind kind, const KafkaConfig *config, const char *key)
{
	KafkaClient *client = calloc(1, sizeof(KafkaClient));
	rd_kafka_conf_t *conf;
	char		reason[256];

	if (client == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	client->kind = kind;
	client->key = strdup(key);
	client->servers = strdup(config->bootstrap_servers);
	client->request_timeout_ms = config->request_timeout_ms;
	client->generation = catalog_generation;
	client->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	PG_TRY();
	{
		if (client->key == NULL || client->servers == NULL || client->wake_fd < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("could not create a Kafka client: %m")));
		conf = make_conf(client, config);
		make_handle(client, conf, reason, sizeof(reason));
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

	for (int i = 0; i < KFDW_CLIENT_FILES; i++)
		ReserveExternalFD();
	client->log_queue = rd_kafka_queue_new(client->rk);
	rd_kafka_set_log_queue(client->rk, client->log_queue);
	return client;
}

/* Takes an idle client with this key out of the pool, throwing stale ones away. */
static KafkaClient *
take_idle(const char *key)
{
	KafkaClient **link = &idle_clients;

	while (*link != NULL)
	{
		KafkaClient *client = *link;
		bool		stale = kfdw_client_is_stale(client);

		if (!stale && strcmp(client->key, key) != 0)
		{
			link = &client->next;
			continue;
		}
		*link = client->next;
		if (!stale)
			return client;
		kfdw_call_destroy_client(client);
	}
	return NULL;
}

/* A client with these properties, from the pool or new; the caller releases or discards it. */
KafkaClient *
kfdw_client_acquire(KafkaClientKind kind, const KafkaConfig *config)
{
	char	   *key = kfdw_client_key(kind, config);
	KafkaClient *client;

	if (!exit_callback_registered)
	{
		on_proc_exit(close_clients_at_exit, 0);
		exit_callback_registered = true;
	}
	client = take_idle(key);
	if (client == NULL)
		client = open_client(kind, config, key);

	/* what an idle client heard in the meantime is of no interest */
	kfdw_client_serve(client);
	client->error = RD_KAFKA_RESP_ERR_NO_ERROR;
	pfree(key);
	return client;
}

/* Gives a client that is idle and sound back to the pool. */
void
kfdw_client_release(KafkaClient *client)
{
	int			idle = 0;

	for (KafkaClient *other = idle_clients; other != NULL; other = other->next)
		idle++;
	if (idle >= MAX_IDLE_CLIENTS || kfdw_client_is_stale(client) || client->error != 0)
	{
		kfdw_client_discard(client);
		return;
	}
	client->next = idle_clients;
	idle_clients = client;
}

/* Destroys a client in whatever state it is; its queues and messages are gone already. */
void
kfdw_client_discard(KafkaClient *client)
{
	KafkaCall  *call = client->call;

	client->call = NULL;
	if (call != NULL && kfdw_call_abandon(call, client))
		return;
	kfdw_call_destroy_client(client);
}

/* True when a server, user mapping or foreign table changed since the client was made. */
bool
kfdw_client_is_stale(const KafkaClient *client)
{
	return client->generation != catalog_generation;
}

void
kfdw_client_invalidate_all(void)
{
	catalog_generation++;
}

uint64
kfdw_client_generation(void)
{
	return catalog_generation;
}

/* Serves the library's callbacks and passes its log on. */
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

/* Waits for the client's wake-up, the latch or the timeout, serving interrupts. */
void
kfdw_client_wait(KafkaClient *client, long timeout_ms)
{
	uint64		count;
	int			events;

	kfdw_client_serve(client);
	CHECK_FOR_INTERRUPTS();
	events = WaitLatchOrSocket(MyLatch,
							   WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							   client->wake_fd, timeout_ms, PG_WAIT_EXTENSION);
	if (events & WL_SOCKET_READABLE)
		if (read(client->wake_fd, &count, sizeof(count)) < 0)
			count = 0;			/* somebody else read it: as good as read */
	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	kfdw_client_serve(client);
}
