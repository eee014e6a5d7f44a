/*
 * sample.h
 *	  Some of the records of topics, taken evenly from all of their offsets.
 */
#ifndef KFDW_SAMPLE_H
#define KFDW_SAMPLE_H

#include "kafka/record.h"
#include "option/options.h"

typedef struct KafkaSample KafkaSample;

/* So many records, more or less, in the current memory context. */
extern KafkaSample *kfdw_sample_begin(const KafkaTableOptions *options, int wanted);

/* The next one, in the order of partitions and offsets; NULL at the end. */
extern KafkaRecord *kfdw_sample_next(KafkaSample *sample);

/* About how many records there are, as far as was seen. */
extern double kfdw_sample_total(const KafkaSample *sample);

extern void kfdw_sample_end(KafkaSample *sample);

#endif							/* KFDW_SAMPLE_H */
