/*
 * counts.h
 *	  Cumulative counts of topic tables, since the server started.
 *
 * A process counts in memory of its own, without any lock, and adds that to what all
 * processes see when a statement or its transaction is over.
 */
#ifndef KFDW_COUNTS_H
#define KFDW_COUNTS_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef enum KafkaCountsKind
{
	KAFKA_COUNTS_READING,		/* of a table */
	KAFKA_COUNTS_WRITING,		/* to it */
	KAFKA_COUNTS_CONSUMING		/* by it, for its group */
} KafkaCountsKind;

/* What is counted of reading. */
typedef enum KafkaReadingCount
{
	KAFKA_READING_SCANS,
	KAFKA_READING_RECORDS,
	KAFKA_READING_BYTES,
	KAFKA_READING_BAD_RECORDS,	/* that could not be decoded */
	KAFKA_READING_WAIT_US		/* microseconds that it waited for brokers */
} KafkaReadingCount;

/* What is counted of writing. */
typedef enum KafkaWritingCount
{
	KAFKA_WRITING_RECORDS,		/* that the client was given */
	KAFKA_WRITING_ACKNOWLEDGED,
	KAFKA_WRITING_ERRORS,		/* records that were not, and will not be */
	KAFKA_WRITING_BYTES,		/* keys and values */
	KAFKA_WRITING_BATCHES,		/* requests, each with a batch */
	KAFKA_WRITING_BYTES_SENT,	/* their size, compressed */
	KAFKA_WRITING_ORPHANS		/* committed by Kafka in transactions that PostgreSQL rolled back */
} KafkaWritingCount;

/* What is counted of consuming, in whole transactions. */
typedef enum KafkaConsumingCount
{
	KAFKA_CONSUMING_RECORDS,
	KAFKA_CONSUMING_BYTES,
	KAFKA_CONSUMING_COMMITS,
	KAFKA_CONSUMING_ROLLBACKS,
	KAFKA_CONSUMING_LAST_COMMIT = 15	/* KAFKA_LATEST */
} KafkaConsumingCount;

/* Whose counts they are. */
typedef struct KafkaCountsKey
{
	Oid			database;
	KafkaCountsKind kind;
	Oid			object;			/* a table or a server, as the kind says */
} KafkaCountsKey;

#define KAFKA_MAX_COUNTS 16

/* The last one is no count but a time: of those that processes add the latest one stays. */
#define KAFKA_LATEST (KAFKA_MAX_COUNTS - 1)

typedef struct KafkaCounts
{
	KafkaCountsKey key;			/* database InvalidOid: free */
	TimestampTz since;			/* the first count */
	TimestampTz updated_at;
	int64		count[KAFKA_MAX_COUNTS];
} KafkaCounts;

/*
 * The counts of this process, to add to: count[KAFKA_READING_...] += n.  They stay where
 * they are as long as the process lives.
 */
extern int64 *kfdw_counts_get(KafkaCountsKind kind, Oid object);

/* Adds them to what all see; never fails. */
extern void kfdw_counts_flush(void);

/* Copies of what all see: the counts of one kind in this database; an error without shared memory. */
extern List *kfdw_counts_list(KafkaCountsKind kind, const char *view);

extern void kfdw_counts_init(void);

#endif							/* KFDW_COUNTS_H */
