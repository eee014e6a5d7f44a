/*
 * metadata.h
 *	  The columns that are no part of key and value: each from and into a record.
 */
#ifndef KFDW_METADATA_H
#define KFDW_METADATA_H

#include "datatype/timestamp.h"

#include "format/columns.h"
#include "kafka/record.h"

/* "header" describes kafka.header and is used for the headers column only. */

/* The timestamp of a record that has one; false where it is out of the range of the type. */
extern bool kfdw_metadata_timestamp(const KafkaRecord *record, TimestampTz *timestamp);

/* A timestamp as milliseconds since 1970, rounded down; negative where it has none. */
extern int64 kfdw_metadata_milliseconds(TimestampTz timestamp);

/* Now, in milliseconds since 1970. */
extern int64 kfdw_metadata_now(void);

/* What Kafka calls the kind of a record's timestamp, NULL where it has none; and back. */
extern const char *kfdw_metadata_timestamp_type(KafkaTimestampType type);
extern KafkaTimestampType kfdw_metadata_find_timestamp_type(const char *name);

/* The headers as an array of kafka.header, their keys perhaps with a ? for each byte that is no ASCII; false: none. */
extern bool kfdw_metadata_headers(TupleDesc header, const KafkaRecord *record, bool ascii, Datum *value);

/* And back. */
extern void kfdw_metadata_encode_headers(TupleDesc header, Datum value, KafkaRecord *record);

/* False for NULL. */
extern bool kfdw_metadata_decode(KafkaColumn *column, TupleDesc header, KafkaRecord *record, Datum *value);

/* The value is not NULL.  Fails for a column that only the broker sets. */
extern void kfdw_metadata_encode(KafkaColumn *column, TupleDesc header, Datum value, KafkaRecord *record);

#endif							/* KFDW_METADATA_H */
