/*
 * limit.h
 *	  What the brokers take for a topic: how large a batch, and whether records without a key.
 *
 * They refuse a batch as a whole, with all of its records.  A batch that is no larger than a
 * record may be is refused for a single record only.
 */
#ifndef KFDW_LIMIT_H
#define KFDW_LIMIT_H

#include "kafka/config.h"

/* The configuration with batches that are no larger than that; brokers are asked once in a session. */
extern KafkaConfig kfdw_limit_batches(const KafkaConfig *config, const char *topic);

/* The same with batches that are much smaller: where it is not known how large they may be. */
extern KafkaConfig kfdw_limit_more(const KafkaConfig *config);

/* True when it is known that the topic takes records with a key only, as its log is compacted. */
extern bool kfdw_limit_needs_key(const KafkaConfig *config, const char *topic);

/* A batch was refused: what was asked is to be asked again.  Never fails. */
extern void kfdw_limit_forget(void);

#endif							/* KFDW_LIMIT_H */
