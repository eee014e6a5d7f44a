/*
 * internal.h
 *	  What the files of this folder share; nobody else includes it.
 *
 * A KafkaClient and what its helper threads touch is malloc'ed: a thread may
 * outlive the memory context, and even the query, that started it.
 */
#ifndef KFDW_KAFKA_INTERNAL_H
#define KFDW_KAFKA_INTERNAL_H

#include "compat.h"
#include "kafka/client.h"
#include "kafka/librdkafka.h"

/* Sockets, pipes and event descriptors of a client with one broker, about. */
#define KFDW_CLIENT_FILES 6

typedef struct KafkaCall KafkaCall;

struct KafkaClient
{
	rd_kafka_t *rk;
	KafkaClientKind kind;
	char	   *key;			/* its properties as one string: what it may be reused for */
	char	   *servers;		/* bootstrap_servers, for messages */
	int			request_timeout_ms;
	uint64		generation;		/* of the catalogs when it was made */
	bool		needs_kick;		/* the library lacks fetch.queue.backoff.ms */

	rd_kafka_queue_t *log_queue;
	int			wake_fd;		/* an eventfd that the library and calls write to */
	KafkaCall  *call;			/* running on a thread of ours, or NULL */

	rd_kafka_resp_err_t error;	/* the last error that the library told of, and why */
	char		reason[512];

	void	   *owner;			/* the producer, for its delivery reports */
	struct KafkaClient *next;	/* in the pool of idle clients */
};

/* client.c */
extern KafkaClient *kfdw_client_acquire(KafkaClientKind kind, const KafkaConfig *config);
extern void kfdw_client_release(KafkaClient *client);
extern void kfdw_client_discard(KafkaClient *client);
extern bool kfdw_client_is_stale(const KafkaClient *client);
extern char *kfdw_client_key(KafkaClientKind kind, const KafkaConfig *config);
extern void kfdw_client_serve(KafkaClient *client);
extern void kfdw_client_wait(KafkaClient *client, long timeout_ms);

/*
 * call.c: a blocking function of the library runs on a thread, while this process
 * waits for it interruptibly.  The function may look at *abandoned between steps.
 * After an error in the wait, discarding the client leaves everything to the thread.
 */
typedef struct KafkaCallBody
{
	void		(*run) (struct KafkaCallBody *body);
	void		(*release) (struct KafkaCallBody *body);	/* frees body */
	rd_kafka_t *rk;
	volatile int abandoned;
} KafkaCallBody;

extern void kfdw_call_run(KafkaClient *client, KafkaCallBody *body);
extern bool kfdw_call_abandon(KafkaCall *call, KafkaClient *client);
extern void kfdw_call_destroy_client(KafkaClient *client);
extern void kfdw_call_await_destroyed(int timeout_ms);

/* topic.c: what the broker says of a topic; to be freed with free() parts by release */
typedef struct KafkaTopicCall
{
	KafkaCallBody body;
	char	   *topic;
	int			timeout_ms;
	bool		offsets;		/* also ask for the first and the end offsets */

	rd_kafka_resp_err_t error;
	int32		error_partition;	/* -1: the topic's */
	char		reason[256];
	int			npartitions;
	int64	   *low;
	int64	   *end;
	char	   *cluster_id;
} KafkaTopicCall;

extern KafkaTopicCall *kfdw_topic_query(KafkaClient *client, const char *topic, bool offsets);
extern void kfdw_topic_query_done(KafkaTopicCall *call);

/* producer.c: the delivery report callback */
extern void kfdw_producer_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque);

/* error.c */
extern int	kfdw_error_sqlstate(rd_kafka_resp_err_t error);
extern bool kfdw_error_is_lasting(rd_kafka_resp_err_t error);
pg_noreturn extern void kfdw_error_unreachable(KafkaClient *client, const char *topic);
pg_noreturn extern void kfdw_error_topic(KafkaClient *client, const char *topic, int32 partition,
										 rd_kafka_resp_err_t error, const char *reason);

#endif							/* KFDW_KAFKA_INTERNAL_H */
