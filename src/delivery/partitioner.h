/*
 * partitioner.h
 *	  Chooses partitions where the client library does not: round robin, sticky, or by
 *	  a function.
 */
#ifndef KFDW_PARTITIONER_H
#define KFDW_PARTITIONER_H

#include "kafka/record.h"
#include "option/options.h"

typedef struct KafkaPartitioner KafkaPartitioner;

/*
 * The partitioner of a table, in the current memory context and for a statement; NULL:
 * the client library's own.  A function that cannot be used is an error.
 */
extern KafkaPartitioner *kfdw_partitioner_begin(const KafkaTableOptions *options);

/* A partition for the record; KAFKA_PARTITION_ANY where their number is not known (0). */
extern int32 kfdw_partitioner_choose(KafkaPartitioner *partitioner, const KafkaRecord *record, int npartitions);

/* The partitioner of a table as it is set, and what is the same for all that put records of a key into one partition. */
typedef struct KafkaKeyPartitioner
{
	const char *name;
	char	   *placement;		/* NULL: it ignores the key */
} KafkaKeyPartitioner;

extern KafkaKeyPartitioner kfdw_partitioner_of_keys(Oid relid);

#endif							/* KFDW_PARTITIONER_H */
