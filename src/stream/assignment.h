/*
 * assignment.h
 *	  What a worker is assigned of its stream: the partitions it reads, from where, and the
 *	  batch in hand.
 */
#ifndef KFDW_ASSIGNMENT_H
#define KFDW_ASSIGNMENT_H

#include "catalog/parked.h"
#include "catalog/streams.h"
#include "datatype/timestamp.h"
#include "kafka/consumer.h"
#include "kafka/report.h"
#include "option/options.h"
#include "source/positions.h"
#include "stream/pace.h"
#include "worker/shared.h"

/* Everything lives in one memory context; deleting it closes the consumer. */
typedef struct KafkaAssignment
{
	MemoryContext context;
	KafkaStream *stream;
	int			worker;			/* of the stream's, from 0 */
	KafkaTableOptions *options;

	KafkaConsumer *consumer;
	bool		is_watchable;	/* its client is as any of the server's */
	bool		is_prompt;		/* it soon says where nothing more is to be read, as somebody has asked for that */
	KafkaPositions *positions;	/* with the topics as they were when the assignment was opened */
	int			npartitions;	/* that this worker reads */
	TimestampTz topic_checked;
	bool		checks_topic;	/* a look at it is under way */

	/* where the partitions end, asked for by another client: behind a fetch that waits a broker does not answer */
	KafkaConsumer *asker;		/* NULL: nobody wanted to know */
	int64	   *ends;			/* as they were the last time */

	KafkaBuffer *buffer;
	bool		gathered;		/* the buffer has all records of the batch */
	KafkaPace	pace;
	KafkaReporter *reporter;	/* NULL: positions are not reported */
	MemoryContextCallback callback;
} KafkaAssignment;

/*
 * Opens a worker's assignment of a stream in the current memory context, outside any
 * transaction; NULL when no such stream is enabled.
 */
extern KafkaAssignment *kfdw_assignment_open(const char *name, int worker);

/* Gives up the client of an assignment that is in order; only its options are of use then. */
extern void kfdw_assignment_close(KafkaAssignment *assignment);

/*
 * Fetches what is here without waiting; true when that is a batch, which stays the one in
 * hand until it is done.
 */
extern bool kfdw_assignment_gather(KafkaAssignment *assignment);

/* The batch in hand is committed. */
extern void kfdw_assignment_finish_batch(KafkaAssignment *assignment);

/* The parked records that this worker looks at, in the current memory context. */
extern KafkaParkedShare kfdw_assignment_share_parked(const KafkaAssignment *assignment);

/* Asks where all partitions end; false when they are others than when it was opened, or one does not answer. */
extern bool kfdw_assignment_ask_ends(KafkaAssignment *assignment);

/* True when everything that stood before those ends is done. */
extern bool kfdw_assignment_has_caught_up(const KafkaAssignment *assignment);

/*
 * Has the topics looked at now and then.  True when there is another number of partitions than
 * when the assignment was opened, or the leader of one answers that did not then, or nobody does.
 */
extern bool kfdw_assignment_is_to_be_renewed(KafkaAssignment *assignment);

/* Raises an error where the source of a stream was dropped, or is no topic table any more. */
extern void kfdw_assignment_require_source(const KafkaStream *stream);

/* The same where it is a consuming table, or one that the user of its options may not read. */
extern void kfdw_assignment_check_options(const KafkaTableOptions *options);

/* Why some or all partitions are not read now; NULL: all are.  In the current memory context. */
extern const char *kfdw_assignment_trouble(const KafkaAssignment *assignment);

/* True when the options of the source have changed since it was opened. */
extern bool kfdw_assignment_is_outdated(const KafkaAssignment *assignment);

/* Reports the positions that are committed to Kafka, where that is wanted.  Never fails. */
extern void kfdw_assignment_report(const KafkaAssignment *assignment);

/* What is read by a worker that is to sleep; false when nobody can watch that for it. */
extern bool kfdw_assignment_describe_sleep(const KafkaAssignment *assignment, KafkaSleep *sleep);

extern int64 kfdw_assignment_lag(const KafkaAssignment *assignment);

/* The sum of the offsets up to which records are done. */
extern int64 kfdw_assignment_done(const KafkaAssignment *assignment);
extern int64 kfdw_assignment_newest_timestamp(const KafkaAssignment *assignment);

/* Which records are in hand, in the current memory context. */
extern char *kfdw_assignment_describe_batch(const KafkaAssignment *assignment);

#endif							/* KFDW_ASSIGNMENT_H */
