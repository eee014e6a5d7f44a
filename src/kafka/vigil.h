/*
 * vigil.h
 *	  Watches partitions in which nothing is, until something comes.
 */
#ifndef KFDW_VIGIL_H
#define KFDW_VIGIL_H

#include "kafka/config.h"

typedef struct KafkaVigil KafkaVigil;

typedef enum KafkaCalm
{
	KAFKA_CALM_UNKNOWN,			/* no broker has answered yet */
	KAFKA_CALM,					/* there is nothing from the offset on */
	KAFKA_CALM_BROKEN			/* there is something, or may be */
} KafkaCalm;

/* A vigil belongs to the current memory context, and the configuration stays as long. */
extern KafkaVigil *kfdw_vigil_open(const KafkaConfig *config);

/*
 * Between these two is said, each time, what is to be watched from an offset on; a topic has so many partitions,
 * and an id, NULL where it is not known.
 */
extern void kfdw_vigil_begin(KafkaVigil *vigil);
extern KafkaCalm kfdw_vigil_watch(KafkaVigil *vigil, const char *topic, int topic_partitions, const char *topic_id,
								  int32 partition, int64 offset);
extern bool kfdw_vigil_end(KafkaVigil *vigil);	/* false: nothing is watched */

/* Why nothing is heard of the brokers; NULL while there is no trouble. */
extern const char *kfdw_vigil_trouble(const KafkaVigil *vigil);

/* Where something is watched: waits until something comes or is known, the latch is set or the timeout passes; serves interrupts. */
extern void kfdw_vigil_wait(KafkaVigil *vigil, long timeout_ms);

#endif							/* KFDW_VIGIL_H */
