/*
 * codec.h
 *	  A whole record into a row and back, under fixed settings (ISO dates, UTC,
 *	  exact floats) whatever the session's are.
 */
#ifndef KFDW_CODEC_H
#define KFDW_CODEC_H

#include "nodes/pg_list.h"

#include "format/format.h"
#include "kafka/record.h"

typedef struct KafkaRowCodec KafkaRowCodec;

/* Lives in the current memory context; checks that the columns suit the format. */
extern KafkaRowCodec *kfdw_codec_create(KafkaColumns *columns, const KafkaFormatOptions *options);

/* Columns that are not needed are NULL.  Values are in the current memory context. */
extern void kfdw_codec_decode(KafkaRowCodec *codec, KafkaRecord *record, Datum *values, bool *nulls);

/* The needed columns that are fields of the value and that no record had so far. */
extern List *kfdw_codec_list_unseen(KafkaRowCodec *codec);

/*
 * From now on it tells, by attnum - 1, which fields a record had: where other processes see
 * it, or (NULL) itself.  What others saw is added.
 */
extern void kfdw_codec_tell_seen(KafkaRowCodec *codec, bool *seen);
extern void kfdw_codec_add_seen(KafkaRowCodec *codec, const bool *seen);

/*
 * The same, but the error of a record that cannot be decoded is given back, in the
 * current memory context, and not raised; NULL: it was decoded.
 */
extern ErrorData *kfdw_codec_try_decode(KafkaRowCodec *codec, KafkaRecord *record, Datum *values, bool *nulls);

/* Then sets the columns outside the value, and says the error where there is a column for it. */
extern void kfdw_codec_decode_rejected(KafkaRowCodec *codec, KafkaRecord *record, const ErrorData *error,
									   Datum *values, bool *nulls);

/*
 * Sets the columns of a row that are known when its record was sent.  Values are in the
 * current memory context.
 */
extern void kfdw_codec_decode_sent(KafkaRowCodec *codec, KafkaRecord *record, Datum *values, bool *nulls);

/*
 * Sets all of the record but its topic; what it points to is in the current memory context.
 * It is a tombstone where the row says so, or must be one.
 */
extern void kfdw_codec_encode(KafkaRowCodec *codec, Datum *values, bool *nulls, bool tombstone, KafkaRecord *record);

#endif							/* KFDW_CODEC_H */
