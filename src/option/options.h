/*
 * options.h
 *	  The options of servers and topic tables as the rest needs them.
 */
#ifndef KFDW_OPTIONS_H
#define KFDW_OPTIONS_H

#include "storage/lockdefs.h"
#include "utils/relcache.h"

#include "format/format.h"
#include "kafka/config.h"
#include "kafka/selection.h"

/* Where a partition without a position starts; also what replaces one out of range. */
typedef enum KafkaOffsetReset
{
	KAFKA_RESET_EARLIEST,
	KAFKA_RESET_LATEST,
	KAFKA_RESET_NONE			/* an error */
} KafkaOffsetReset;

/* Who chooses the partition of a record that is inserted without one. */
typedef enum KafkaPartitionerKind
{
	KAFKA_PARTITIONER_CLIENT,	/* the client library */
	KAFKA_PARTITIONER_ROUND_ROBIN,
	KAFKA_PARTITIONER_UNIFORM_STICKY,
	KAFKA_PARTITIONER_FUNCTION	/* a function of SQL */
} KafkaPartitionerKind;

/* What becomes of a record that cannot be decoded. */
typedef enum KafkaOnError
{
	KAFKA_ON_ERROR_STOP,
	KAFKA_ON_ERROR_SET_NULL,	/* a row without what is in the value */
	KAFKA_ON_ERROR_IGNORE,
	KAFKA_ON_ERROR_DEAD_LETTER	/* kafka.dead_letters has it */
} KafkaOnError;

/* What a server says, for work on no table; consumers also ask questions. */
typedef struct KafkaServerOptions
{
	Oid			serverid;
	const char *name;
	KafkaConfig consumer;
	KafkaConfig producer;
	const char *transactional_id_prefix;
	int			transaction_timeout_ms;
	const char *outbox_position_topic;
} KafkaServerOptions;

typedef struct KafkaTableOptions
{
	Oid			relid;
	Oid			serverid;
	const char *server;			/* its name */
	const char *topic;			/* as it is written: perhaps a list */
	const char *partitions;		/* as they are written; NULL: all */
	KafkaSelection selection;
	KafkaFormatOptions format;

	/* reading */
	const char *group_id;		/* NULL: a topic table, no consumer group */
	bool		group_is_given; /* it is not the table's own */
	bool		is_consuming;	/* the table has one of its own */
	KafkaOffsetReset auto_offset_reset;
	KafkaOffsetReset on_offset_out_of_range;	/* KAFKA_RESET_NONE: error */
	int			max_poll_records;	/* 0: no limit, as with those that follow */
	int			max_poll_bytes;
	int			max_partitions;
	int			max_poll_interval_ms;
	KafkaOnError on_error;
	int			reject_limit;
	bool		report_offsets; /* to Kafka, after the commit */

	/* writing */
	const char *delivery;		/* the name of the way in which records are delivered */
	int			max_request_size;	/* bytes of a record */
	const char *transactional_id_prefix;
	int			transaction_timeout_ms;
	KafkaPartitionerKind partitioner;
	const char *partitioner_name;	/* of a function, with its schema */
	int			batch_size;		/* bytes */

	/* clients */
	KafkaConfig consumer;
	KafkaConfig producer;

	Oid			userid;			/* whose they are */
	KafkaWatch	watch;
} KafkaTableOptions;

/*
 * The options for a user (whose user mapping is used), in the current memory context.
 * What a validator cannot see, as it takes several objects to know, is checked here.
 */
extern KafkaServerOptions *kfdw_options_server(Oid serverid, Oid userid);
extern KafkaTableOptions *kfdw_options_table(Oid relid, Oid userid);

/* The same of a table that is written to: what only writing needs is checked, too. */
extern KafkaTableOptions *kfdw_options_written_table(Oid relid, Oid userid);

/* Lets them consume for a given group; where its positions are reported, by a client that may commit for it. */
extern void kfdw_options_set_group(KafkaTableOptions *options, const char *group_id);

/*
 * False when reading them again would give others.  It may have to: then it needs a
 * transaction, and starts one where there is none.
 */
extern bool kfdw_options_are_current(KafkaTableOptions *options);

/* Called once in a backend: from now on clients of changed options are not used again. */
extern void kfdw_option_init(void);

/*
 * Keeps a server and its name, under which positions and relays are kept, as they are until
 * the end of the transaction.  They may have been changed since they were read.
 */
extern void kfdw_options_keep_server(Oid serverid);

/* True when the server is one of this wrapper. */
extern bool kfdw_options_is_our_server(Oid serverid);

/* True when the relation is a foreign table of this wrapper. */
extern bool kfdw_options_is_topic_table(Oid relid);

/* True when reading a topic table moves the position of a group. */
extern bool kfdw_options_is_consuming(Oid relid);

/*
 * The server of a topic table, and its group (NULL: it has none), of one that others may drop
 * meanwhile; false when they have.
 */
extern bool kfdw_options_look_at_group(Oid relid, char **server, char **group_id);

/* True when reading one gets over records that cannot be decoded. */
extern bool kfdw_options_catches_errors(Oid relid);

/* A number can be given as a regclass: refuses one that is no relation's. */
extern void kfdw_options_require_relation(Oid relid);

/* Any other relation is an error. */
extern void kfdw_options_require_topic_table(Oid relid);

/* Raises an error where a role may not select any column of a topic table. */
extern void kfdw_options_require_select(Oid relid, Oid role);

/* Locks a relation, or topic table, until the end of the transaction, and opens it. */
extern Relation kfdw_options_open_relation(Oid relid, LOCKMODE mode);
extern Relation kfdw_options_open_topic_table(Oid relid, LOCKMODE mode);

/* Whose a table is. */
extern Oid	kfdw_options_table_owner(Oid relid);

#endif							/* KFDW_OPTIONS_H */
