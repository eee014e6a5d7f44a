/*
 * table.h
 *	  The table of all options.  Whatever checks, lists or explains options walks it.
 */
#ifndef KFDW_OPTION_TABLE_H
#define KFDW_OPTION_TABLE_H

#include "kafka/client.h"

/* Positions in the table. */
typedef enum KafkaOptionId
{
	/* server: the connection */
	KAFKA_OPT_BOOTSTRAP_SERVERS,
	KAFKA_OPT_CLIENT_ID,
	KAFKA_OPT_CLIENT_RACK,
	KAFKA_OPT_REQUEST_TIMEOUT_MS,
	KAFKA_OPT_SECURITY_PROTOCOL,
	KAFKA_OPT_SASL_MECHANISM,
	KAFKA_OPT_SSL_CA_LOCATION,
	KAFKA_OPT_SSL_CA_PEM,
	KAFKA_OPT_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM,
	KAFKA_OPT_BROKER_ADDRESS_FAMILY,
	KAFKA_OPT_CONNECTIONS_MAX_IDLE_MS,
	KAFKA_OPT_METADATA_MAX_AGE_MS,
	KAFKA_OPT_TOPIC_METADATA_REFRESH_INTERVAL_MS,
	KAFKA_OPT_RECONNECT_BACKOFF_MS,
	KAFKA_OPT_RECONNECT_BACKOFF_MAX_MS,
	KAFKA_OPT_SOCKET_CONNECTION_SETUP_TIMEOUT_MS,
	KAFKA_OPT_SOCKET_TIMEOUT_MS,
	KAFKA_OPT_SOCKET_KEEPALIVE_ENABLE,
	KAFKA_OPT_SOCKET_NAGLE_DISABLE,
	KAFKA_OPT_SEND_BUFFER_BYTES,
	KAFKA_OPT_RECEIVE_BUFFER_BYTES,

	/* user mapping: credentials */
	KAFKA_OPT_SASL_USERNAME,
	KAFKA_OPT_SASL_PASSWORD,
	KAFKA_OPT_SSL_CERTIFICATE_PEM,
	KAFKA_OPT_SSL_KEY_PEM,
	KAFKA_OPT_SSL_KEY_PASSWORD,

	/* table: both directions */
	KAFKA_OPT_TOPIC,
	KAFKA_OPT_FORMAT,

	/* table: reading */
	KAFKA_OPT_GROUP_ID,
	KAFKA_OPT_AUTO_OFFSET_RESET,
	KAFKA_OPT_ON_OFFSET_OUT_OF_RANGE,
	KAFKA_OPT_ISOLATION_LEVEL,
	KAFKA_OPT_MAX_POLL_RECORDS,
	KAFKA_OPT_FETCH_MIN_BYTES,
	KAFKA_OPT_FETCH_MAX_BYTES,
	KAFKA_OPT_MAX_PARTITION_FETCH_BYTES,

	/* table: writing */
	KAFKA_OPT_DELIVERY,
	KAFKA_OPT_ACKS,
	KAFKA_OPT_ENABLE_IDEMPOTENCE,
	KAFKA_OPT_PARTITIONER,
	KAFKA_OPT_COMPRESSION_TYPE,
	KAFKA_OPT_LINGER_MS,
	KAFKA_OPT_BATCH_SIZE,
	KAFKA_OPT_BUFFER_MEMORY,
	KAFKA_OPT_MAX_REQUEST_SIZE,
	KAFKA_OPT_DELIVERY_TIMEOUT_MS,

	/* column */
	KAFKA_OPT_METADATA,
	KAFKA_OPT_FIELD,

	KAFKA_OPTION_COUNT
} KafkaOptionId;

typedef enum KafkaOptionType
{
	KAFKA_TYPE_STRING,
	KAFKA_TYPE_INT,
	KAFKA_TYPE_BOOL,
	KAFKA_TYPE_ENUM
} KafkaOptionType;

/* Where an option may be set, ored together. */
#define KAFKA_ON_SERVER			0x01
#define KAFKA_ON_USER_MAPPING	0x02
#define KAFKA_ON_TABLE			0x04
#define KAFKA_ON_COLUMN			0x08

/* Which of the two clients an option is for, ored together. */
#define KAFKA_READING			(1 << KAFKA_CLIENT_CONSUMER)
#define KAFKA_WRITING			(1 << KAFKA_CLIENT_PRODUCER)

#define KAFKA_OPTION_REQUIRED	0x01	/* wherever it may be set */
#define KAFKA_OPTION_SUPERUSER	0x02	/* only superusers may set it */
#define KAFKA_OPTION_SECRET		0x04	/* its value appears nowhere */
#define KAFKA_OPTION_SASL		0x08	/* only where security_protocol says SASL */
#define KAFKA_OPTION_SSL		0x10	/* only where security_protocol says SSL */

/* A value of an enumeration. */
typedef struct KafkaOptionValue
{
	const char *name;
	int			code;			/* what it is for us */
	const char *property;		/* what it is for the client; NULL: the name */
	bool		unsupported;	/* known, and refused in this version */
} KafkaOptionValue;

typedef struct KafkaOption
{
	const char *name;			/* Kafka's spelling, with _ for . */
	const char *alias;			/* the client library's or Java's other one */
	int			places;
	int			directions;		/* reading, writing */
	KafkaOptionType type;
	int			flags;

	int			min;			/* of an integer */
	int			max;
	int			unit;			/* of the property, in units of ours; 0: the same */
	const KafkaOptionValue *values; /* of an enumeration; ends with a NULL name */

	/* raises an error about a value that its type allows; may be NULL */
	void		(*check) (const struct KafkaOption *option, const char *value);

	const char *def;			/* our default; NULL: none, or the client's */
	const char *kafka_default;	/* the default of Kafka's own clients */
	const char *property;		/* the client property it becomes; NULL: our own */
	const char *help;
} KafkaOption;

/* A name that is no option here, and what takes its place. */
typedef struct KafkaForeignName
{
	const char *name;			/* a final * stands for any end */
	const char *hint;
} KafkaForeignName;

/* The value of one option. */
typedef struct KafkaOptionSetting
{
	const char *value;			/* as it is written; NULL: not known, or
								 * decided by other options */
	const char *text;			/* the client property's value; NULL: not known */
	int			number;			/* an integer, a boolean, the code of an enum */
	int			given;			/* where the user set it; 0: a default */
} KafkaOptionSetting;

/* Properties that no option changes. */
typedef struct KafkaFixedProperty
{
	int			directions;
	KafkaProperty property;
} KafkaFixedProperty;

extern const KafkaOption kfdw_option_table[KAFKA_OPTION_COUNT];
extern const KafkaForeignName kfdw_foreign_names[];
extern const KafkaFixedProperty kfdw_fixed_properties[];

/* In read.c. */
extern void kfdw_option_read_table(Oid relid, Oid userid, KafkaOptionSetting *settings);

/* In parse.c. */
extern int	kfdw_option_place(Oid catalog);
extern const char *kfdw_option_list_places(int some);
extern KafkaOptionId kfdw_option_find(const char *name, int place);
extern KafkaOptionSetting kfdw_option_parse(const KafkaOption *option, const char *value);
extern const char *kfdw_option_valid_values(const KafkaOption *option);
extern void kfdw_option_check_servers(const KafkaOption *option, const char *value);
extern void kfdw_option_check_topic(const KafkaOption *option, const char *value);
extern void kfdw_option_check_metadata(const KafkaOption *option, const char *value);

#endif							/* KFDW_OPTION_TABLE_H */
