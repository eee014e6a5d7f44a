/*
 * standing.h
 *	  How a consumer group stands in a topic, for who only looks.
 */
#ifndef KFDW_STANDING_H
#define KFDW_STANDING_H

#include "option/options.h"

#define KAFKA_UNKNOWN INT64_C(-1)

/* A partition; what is not known is KAFKA_UNKNOWN. */
typedef struct KafkaStanding
{
	const char *topic;
	int32		partition;
	int64		next_offset;	/* unknown: it has no position */
	int64		low;			/* what the topic has */
	int64		high;
	int64		stable;
	int64		start;			/* where the group would read on; unknown: it would be an error, or no leader answers */
	int64		lag;			/* offsets that may be read from there */
	bool		waits;			/* there is a record among those */
	int64		waiting_since;	/* the time of the first one, in milliseconds since 1970 */
	int64		reported;		/* what Kafka has of the group */
	int			share;			/* see kfdw_outlook_share() */
	int			holder;			/* see kfdw_claim_holder() */
} KafkaStanding;

/* All partitions, in the current memory context; *count tells how many. */
extern KafkaStanding *kfdw_standing_take(const KafkaTableOptions *options, int *count);

#endif							/* KFDW_STANDING_H */
