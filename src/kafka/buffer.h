/*
 * buffer.h
 *	  Records in hand: a batch of a scan or a stream, kept until it is cleared.
 *
 * They come from a consumer (kfdw_consumer_fill), or are read again.  Until the buffer is cleared they can
 * be read again, as after the abort of a transaction.
 */
#ifndef KFDW_BUFFER_H
#define KFDW_BUFFER_H

#include "kafka/record.h"

typedef struct KafkaBuffer KafkaBuffer;

/* Belongs to the current memory context. */
extern KafkaBuffer *kfdw_buffer_create(int max_records, int64 max_bytes);

/* Adds a record that comes from elsewhere; what it points to stays until the buffer is cleared. */
extern void kfdw_buffer_add(KafkaBuffer *buffer, const KafkaRecord *record);
extern void kfdw_buffer_sort(KafkaBuffer *buffer);

/* The record at an index from 0, NULL behind the last one. */
extern KafkaRecord *kfdw_buffer_get(KafkaBuffer *buffer, int index);

extern void kfdw_buffer_clear(KafkaBuffer *buffer);
extern int	kfdw_buffer_count(const KafkaBuffer *buffer);
extern int64 kfdw_buffer_bytes(const KafkaBuffer *buffer);
extern bool kfdw_buffer_full(const KafkaBuffer *buffer);

/* for consumer.c */
extern void kfdw_buffer_attach(KafkaBuffer *buffer, KafkaBuffer **holder);
extern void kfdw_buffer_detach(KafkaBuffer *buffer);
extern void kfdw_buffer_add_message(KafkaBuffer *buffer, const char *topic, int index, void *message);

#endif							/* KFDW_BUFFER_H */
