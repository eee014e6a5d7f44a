/*
 * positions.h
 *	  Where a consumer group stands in the topics it reads: claimed, read, placed, moved.
 *
 * For consuming tables and streams alike: partitions are claimed, their positions
 * read under a snapshot taken after that, judged by what the topic has, and written
 * by compare-and-set in the transaction that took the records.
 */
#ifndef KFDW_POSITIONS_H
#define KFDW_POSITIONS_H

#include "catalog/offsets.h"
#include "kafka/consumer.h"
#include "option/options.h"

typedef enum KafkaClaim
{
	KAFKA_CLAIM_UNTRIED,		/* nobody wanted the partition so far */
	KAFKA_CLAIM_MISSED,			/* another consumer of the group has it */
	KAFKA_CLAIM_TAKEN,			/* ours, but not started yet */
	KAFKA_CLAIM_HELD			/* ours, "from" and "next" are set */
} KafkaClaim;

typedef struct KafkaPartitionPosition
{
	KafkaClaim	claim;
	KafkaPosition stored;		/* the row as it was last read or written */
	bool		outlived;		/* that is the position in an earlier topic of the name */
	int64		from;			/* where reading begins, or began since the last commit */
	int64		next;			/* everything below was read */
} KafkaPartitionPosition;

/* What the first use of a group that begins at the ends does to a topic. */
typedef enum KafkaPlacing
{
	KAFKA_NOT_PLACING,
	KAFKA_PLACING,				/* nobody has placed it yet: all partitions are to begin at the ends */
	KAFKA_PLACED				/* they do: each gets a position, whether it moves or not */
} KafkaPlacing;

typedef struct KafkaTopicPositions
{
	KafkaPositionKey key;
	KafkaPlacing placing;
} KafkaTopicPositions;

typedef struct KafkaPositions
{
	const char *server;
	const char *group_id;
	const char *topic;			/* as the option has it: perhaps a list */
	KafkaOffsetReset auto_offset_reset;
	KafkaOffsetReset on_offset_out_of_range;
	KafkaOutlook *outlook;
	KafkaTopicPositions *topics;	/* outlook->ntopics of them */
	KafkaPartitionPosition *partitions; /* outlook->npartitions of them */
} KafkaPositions;

/* Of the options' group in what is read; nothing is claimed yet.  Belongs to the current memory context. */
extern KafkaPositions *kfdw_positions_create(const KafkaTableOptions *options, KafkaOutlook *outlook);

/* The key of a partition's topic, and what becomes of that. */
extern const KafkaPositionKey *kfdw_positions_key(const KafkaPositions *positions, int partition);
extern KafkaPlacing kfdw_positions_placing(const KafkaPositions *positions, int partition);

/* Reads the rows of the partitions that are not started yet; tells which topics are to be placed. */
extern void kfdw_positions_read(KafkaPositions *positions);

/*
 * Gives up those of them whose position another transaction moved after a statement's
 * snapshot was taken: beside the records that come next the statement would not see
 * what was made of those before.
 */
extern void kfdw_positions_give_up_moved(KafkaPositions *positions, Snapshot snapshot);

/* What becomes of partitions whose leader does not answer. */
typedef enum KafkaPatience
{
	KAFKA_NEED_ALL,				/* they are waited for, and missing one is an error */
	KAFKA_TAKE_WHAT_ANSWERS		/* they stay KAFKA_CLAIM_TAKEN */
} KafkaPatience;

/*
 * Another consumer may have moved a position past the ends, which were taken before the
 * claim.  Then newer ends are asked for, which hold for what is claimed now.
 */
extern void kfdw_positions_renew_ends(KafkaPositions *positions, KafkaConsumer *consumer);

/*
 * Decides where reading begins in these partitions, after renewing the ends.  A position
 * of another cluster or out of range is an error, unless on_offset_out_of_range says
 * otherwise.
 */
extern void kfdw_positions_start(KafkaPositions *positions, KafkaConsumer *consumer, KafkaPatience patience);

/*
 * The offset at which reading begins, from a position (or the lack of one) and what the
 * topic has: the errors are the same.  The first is false instead.
 */
extern bool kfdw_positions_find_start(const KafkaPositions *positions, const KafkaPartition *partition,
									  const KafkaPosition *stored, int64 *start);
extern int64 kfdw_positions_start_offset(const KafkaPositions *positions, const KafkaPartition *partition,
										 const KafkaPosition *stored);

/* True where retention has passed a position in this topic. */
extern bool kfdw_positions_is_passed(const KafkaPositions *positions, const KafkaPartition *partition,
									 const KafkaPosition *stored);

/* True when a position that was read is not that offset of the topic that there is now. */
extern bool kfdw_positions_differ(const KafkaPositions *positions, int partition, int64 offset);

/* Where a partition stands as far as commits go. */
extern int64 kfdw_positions_committed(const KafkaPartitionPosition *partition);

/* True when there is something to write. */
extern bool kfdw_positions_have_moved(const KafkaPositions *positions);

/* Writes what moved, in the current transaction; false when nothing did. */
extern bool kfdw_positions_write(KafkaPositions *positions);

/* Moves a partition whose position was read, without reading: its generation counts that. */
extern void kfdw_positions_move(KafkaPositions *positions, int partition, int64 next_offset);

/*
 * Forgets the positions in partitions that a topic does not have: they are of an earlier topic of the name.  To
 * be done where others of the topic are set back, or the partitions would be read from there when they are added.
 */
extern void kfdw_positions_forget_missing(KafkaPositions *positions, int topic);

/* After the commit: what was written is where the next batch begins. */
extern void kfdw_positions_confirm(KafkaPositions *positions);

#endif							/* KFDW_POSITIONS_H */
