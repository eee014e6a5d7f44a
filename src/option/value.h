/*
 * value.h
 *	  What an option is, and whether a value of it is right.
 */
#ifndef KFDW_OPTION_VALUE_H
#define KFDW_OPTION_VALUE_H

#include "kafka/property.h"

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

/* What an option is for, ored together. */
#define KAFKA_READING			0x01
#define KAFKA_WRITING			0x02

#define KAFKA_OPTION_REQUIRED	0x01	/* wherever it may be set */
#define KAFKA_OPTION_SUPERUSER	0x02	/* only superusers may set it */
#define KAFKA_OPTION_SECRET		0x04	/* its value appears nowhere */
#define KAFKA_OPTION_SASL		0x08	/* only where security_protocol says SASL */
#define KAFKA_OPTION_SSL		0x10	/* only where security_protocol says SSL */
#define KAFKA_OPTION_MAY_BE_EMPTY	0x20	/* the empty string is a value */
#define KAFKA_OPTION_OR_FUNCTION	0x40	/* of an enumeration: any other value is a function, as its last entry says */

/* A value of an enumeration. */
typedef struct KafkaOptionValue
{
	const char *name;
	int			code;			/* what it is for us */
	const char *property;		/* what it is for the client; NULL: the name */
	bool		unsupported;	/* known, and refused in this version */
	bool		hidden;			/* another name, not shown among the valid values */
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
	KafkaPropertyId property;	/* the client property it becomes */
	const char *help;
} KafkaOption;

/* The value of one option. */
typedef struct KafkaOptionSetting
{
	const char *value;			/* as it is written; NULL: not known, or
								 * decided by other options */
	const char *text;			/* the client property's value; NULL: not known */
	int			number;			/* an integer, a boolean, the code of an enum */
	int			given;			/* where the user set it; 0: a default */
} KafkaOptionSetting;

/* Checks a value by itself and brings it into the form that the client takes. */
extern KafkaOptionSetting kfdw_option_parse(const KafkaOption *option, const char *value);

/* The values that an option takes, to be read by people; NULL for any string. */
extern const char *kfdw_option_valid_values(const KafkaOption *option);

/* What Kafka has against the name of a topic; NULL: nothing. */
extern const char *kfdw_topic_name_problem(const char *name);

/* Checks that the table names: brokers, names that brokers keep or log, topics, kinds of columns, paths, what is PEM. */
extern void kfdw_option_check_servers(const KafkaOption *option, const char *value);
extern void kfdw_option_check_name(const KafkaOption *option, const char *value);
extern void kfdw_option_check_character(const KafkaOption *option, const char *value);
extern void kfdw_option_check_topic(const KafkaOption *option, const char *value);
extern void kfdw_option_check_partitions(const KafkaOption *option, const char *value);
extern void kfdw_option_check_metadata(const KafkaOption *option, const char *value);
extern void kfdw_option_check_path(const KafkaOption *option, const char *value);
extern void kfdw_option_check_certificates(const KafkaOption *option, const char *value);
extern void kfdw_option_check_private_key(const KafkaOption *option, const char *value);

#endif							/* KFDW_OPTION_VALUE_H */
