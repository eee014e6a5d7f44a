/*
 * json_fields.h
 *	  The tree of the JSON fields that columns are read from and written to.
 */
#ifndef KFDW_JSON_FIELDS_H
#define KFDW_JSON_FIELDS_H

#include "common/jsonapi.h"
#include "format/format.h"
#include "format/json_write.h"

struct JsonColumn;

/* A field of an object, in the tree of paths; the root is the whole. */
typedef struct JsonField
{
	const char *name;			/* NULL: the root */
	size_t		len;
	const char *label;			/* the name as JSON, with the colon */
	int			label_len;
	bool		any_case;		/* a column's name, found without regard to
								 * case */
	struct JsonColumn *column;	/* the first column of this field, or NULL */

	struct JsonField **children;	/* in the order of the columns */
	int			nchildren;
	int			next;			/* the child that is expected next */

	/* the last one found, a piece of the input */
	uint64		record;			/* number of the record it was found in */
	bool		exact;			/* by its exact name */
	JsonTokenType token;
	const char *start;
	size_t		value_len;
} JsonField;

/* A column of the value or the key. */
typedef struct JsonColumn
{
	KafkaColumn *column;
	KafkaField *owner;			/* what the codec knows of it */
	JsonField  *field;

	/* these are looked up when first used */
	JsonWriter *writer;
	FmgrInfo	populate;
	Datum		populate_base;
} JsonColumn;

typedef struct JsonFields
{
	JsonField	root;
	bool		is_key;			/* of the key, else of the value */
	JsonColumn *columns;
	int			ncolumns;
	uint64		record;			/* counts records */
	const JsonColumn *conflict[2];	/* two columns that cannot both be written */
} JsonFields;

/* False for a path of which a part is empty, which no field is looked for by. */
extern bool kfdw_json_path_has_names(const char *path);

/* Builds the tree in the current memory context. */
extern JsonFields *kfdw_json_fields_create(KafkaFields *fields);

/* Starts a new record: nothing is found yet. */
extern void kfdw_json_fields_reset(JsonFields *fields);

/*
 * The field of this name in an object, NULL when no column is that.  It counts as
 * found from now on; of duplicates the last one counts, but an exact name before
 * one that differs in case.
 */
extern JsonField *kfdw_json_fields_match(JsonFields *fields, JsonField *object,
										 const char *name, size_t len);

extern bool kfdw_json_fields_found(const JsonFields *fields, const JsonField *field);

/* Fails when two columns are one field, or one is inside the other. */
extern void kfdw_json_fields_check_writable(const JsonFields *fields);

#endif							/* KFDW_JSON_FIELDS_H */
