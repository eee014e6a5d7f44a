/*
 * client.h
 *	  Handles of the client library: made from properties, pooled in the backend,
 *	  destroyed off the main thread.
 */
#ifndef KFDW_CLIENT_H
#define KFDW_CLIENT_H

typedef enum KafkaClientKind
{
	KAFKA_CLIENT_CONSUMER,
	KAFKA_CLIENT_PRODUCER
} KafkaClientKind;

/* One client property: the library's name and value. */
typedef struct KafkaProperty
{
	const char *name;
	const char *value;
	bool		secret;			/* appears in no message */
	bool		optional;		/* skip it where the library does not know it */
} KafkaProperty;

/* Everything needed to open a client; option/read.c makes it. */
typedef struct KafkaConfig
{
	const char *bootstrap_servers;	/* for messages; also among the properties */
	int			request_timeout_ms; /* how long a statement waits for a silent broker */
	int			delivery_timeout_ms;	/* how long a producer tries to deliver a record */
	int			nproperties;
	KafkaProperty *properties;
} KafkaConfig;

typedef struct KafkaClient KafkaClient;

/* True when two clients would be opened alike. */
extern bool kfdw_config_equal(const KafkaConfig *left, const KafkaConfig *right);

/* Counts changes of servers, user mappings and tables: what was opened before one is not reused. */
extern void kfdw_client_invalidate_all(void);
extern uint64 kfdw_client_generation(void);

#endif							/* KFDW_CLIENT_H */
