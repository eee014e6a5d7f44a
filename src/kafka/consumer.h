/*
 * consumer.h
 *	  Reading partitions of topics between given offsets, into a buffer.
 */
#ifndef KFDW_CONSUMER_H
#define KFDW_CONSUMER_H

#include "kafka/buffer.h"
#include "kafka/config.h"
#include "kafka/outlook.h"

typedef struct KafkaConsumer KafkaConsumer;

/*
 * A consumer belongs to the memory context it was opened in, and the configuration
 * stays as long: resetting that context closes it and frees the records that it handed
 * out.  It has a client, with its threads, files and memory, only until everything was
 * fetched and handed out.
 */
extern KafkaConsumer *kfdw_consumer_open(const KafkaConfig *config, const KafkaSelection *selection);

/*
 * From now on it goes on with the first record that is still there where others were removed
 * before they were read, whatever the configuration says.
 */
extern void kfdw_consumer_skip_lost(KafkaConsumer *consumer);

/* For this folder only: its client; it gets one where it has none. */
extern struct KafkaClient *kfdw_consumer_client(KafkaConsumer *consumer);

/* See outlook.h: what is known of the partitions, asking for what some need to know, and for times. */
extern KafkaOutlook *kfdw_consumer_outlook(KafkaConsumer *consumer);
extern void kfdw_consumer_require(KafkaConsumer *consumer, KafkaOutlook *outlook,
								  const KafkaPartitionFilter *filter);
extern int64 *kfdw_consumer_first_since(KafkaConsumer *consumer, const KafkaOutlook *outlook, const int64 *times);

/* Starts to read slices, at most one of a partition, in place of what was read before. */
extern void kfdw_consumer_start(KafkaConsumer *consumer, const KafkaSlice *slices, int nslices);

/* Lets the slice of a partition end later; one that was fetched to its end cannot, as more may have been dropped. */
extern void kfdw_consumer_extend(KafkaConsumer *consumer, const KafkaPartition *partition, int64 end);
extern void kfdw_consumer_close(KafkaConsumer *consumer);

/* True when every slice was fetched to its end (its records may still be in the buffer). */
extern bool kfdw_consumer_finished(KafkaConsumer *consumer);

/* The offset up to which a started partition was fetched, gaps and markers included. */
extern int64 kfdw_consumer_position(KafkaConsumer *consumer, const KafkaPartition *partition);

/* The last stable offset or high watermark that the last fetch told, -1 when none did yet. */
extern int64 kfdw_consumer_cached_end(KafkaConsumer *consumer, const KafkaPartition *partition);

/*
 * From now on *lag tells, while the process is busy and until it fills a buffer again, how
 * many records the started partitions have beyond those that are done ("done": the sum of
 * the offsets up to which they are).  It is to stay valid as long as the consumer is started.
 * The topics of an outlook can be looked at meanwhile, and whether the leader of a partition
 * answers that is awaited: nobody waits for what is seen.
 */
extern void kfdw_consumer_observe(KafkaConsumer *consumer, const KafkaOutlook *outlook,
								  const KafkaPartitionFilter *awaited, volatile int64 *lag);
extern void kfdw_consumer_is_busy(KafkaConsumer *consumer, int64 done);
extern void kfdw_consumer_look(KafkaConsumer *consumer);
extern KafkaSight kfdw_consumer_sight(KafkaConsumer *consumer);

/*
 * Waits until records can be fetched into a buffer, the latch is set or the
 * timeout passes.  Serves interrupts; an error of the client is raised.
 */
extern void kfdw_consumer_wait(KafkaConsumer *consumer, long timeout_ms);

/*
 * Moves what was fetched into the buffer until it is full or nothing more is here.
 * Returns how many records were added.  It waits for a broker only where records were
 * removed before they were read: to tell which, or to go on behind them.
 */
extern int	kfdw_consumer_fill(KafkaConsumer *consumer, KafkaBuffer *buffer);

/*
 * Why the consumer hears nothing from its brokers since the last record, or that a partition had
 * no leader at the last look; NULL: no trouble.  The client goes on trying by itself.
 */
extern const char *kfdw_consumer_trouble(KafkaConsumer *consumer);

#endif							/* KFDW_CONSUMER_H */
