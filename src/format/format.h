/*
 * format.h
 *	  A format turns the bytes of a record's value into column values and back.
 *
 * It knows neither Kafka's client nor the foreign data wrapper.
 */
#ifndef KFDW_FORMAT_H
#define KFDW_FORMAT_H

#include "format/columns.h"
#include "kafka/record.h"
#include "lib/stringinfo.h"

typedef struct KafkaFormat
{
	const char *name;			/* value of the option "format" */

	/*
	 * Called once for each scan or modification, in its memory context: what
	 * is kept between records.  Checks that the table's columns suit the
	 * format.
	 */
	void	   *(*start) (KafkaColumns *columns);

	/*
	 * Decodes a value that is not NULL into values[] and nulls[] (indexed by
	 * attnum - 1): the payload columns with "needed" set and only these.  The
	 * caller has set all of nulls[] to true.  Sets columns->current while a
	 * column is converted, for the error context, and clears "absent" of each
	 * column that the value has.  Runs in a memory context that is reset for
	 * each row.
	 */
	void		(*decode) (void *state, const KafkaRecord *record, Datum *values, bool *nulls);

	/* Appends the payload columns as the bytes of a value. */
	void		(*encode) (void *state, const Datum *values, const bool *nulls, StringInfo out);
} KafkaFormat;

extern const KafkaFormat kfdw_format_json;
extern const KafkaFormat kfdw_format_text;
extern const KafkaFormat kfdw_format_raw;

/* NULL when there is no such format. */
extern const KafkaFormat *kfdw_format_lookup(const char *name);

/*
 * A whole record into a row and back: metadata columns here, payload columns by
 * the format, under fixed input and output settings (ISO dates, UTC, exact
 * floats) whatever the session's are.
 */
typedef struct KafkaRowCodec KafkaRowCodec;

/* Lives in the current memory context; checks that the columns suit the format. */
extern KafkaRowCodec *kfdw_codec_create(KafkaColumns *columns, const KafkaFormat *format);

/* Columns that are not needed are NULL.  Values are in the current memory context. */
extern void kfdw_codec_decode(KafkaRowCodec *codec, KafkaRecord *record, Datum *values, bool *nulls);

/* Sets all of the record but its topic; what it points to is in the current memory context. */
extern void kfdw_codec_encode(KafkaRowCodec *codec, const Datum *values, const bool *nulls, KafkaRecord *record);

#endif							/* KFDW_FORMAT_H */
