/*
 * topic_range.h
 *	  The range of a topic that all scans of a statement see.
 */
#ifndef KFDW_TOPIC_RANGE_H
#define KFDW_TOPIC_RANGE_H

#include "nodes/execnodes.h"

#include "kafka/consumer.h"
#include "option/options.h"

/*
 * The same for every scan of the topic under this executor state; asked for at the first
 * one.  Partitions whose leader does not answer are to be required by those who read them.
 */
extern KafkaTopicState *kfdw_ends_get(EState *estate, const KafkaTableOptions *options, KafkaConsumer *consumer);

#endif							/* KFDW_TOPIC_RANGE_H */
