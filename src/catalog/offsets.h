/*
 * offsets.h
 *	  The rows of kafka.offsets: the positions of consumer groups.
 *
 * next_offset is the offset of the next record to read.  It is read under a
 * snapshot taken after the claim of the partition and written by compare-and-set
 * in the transaction that read the records.
 */
#ifndef KFDW_OFFSETS_H
#define KFDW_OFFSETS_H

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
	int64		next_offset;
	int64		generation;		/* how often it was moved by something else than reading */
	char	   *cluster_id;		/* NULL: unknown */
	char	   *topic_id;		/* NULL: unknown */
} KafkaPosition;

/*
 * The positions of a group in a topic, an entry for each partition below
 * npartitions; with_rows tells how many rows there are in all.
 */
extern KafkaPosition *kfdw_offsets_read(const KafkaPositionKey *key, int npartitions, int *with_rows);

/*
 * Moves a position that was read as "was" to next_offset, inserting the row where
 * there is none.  A row that is not as it was read is a serialization failure.
 */
extern void kfdw_offsets_write(const KafkaPositionKey *key, const KafkaPosition *was, int64 next_offset,
							   const char *cluster_id, const char *topic_id);

/*
 * Claims a partition for this transaction (or, for a worker, this session) without
 * waiting: false when another one holds it.
 */
extern bool kfdw_offsets_claim(const KafkaPositionKey *key, int32 partition, bool session);

/* Releases the claims that a session holds beyond its transactions. */
extern void kfdw_offsets_release(const KafkaPositionKey *key, int32 partition);

#endif							/* KFDW_OFFSETS_H */
