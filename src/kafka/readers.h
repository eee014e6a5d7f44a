/*
 * readers.h
 *	  The partitions that a consumer reads, and how far each is; for this folder only.
 */
#ifndef KFDW_READERS_H
#define KFDW_READERS_H

#include "compat.h"
#include "kafka/client.h"
#include "kafka/outlook.h"

/* Of one partition, from its slice. */
typedef struct KafkaSliceReader
{
	int			index;			/* of its partition in the outlook */
	int			topic_index;	/* in the selection */
	const char *topic;
	int32		partition;
	int64		end;
	int64		position;		/* everything below was fetched */
	int64		event;			/* the offset of the last one in place of a record; -1: there was none */
	int			doubts;			/* how often a broker said that it does not have the position, since it had */
	bool		in_doubt;		/* a broker said so; it is not fetched until the topic is asked */
	bool		done;			/* position reached end */
	bool		started;		/* the library is fetching it */
} KafkaSliceReader;

/* A topic of the selection. */
typedef struct KafkaReaderTopic
{
	const char *name;
	rd_kafka_topic_t *handle;	/* NULL: there is no client */
	int		   *reader_of;		/* by the partition's number: index in readers, -1 */
	int			nnumbers;		/* length of reader_of */
} KafkaReaderTopic;

typedef struct KafkaReaders
{
	int			ntopics;
	KafkaReaderTopic *topics;
	KafkaSliceReader *readers;
	int			count;
	int			active;			/* that are not done */
	int			last_topic;		/* that was looked up */
	MemoryContext context;
} KafkaReaders;

/* Reads nothing yet.  In the current memory context, as everything else later. */
extern void kfdw_readers_init(KafkaReaders *readers, const KafkaSelection *selection);

/* Gets, and gives back, what the library has for topics. */
extern void kfdw_readers_connect(KafkaReaders *readers, KafkaClient *client);
extern void kfdw_readers_disconnect(KafkaReaders *readers);

/* One for each slice; those that are empty are done before they start. */
extern void kfdw_readers_set(KafkaReaders *readers, const KafkaSlice *slices, int nslices);

/* Starts, and stops, the library's fetching; the latter is local to it, and waits for no broker. */
extern void kfdw_readers_start(KafkaReaders *readers, KafkaSliceReader *reader, KafkaClient *client,
							   rd_kafka_queue_t *queue);
extern void kfdw_readers_stop(KafkaReaders *readers, KafkaSliceReader *reader);

/* Everything below position was fetched. */
extern void kfdw_readers_advance(KafkaReaders *readers, KafkaSliceReader *reader, int64 position);

/* The reader of a partition, which the library gives as topic and number; NULL when it is none of ours. */
extern KafkaSliceReader *kfdw_readers_get(const KafkaReaders *readers, const KafkaPartition *partition);
extern KafkaSliceReader *kfdw_readers_find(KafkaReaders *readers, const rd_kafka_topic_t *topic, int32 partition);

/* The partitions that are not done, as the library takes them; "opaque" points to their readers. */
extern rd_kafka_topic_partition_list_t *kfdw_readers_list_active(const KafkaReaders *readers);

/* The name of a topic that is still read, to tell what is waited for. */
extern const char *kfdw_readers_awaited_topic(const KafkaReaders *readers);

/* The topic that the reason of a client's error is about; one that is awaited where it does not say. */
extern const char *kfdw_readers_blamed_topic(const KafkaReaders *readers, const char *reason);

/*
 * A broker said that it does not have a reader's position, and this is what there is now, NULL: nothing.
 * The reader stays there, for the broker to be asked again, or goes on behind what was lost; or it is an error.
 */
extern void kfdw_readers_settle(KafkaReaders *readers, KafkaSliceReader *reader, const KafkaPartition *now,
								KafkaLostRecords lost);

#endif							/* KFDW_READERS_H */
