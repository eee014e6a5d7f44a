/*
 * selection.h
 *	  What is read together: some topics, and which of their partitions.
 */
#ifndef KFDW_SELECTION_H
#define KFDW_SELECTION_H

#define KAFKA_ALL_LATER PG_INT32_MAX	/* as the last of a range: all that come behind the first */

typedef struct KafkaPartitionRange
{
	int32		first;
	int32		last;
} KafkaPartitionRange;

typedef struct KafkaSelection
{
	int			ntopics;
	char	  **topics;			/* their names */
	int			nranges;		/* 0: all partitions */
	KafkaPartitionRange *ranges;	/* ascending, none touches another one's numbers */
} KafkaSelection;

/*
 * Sets the topics from a list of names, separated by commas; NULL, or what is wrong with
 * it.  Whether Kafka takes the names is not looked at.
 */
extern const char *kfdw_selection_set_topics(KafkaSelection *selection, const char *list);

/* Sets the partitions from a list as "0-3,7,9-"; NULL, or what is wrong with it. */
extern const char *kfdw_selection_set_partitions(KafkaSelection *selection, const char *list);

/* True when a partition of that number is read. */
extern bool kfdw_selection_has(const KafkaSelection *selection, int32 number);


/* True when both read the same topic, whichever partitions. */
extern bool kfdw_selection_share_topic(const KafkaSelection *left, const KafkaSelection *right);

extern bool kfdw_selection_has_topic(const KafkaSelection *selection, const char *topic);
extern bool kfdw_selection_equal(const KafkaSelection *left, const KafkaSelection *right);

/* A copy in the current memory context. */
extern KafkaSelection kfdw_selection_copy(const KafkaSelection *selection);

#endif							/* KFDW_SELECTION_H */
