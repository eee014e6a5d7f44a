/*
 * group.h
 *	  What Kafka itself keeps of a consumer group: the positions that were committed there.
 */
#ifndef KFDW_GROUP_H
#define KFDW_GROUP_H

#include "kafka/config.h"

typedef struct KafkaGroupPosition
{
	const char *topic;
	int32		partition;
	int64		offset;			/* of the next record to read; -1: none */
} KafkaGroupPosition;

/*
 * Asks for the offsets of these partitions, which are of one topic or several.  Brokers that
 * do not tell are an error if they must; else false.
 */
extern bool kfdw_group_ask(const KafkaConfig *config, const char *group_id,
						   KafkaGroupPosition *positions, int count, bool must_tell);

#endif							/* KFDW_GROUP_H */
