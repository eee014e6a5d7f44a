/*
 * metadata.h
 *	  The metadata of a cluster, asked for on a thread; for this folder only.
 */
#ifndef KFDW_KAFKA_METADATA_H
#define KFDW_KAFKA_METADATA_H

#include "kafka/call.h"
#include "kafka/client.h"

typedef struct KafkaMetadataCall
{
	KafkaCall	call;
	KafkaClient *client;
	char	   *topic;			/* NULL: all */

	rd_kafka_resp_err_t error;
	const struct rd_kafka_metadata *metadata;
	int32		controller;		/* -1: not known */
} KafkaMetadataCall;

/* Brokers that do not answer are an error. */
extern KafkaMetadataCall *kfdw_metadata_ask(KafkaClient *client, const char *topic);

extern void kfdw_metadata_done(KafkaMetadataCall *query);

#endif							/* KFDW_KAFKA_METADATA_H */
