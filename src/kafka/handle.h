/*
 * handle.h
 *	  Makes the library's handles.  For this folder only.
 */
#ifndef KFDW_HANDLE_H
#define KFDW_HANDLE_H

#include "kafka/librdkafka.h"

/* What was written to brokers by threads of the library, since somebody looked. */
typedef struct KafkaWritten
{
	uint64		requests;		/* with records, those of one partition */
	uint64		bytes;
} KafkaWritten;

/* A handle, which owns the configuration; NULL: there can be none, the reason says why, and the configuration is freed. */
extern rd_kafka_t *kfdw_handle_create_consumer(rd_kafka_conf_t *conf, char *reason, size_t size);

/* The same; what it writes is counted from then on, for as long as it lives. */
extern rd_kafka_t *kfdw_handle_create_producer(rd_kafka_conf_t *conf, KafkaWritten *written, char *reason, size_t size);

#endif							/* KFDW_HANDLE_H */
