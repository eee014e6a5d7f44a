/*
 * config.h
 *	  What a client of the library is opened with.
 */
#ifndef KFDW_CONFIG_H
#define KFDW_CONFIG_H

#include "kafka/property.h"
#include "kafka/watch.h"

/* What a client is for. */
typedef enum KafkaClientKind
{
	KAFKA_CLIENT_SCAN,			/* consumes until an end that is known */
	KAFKA_CLIENT_STREAM,		/* consumes for ever */
	KAFKA_CLIENT_PROMPT_STREAM, /* the same, and somebody waits to hear that nothing more is here */
	KAFKA_CLIENT_WAITER,		/* waits for the first record, and asks and changes what it reads meanwhile */
	KAFKA_CLIENT_PRODUCER
} KafkaClientKind;

/* What a consumer does when records were removed before it read them. */
typedef enum KafkaLostRecords
{
	KAFKA_LOST_ERROR,
	KAFKA_LOST_TO_FIRST,		/* goes on with the first record that is still there */
	KAFKA_LOST_TO_END			/* leaves what is there, too */
} KafkaLostRecords;

/* One client property. */
typedef struct KafkaProperty
{
	KafkaPropertyId id;
	const char *value;			/* in UTF-8 */
	bool		secret;			/* appears in no message */
} KafkaProperty;

/* Everything needed to open a client. */
typedef struct KafkaConfig
{
	KafkaClientKind kind;
	KafkaOrigins origins;		/* of the server and user; tables override, and are none of it */
	const char *bootstrap_servers;	/* as they were set; also among the properties */
	int			request_timeout_ms; /* how long a statement waits for a silent broker */
	int			delivery_timeout_ms;	/* how long a producer tries to deliver a record */
	int			max_block_ms;	/* how long it waits for room in its buffer */
	int			transaction_timeout_ms; /* how long a Kafka transaction may take; 0: there are none */
	KafkaLostRecords lost_records;
	int			nproperties;
	KafkaProperty *properties;	/* each once; what is the same for all of a kind is not among them */
} KafkaConfig;

/* All of it as one string: what a client may be used for again. */
extern char *kfdw_config_key(const KafkaConfig *config);

/* True when two clients would be opened alike. */
extern bool kfdw_config_equal(const KafkaConfig *left, const KafkaConfig *right);

/* A copy in the current memory context. */
extern KafkaConfig kfdw_config_copy(const KafkaConfig *config);

/* What a property is set to; NULL: it is not. */
extern const char *kfdw_config_get(const KafkaConfig *config, KafkaPropertyId id);

/* Sets one more property, or gives it another value. */
extern void kfdw_config_set(KafkaConfig *config, KafkaPropertyId id, const char *value);

/* True when a producer sends batches in another form than records have alone. */
extern bool kfdw_config_compresses(const KafkaConfig *config);

/* In a transaction: a text as Kafka knows it, whatever the encoding of the database: a name, a password. */
extern char *kfdw_config_utf8(const char *text);

/* What a producer is opened with that writes in Kafka transactions, by this id. */
extern KafkaConfig kfdw_config_transactional(const KafkaConfig *producer, const char *transactional_id, int timeout_ms);

#endif							/* KFDW_CONFIG_H */
