/*
 * consumption.h
 *	  The scans that consume: who reads which partitions of a consumer group in
 *	  this transaction, and how far.
 *
 * The scans of one table in one statement share a KafkaConsumption: they see the
 * same records.  A partition is claimed for the transaction; its position moves
 * when the last scan ends.  A subtransaction that rolls back takes back what was
 * read in it.
 */
#ifndef KFDW_CONSUMPTION_H
#define KFDW_CONSUMPTION_H

#include "lib/ilist.h"
#include "nodes/execnodes.h"

#include "catalog/dead_letters.h"
#include "kafka/consumer.h"
#include "option/options.h"
#include "source/permit.h"
#include "source/positions.h"

/* How far each partition was read when a subtransaction first read records. */
typedef struct KafkaProgressMark
{
	int			level;
	int64	   *next;
	int64		letters;		/* where the dead letters stood */
	struct KafkaProgressMark *outer;
} KafkaProgressMark;

/* Lives in a memory context of the transaction, as positions may be written after its statement. */
typedef struct KafkaConsumption
{
	dlist_node	node;
	MemoryContext context;
	const EState *statement;	/* the executor state stands for it */
	Oid			relid;
	KafkaPositions *positions;
	int64	   *ends;			/* by partition: where reading ends in what is claimed, else -1 */
	int64	   *read;			/* by partition: how far scans came that are no recheck, -1: not at all */
	int		   *order;			/* what is claimed, as it was */
	int			nheld;			/* so many of them */
	int			max_partitions; /* that may be claimed; 0: no limit */

	KafkaStoredRecords *dead_letters; /* what cannot be decoded; NULL: nothing yet */
	int64	   *set_aside;		/* by partition: below, that was done */

	KafkaPermit permit;

	dlist_head	scans;			/* that are open */
	int			level;			/* the nest level it was begun in */
	int			written_level;	/* the one its positions were written in, 0: not yet */
	bool		rolled_back;	/* a subtransaction took records back: no more reading */
	bool		undone;			/* it was begun in what was rolled back */
	bool		uneven;			/* scans of one statement did not read the same */
	KafkaProgressMark *marks;	/* the innermost first */
} KafkaConsumption;

typedef struct KafkaConsumingScan
{
	dlist_node	node;
	KafkaConsumption *consumption;	/* NULL after its end */
	bool		is_recheck;		/* of a row that was changed meanwhile */
	bool	   *wanted;			/* by partition: it may read it */
	KafkaSlice *slices;			/* what it reads */
	int			nslices;
	int64	   *next;			/* how far it read, by partition; -1: not at all */
	MemoryContextCallback callback;
} KafkaConsumingScan;

/* Begins a scan of a consuming table in a query.  The scan belongs to the current memory context. */
extern KafkaConsumingScan *kfdw_consumption_begin(const EState *query, const KafkaTableOptions *options,
												  KafkaConsumer *consumer);

/* Raises an error where another query of the transaction reads a partition that is to be claimed. */
extern void kfdw_consumption_check_unread(const KafkaPositionKey *key, int32 number);

/* Partitions may have been taken: decides where their reading ends.  True when there were some. */
extern bool kfdw_consumption_add_held(KafkaConsumption *consumption);

/* A record was handed to the executor; true when it is the first time in the statement. */
extern bool kfdw_consumption_delivered(KafkaConsumingScan *scan, int partition, int64 offset);

/* The record that was delivered last cannot be decoded: it becomes a dead letter when the positions are written. */
extern void kfdw_consumption_set_aside(KafkaConsumingScan *scan, const KafkaRecord *record, const ErrorData *error);

/* The scan handed out everything up to the ends of its slices. */
extern void kfdw_consumption_finished(KafkaConsumingScan *scan);

/* Ends a scan; the last one of a statement writes the positions. */
extern void kfdw_consumption_end(KafkaConsumingScan *scan);

/* Writes the positions of scans that are gone and that are not written yet. */
extern void kfdw_consumption_write_pending(void);

/*
 * Before positions get another name of their server: writes those that are not written yet, and raises
 * an error where an open scan would write more under the old one.
 */
extern void kfdw_consumption_release_name(const char *server);

/* Takes part in transactions from now on. */
extern void kfdw_consumption_init(void);

#endif							/* KFDW_CONSUMPTION_H */
