/*
 * start_offset.h
 *	  Where a consumer group reads on in a partition.
 */
#ifndef KFDW_START_OFFSET_H
#define KFDW_START_OFFSET_H

#include "catalog/offsets.h"
#include "kafka/consumer.h"
#include "option/options.h"

/*
 * The offset at which a group reads on, from its position (or its lack of one) and
 * what the topic has.  With first_use the group has no position in the topic at
 * all.  A position of another cluster or out of range is an error, unless
 * on_offset_out_of_range says otherwise.
 */
extern int64 kfdw_start_offset(const KafkaTableOptions *options, const KafkaTopicState *state,
							   const KafkaPosition *was, bool first_use);

#endif							/* KFDW_START_OFFSET_H */
