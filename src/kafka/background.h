/*
 * background.h
 *	  Sending records whose acknowledgements nobody waits for.
 *
 * Their producers live on with what they hold when statements and transactions end, and
 * share nothing with those of producer.h: that one of these fails takes no record along
 * that was sent in the background.
 */
#ifndef KFDW_BACKGROUND_H
#define KFDW_BACKGROUND_H

#include "kafka/config.h"
#include "kafka/record.h"

/* A table's topic at a producer; the handle lives until the end of the transaction at least. */
typedef struct KafkaSenderTopic KafkaOutlet;

/* A record that was not delivered. */
typedef struct KafkaFailure
{
	const char *topic;
	int32		partition;		/* negative: none was chosen yet */
	const char *key;			/* NULL: none */
	size_t		key_len;
	const char *error;
} KafkaFailure;

/* Begins to send a table's records, when nothing that was sent to the topic with other settings is under way. */
extern KafkaOutlet *kfdw_background_begin(const KafkaConfig *config, const char *topic, Oid relid);

/* The number of partitions, as the brokers say now, or said when they last answered. */
extern int	kfdw_background_partition_count(KafkaOutlet *outlet);

/* Hands a record over, waiting interruptibly for its turn (see turn.h), and while the queue is full. */
extern void kfdw_background_send(KafkaOutlet *outlet, const KafkaRecord *record);

/* Takes the reports that came, and tells of failures, not too often. */
extern void kfdw_background_look(void);

/*
 * Waits until every record was acknowledged or given up, which its delivery timeout
 * bounds.  Then the failures since the last time can be read, and are to be forgotten.
 */
extern void kfdw_background_flush(void);
extern int	kfdw_background_failure_count(void);
extern KafkaFailure kfdw_background_failure(int number);
extern int64 kfdw_background_failures_not_kept(void);
extern void kfdw_background_forget_failures(void);

/* Takes the reports that came, and closes what is of no use any more.  Never fails. */
extern void kfdw_background_end_transaction(void);

#endif							/* KFDW_BACKGROUND_H */
