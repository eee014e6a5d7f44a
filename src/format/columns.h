/*
 * columns.h
 *	  What each column of a topic table holds, with its type's input and output
 *	  functions looked up once.
 */
#ifndef KFDW_COLUMNS_H
#define KFDW_COLUMNS_H

#include "access/tupdesc.h"
#include "fmgr.h"
#include "nodes/bitmapset.h"

typedef enum KafkaColumnKind
{
	KAFKA_COLUMN_PAYLOAD,		/* a field of the value: no option "metadata" */
	KAFKA_COLUMN_TOPIC,
	KAFKA_COLUMN_PARTITION,
	KAFKA_COLUMN_OFFSET,
	KAFKA_COLUMN_TIMESTAMP,
	KAFKA_COLUMN_TIMESTAMP_TYPE,
	KAFKA_COLUMN_KEY,
	KAFKA_COLUMN_VALUE,
	KAFKA_COLUMN_HEADERS,
	KAFKA_COLUMN_TOMBSTONE,
	KAFKA_COLUMN_ERROR			/* why the record could not be decoded */
} KafkaColumnKind;

/* The units of points in time as numbers: a value of the option "timestamp_format". */
typedef struct KafkaEpoch
{
	const char *name;
	const char *unit;			/* for messages */
	int64		microseconds;	/* in a unit; 0: text in ISO 8601, no number */
	int			digits;			/* behind the point */
} KafkaEpoch;

typedef struct KafkaColumn
{
	AttrNumber	attnum;			/* 0: dropped, to be skipped */
	KafkaColumnKind kind;
	bool		needed;			/* the query uses it (always when writing) */
	bool		in_value;		/* written to and read from the value:
								 * payload, or a key column with the option
								 * "field" */
	const char *name;			/* the column's name */
	const char *field;			/* option "field"; NULL: the column's name */
	const char *key_field;		/* option "key_field" of a key; NULL: all of
								 * the key */
	const KafkaEpoch *epoch;	/* option "timestamp_format"; NULL: text */

	Oid			type;
	Oid			base_type;		/* the type below any domain */
	int32		typmod;
	int32		base_typmod;	/* the same below any domain */
	FmgrInfo	input;			/* this and below: only where needed */
	Oid			typioparam;
	FmgrInfo	output;
} KafkaColumn;

typedef struct KafkaColumns
{
	Oid			relid;
	TupleDesc	tupdesc;
	int			natts;			/* length of column[], by attnum - 1 */
	KafkaColumn *column;
	const KafkaColumn *current; /* being converted, for the error context;
								 * NULL: none */
} KafkaColumns;

/*
 * Reads the column options of a table and checks the types of its metadata
 * columns.  "needed" has the attributes that the query uses, offset by
 * FirstLowInvalidHeapAttributeNumber as in pull_varattnos(); with "all" it is not
 * looked at.  (An empty set is NULL, as count(*) has it: no column is needed.)
 * Allocated in the current memory context.
 */
extern KafkaColumns *kfdw_columns_create(Oid relid, TupleDesc tupdesc, bool all,
										 const Bitmapset *needed);

/* For who judges whole records: the query uses all columns. */
extern void kfdw_columns_need_all(KafkaColumns *columns);

/* False when the name is no kind of metadata column. */
extern bool kfdw_columns_metadata_kind(const char *name, KafkaColumnKind *kind);
extern const char *kfdw_columns_metadata_names(void);

/* True for what is known of a record when it has been sent, and not before. */
extern bool kfdw_columns_set_by_broker(KafkaColumnKind kind);

/* The column that is all of a kind, NULL when the table has none. */
extern KafkaColumn *kfdw_columns_find(KafkaColumns *columns, KafkaColumnKind kind);

#endif							/* KFDW_COLUMNS_H */
