/*
 * task.h
 *	  A worker's share of its stream: the partitions it reads, from where, and the
 *	  batch in hand.
 */
#ifndef KFDW_TASK_H
#define KFDW_TASK_H

#include "catalog/streams.h"
#include "datatype/timestamp.h"
#include "kafka/consumer.h"
#include "option/options.h"
#include "source/positions.h"

/* Everything lives in one memory context; deleting it closes the consumer and releases the claims. */
typedef struct KafkaTask
{
	MemoryContext context;
	MemoryContextCallback callback;
	KafkaStream *stream;
	int			worker;			/* reads the partitions p with p % workers = worker */
	KafkaTableOptions *options;

	KafkaConsumer *consumer;
	KafkaPositions *positions;	/* with the topic as it was when the task was opened */
	bool		claimed;		/* the topic */
	int			npartitions;	/* that this worker reads */
	TimestampTz topic_checked;
	KafkaBuffer *buffer;
} KafkaTask;

/*
 * Opens a worker's share of a stream in the current memory context, outside any
 * transaction; NULL when no such stream is enabled.
 */
extern KafkaTask *kfdw_task_open(const char *name, int worker);

/* Gives the client of a task that is in order back; its memory context is deleted next. */
extern void kfdw_task_close(KafkaTask *task);

/* Fetches what is here without waiting; returns the number of records in the batch. */
extern int	kfdw_task_gather(KafkaTask *task);

/*
 * True when the topic has another number of partitions than when the task was opened, or
 * the leader of one answers that did not then.
 */
extern bool kfdw_task_has_more_to_read(KafkaTask *task);

/* Why some or all partitions are not read now; NULL: all are.  In the current memory context. */
extern const char *kfdw_task_trouble(const KafkaTask *task);

/* True when the options of the source have changed since it was opened. */
extern bool kfdw_task_is_outdated(const KafkaTask *task);

extern int64 kfdw_task_lag(const KafkaTask *task);
extern int64 kfdw_task_newest_timestamp(const KafkaTask *task);
extern void kfdw_task_describe_batch(const KafkaTask *task);

#endif							/* KFDW_TASK_H */
