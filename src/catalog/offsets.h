/*
 * offsets.h
 *	  The rows of kafka.offsets: the positions of consumer groups.
 *
 * next_offset is the offset of the next record to read.  It is read under the
 * newest snapshot and written by compare-and-set.
 */
#ifndef KFDW_OFFSETS_H
#define KFDW_OFFSETS_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "utils/snapshot.h"

typedef struct KafkaPositionKey
{
	const char *server;
	const char *group_id;
	const char *topic;
} KafkaPositionKey;

typedef struct KafkaPosition
{
	int32		partition;
	bool		exists;			/* there is a row */
	ItemPointerData tid;		/* where it was when it was read or written last */
	int64		next_offset;
	int64		generation;		/* how often it was moved by something else than reading */
	char	   *cluster_id;		/* NULL: unknown */
	char	   *topic_id;		/* NULL: unknown */
	TimestampTz updated_at;		/* when it was read last */
	TransactionId writer;		/* that made the row as it is */
} KafkaPosition;

/* The positions of a group in a topic, an entry for each partition below npartitions. */
extern KafkaPosition *kfdw_offsets_read(const KafkaPositionKey *key, int npartitions);

/* What they were when a snapshot was taken. */
extern KafkaPosition *kfdw_offsets_read_as_of(const KafkaPositionKey *key, int npartitions, Snapshot snapshot);

/*
 * Writes what a position becomes, inserting the row where there is none; ids that are not
 * known stay.  Of what is known of the position only the place of the row is brought up to
 * date.  A row that is not as it was read is a serialization failure.
 */
extern void kfdw_offsets_write(const KafkaPositionKey *key, KafkaPosition *position,
							   const KafkaPosition *becomes);

/* A position, with the topic that it is in. */
typedef struct KafkaWrittenPosition
{
	const char *topic;
	int32		partition;
	int64		next_offset;
} KafkaWrittenPosition;

/* Those of a group that the current transaction has written, in the current memory context. */
extern List *kfdw_offsets_list_written(const char *server, const char *group_id);

/* True when a group has positions, whatever the server and topic. */
extern bool kfdw_offsets_has_group(const char *group_id);

extern void kfdw_offsets_delete_group(const char *group_id);

/* From that partition on, but for those that are known to be of the topic of this id (NULL: it is not known). */
extern void kfdw_offsets_delete_partitions(const KafkaPositionKey *key, int first, const char *topic_id);
extern void kfdw_offsets_rename_server(const char *old_name, const char *new_name);

#endif							/* KFDW_OFFSETS_H */
