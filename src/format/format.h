/*
 * format.h
 *	  A format: the bytes of a record's value or key into columns and back.
 *
 * A format knows neither Kafka's client nor the foreign data wrapper and does no
 * input or output: what it needs from outside is among its options.
 */
#ifndef KFDW_FORMAT_H
#define KFDW_FORMAT_H

#include "format/columns.h"
#include "lib/stringinfo.h"

/* Options of the format "csv". */
typedef struct KafkaCsvOptions
{
	char		delimiter;
	char		quote;
	char		escape;
	const char *null;
} KafkaCsvOptions;

/* How the records of a table are written: what the table's options say. */
typedef struct KafkaFormatOptions
{
	const struct KafkaFormat *value;	/* option "format" */
	const struct KafkaFormat *key;	/* option "key_format" */
	KafkaCsvOptions csv;
} KafkaFormatOptions;

/* A column as one of the fields that a format reads and writes. */
typedef struct KafkaField
{
	KafkaColumn *column;
	const char *path;			/* NULL: the column's name */
	bool		whole;			/* all of a key, rather than a field of it */
	bool		wanted;			/* decoding: the column is to be set */
	bool		found;			/* decoding: the bytes had it */
} KafkaField;

typedef struct KafkaFields
{
	KafkaColumns *columns;		/* of the table */
	bool		is_key;			/* of the key, else of the value */
	KafkaField *field;			/* in the order of the columns, needed or not */
	int			count;
} KafkaFields;

typedef struct KafkaFormat
{
	const char *name;			/* value of the option "format" */
	bool		is_text;		/* the bytes are text in UTF-8 */

	/*
	 * Called once for each scan or modification, in its memory context: what
	 * is kept between records.  Checks that the fields suit the format.
	 */
	void	   *(*start) (KafkaFields *fields, const KafkaFormatOptions *options);

	/*
	 * Decodes bytes, which need not end in NUL, into values[] and nulls[]
	 * (indexed by attnum - 1): the fields that are wanted and only these.  The caller has set all of nulls[] to true and "found" of all fields
	 * to false.  Sets columns->current while a column is converted, for the error
	 * context.  Runs in a memory context that is reset for each row, and keeps
	 * nothing that an error would have to give back.
	 */
	void		(*decode) (void *state, const char *bytes, size_t len, Datum *values, bool *nulls);

	/* Appends the fields as bytes. */
	void		(*encode) (void *state, const Datum *values, const bool *nulls, StringInfo out);
} KafkaFormat;

extern const KafkaFormat kfdw_format_json;
extern const KafkaFormat kfdw_format_csv;
extern const KafkaFormat kfdw_format_text;
extern const KafkaFormat kfdw_format_raw;
extern const KafkaFormat kfdw_format_kafka;

/* NULL when there is no such format. */
extern const KafkaFormat *kfdw_format_lookup(const char *name);

extern bool kfdw_format_options_equal(const KafkaFormatOptions *left, const KafkaFormatOptions *right);

#endif							/* KFDW_FORMAT_H */
