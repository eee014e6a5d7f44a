/*
 * client.h
 *	  Handles of the client library: made from a configuration, pooled in the backend,
 *	  destroyed off the main thread.  For this folder only.
 *
 * A KafkaClient and what helper threads touch is malloc'ed: a thread may outlive
 * the memory context, and even the query, that started it.
 */
#ifndef KFDW_CLIENT_H
#define KFDW_CLIENT_H

#include "kafka/client_conf.h"

typedef struct KafkaClient
{
	rd_kafka_t *rk;
	KafkaClientKind kind;
	int			holders;		/* its owner, and calls that use it on a thread */
	volatile int discarded;		/* the owner is gone: a call is to return soon */
	char	   *key;			/* its configuration: what it may be reused for */
	char	   *servers;		/* bootstrap_servers, for messages */
	int			request_timeout_ms;
	KafkaWatch	watch;			/* of the server and the user that it was made for */
	KafkaFetchAhead ahead;		/* of a consumer */
	bool		needs_kick;		/* the library lacks fetch.queue.backoff.ms */

	rd_kafka_queue_t *log_queue;
	int			wake_fd;		/* an eventfd that the library writes to */
	int			files;			/* that PostgreSQL was told of */

	rd_kafka_resp_err_t error;	/* the last error that the library told of, and why */
	char		reason[512];

	int			transaction_timeout_ms;
	bool		transactional;	/* a producer whose transactional id is its own by now */
	bool		in_transaction; /* an open one is aborted before the client is destroyed */

	/* a producer's delivery reports: from inside the process's own calls of the library */
	void		(*report) (void *owner, const rd_kafka_message_t *message);
	void	   *owner;			/* NULL: reports are of no interest */

	KafkaWritten written;		/* by a producer */

	struct KafkaClient *next;	/* in the pool of idle clients */
} KafkaClient;

/* A client from the pool, or a new one; whoever acquires it releases or discards it. */
extern KafkaClient *kfdw_client_acquire(const KafkaConfig *config);

/* Gives a client that is idle and sound back to the pool. */
extern void kfdw_client_release(KafkaClient *client);

/*
 * Destroys a client in whatever state it is, on a thread, never failing; its queues
 * and messages are gone already.  Calls that use it keep it until they return.
 */
extern void kfdw_client_discard(KafkaClient *client);

/* The same, and the idle ones with the same properties: they may know no better. */
extern void kfdw_client_discard_like(KafkaClient *client);

/* True while a producer with a transactional id is being destroyed: it may use that yet. */
extern bool kfdw_client_is_transactional_going(void);

/* The client is about to use so many brokers, those that it starts from included. */
extern void kfdw_client_account(KafkaClient *client, int nbrokers);

/*
 * For calls: the client stays until it is let go of, on a thread, as that may destroy it, or
 * in the process, which leaves that to a thread.
 */
extern void kfdw_client_hold(KafkaClient *client);
extern void kfdw_client_let_go(KafkaClient *client);
extern void kfdw_client_let_go_soon(KafkaClient *client);

/* True when the server or the user mapping changed since the client was made. */
extern bool kfdw_client_is_stale(const KafkaClient *client);

/* Serves the library's callbacks and passes its log on. */
extern void kfdw_client_serve(KafkaClient *client);

/* Waits for the client's wake-up, the latch or the timeout, serving interrupts. */
extern void kfdw_client_wait(KafkaClient *client, long timeout_ms);

#endif							/* KFDW_CLIENT_H */
