/*
 * codec.c
 *	  A whole record into a row and back: key and value are done by the table's
 *	  formats, what stands outside them by metadata.c.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "format/codec.h"
#include "format/convert.h"
#include "format/metadata.h"
#include "format/needs.h"

/* The key or the value of records, with the columns that are in it. */
typedef struct KafkaPart
{
	KafkaFields fields;
	const KafkaFormat *format;
	void	   *state;			/* the format's; NULL: no column */
} KafkaPart;

struct KafkaRowCodec
{
	KafkaColumns *columns;
	const KafkaRecord *record;	/* being decoded, for the error context */
	bool		in_key;			/* its key is, too */

	KafkaPart	value;
	KafkaPart	key;
	KafkaField **in_value;		/* for each field of the key, the column's one in the value; NULL: none */

	KafkaColumn **metadata;		/* the needed columns outside both */
	int			nmetadata;

	bool	   *seen;			/* by attnum - 1: an earlier record had the field; others may look */
	bool	   *own_seen;

	KafkaColumn **domains;		/* needed columns of a domain, in key and value */
	int			ndomains;

	KafkaNeeds	needs;
	TupleDesc	header;			/* kafka.header, where headers are needed */
};

/* A row and the record that it is made of or that is made of it. */
typedef struct KafkaRow
{
	KafkaRowCodec *codec;
	KafkaRecord *record;
	Datum	   *values;
	bool	   *nulls;
	bool		tombstone;		/* the record must be one, whatever the row says */
} KafkaRow;

/* Adds a column to the key or the value. */
static KafkaField *
add_field(KafkaPart *part, KafkaColumn *column, const char *path)
{
	KafkaField *field = &part->fields.field[part->fields.count++];

	field->column = column;
	field->path = path;
	field->wanted = column->needed;
	return field;
}

/* Adds a column to the key; it may be in the value too. */
static void
add_key_field(KafkaRowCodec *codec, KafkaColumn *column, KafkaField *in_value)
{
	if (column->key_field != NULL && codec->key.format != &kfdw_format_json)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("column \"%s\" of foreign table \"%s\" cannot have the option \"key_field\"",
						column->name, get_rel_name(codec->columns->relid)),
				 errdetail("The table's option \"key_format\" is \"%s\", and a key has fields in the format \"json\" only.",
						   codec->key.format->name)));
	codec->in_value[codec->key.fields.count] = in_value;
	add_field(&codec->key, column, column->key_field)->whole = column->key_field == NULL;
}

/* Prepares a needed column outside key and value. */
static void
add_metadata(KafkaRowCodec *codec, KafkaColumn *column)
{
	codec->metadata[codec->nmetadata++] = column;
	if (column->kind == KAFKA_COLUMN_HEADERS)
		codec->header = lookup_rowtype_tupdesc_copy(get_element_type(column->base_type), -1);
}

/* Prepares a column, wherever in the record it is. */
static void
add_column(KafkaRowCodec *codec, KafkaColumn *column)
{
	KafkaField *in_value = NULL;

	if (column->needed && column->type != column->base_type && (column->in_value || column->kind == KAFKA_COLUMN_KEY))
		codec->domains[codec->ndomains++] = column;
	if (column->in_value)
		in_value = add_field(&codec->value, column, column->field);
	if (column->kind == KAFKA_COLUMN_KEY)
		add_key_field(codec, column, in_value);
	else if (!column->in_value && column->needed)
		add_metadata(codec, column);
}

/* Prepares an empty part. */
static void
init_part(KafkaPart *part, KafkaColumns *columns, const KafkaFormat *format)
{
	part->format = format;
	part->fields.columns = columns;
	part->fields.field = palloc0(sizeof(KafkaField) * Max(columns->natts, 1));
}

/* Starts the format of the key; as text, bytes are themselves. */
static void
start_key(KafkaPart *key, const KafkaFormatOptions *options)
{
	key->fields.is_key = true;
	if (key->fields.count == 0)
		return;
	if (key->format == &kfdw_format_text && key->fields.field[0].column->base_type == BYTEAOID)
		key->format = &kfdw_format_raw;
	key->state = key->format->start(&key->fields, options);
}

/* Prepares the conversion of rows. */
KafkaRowCodec *
kfdw_codec_create(KafkaColumns *columns, const KafkaFormatOptions *options)
{
	KafkaRowCodec *codec = palloc0(sizeof(KafkaRowCodec));

	codec->columns = columns;
	init_part(&codec->value, columns, options->value);
	init_part(&codec->key, columns, options->key);
	codec->in_value = palloc(sizeof(KafkaField *) * Max(columns->natts, 1));
	codec->metadata = palloc(sizeof(KafkaColumn *) * Max(columns->natts, 1));
	codec->domains = palloc(sizeof(KafkaColumn *) * Max(columns->natts, 1));
	for (int i = 0; i < columns->natts; i++)
		if (columns->column[i].attnum != 0)
			add_column(codec, &columns->column[i]);
	kfdw_needs_begin(&codec->needs, columns);
	codec->own_seen = codec->seen = palloc0(sizeof(bool) * Max(columns->natts, 1));
	codec->value.state = codec->value.format->start(&codec->value.fields, options);
	start_key(&codec->key, options);
	return codec;
}

/* A number where text was wanted is the usual mistake; the hint of PostgreSQL, at "datestyle", does not help. */
static void
hint_at_epoch(const KafkaColumn *column)
{
	int			code = geterrcode();

	if (column->epoch == NULL && (column->kind == KAFKA_COLUMN_PAYLOAD || column->kind == KAFKA_COLUMN_KEY) &&
		(column->base_type == TIMESTAMPTZOID || column->base_type == TIMESTAMPOID ||
		 column->base_type == DATEOID || column->base_type == TIMEOID) &&
		(code == ERRCODE_INVALID_DATETIME_FORMAT || code == ERRCODE_DATETIME_FIELD_OVERFLOW))
		errhint("If it is a number of units since 1970, set the column's option \"timestamp_format\".");
}

/* Says where an error was: record and column. */
static void
report_context(void *arg)
{
	KafkaRowCodec *codec = arg;
	const KafkaColumn *column = codec->columns->current;
	const KafkaRecord *record = codec->record;

	if (record != NULL && column != NULL)
		hint_at_epoch(column);
	if (record != NULL && column != NULL)
		errcontext("topic \"%s\", partition %d, offset " INT64_FORMAT ", column \"%s\"",
				   record->topic, record->partition, record->offset, column->name);
	else if (record != NULL)
		errcontext("topic \"%s\", partition %d, offset " INT64_FORMAT "%s",
				   record->topic, record->partition, record->offset, codec->in_key ? ", key" : "");
	else if (column != NULL)
		errcontext("column \"%s\"", column->name);
}

/* Sets one metadata column of the row. */
static void
decode_column(KafkaRow *row, KafkaColumn *column)
{
	int			i = column->attnum - 1;

	row->codec->columns->current = column;
	row->nulls[i] = !kfdw_metadata_decode(column, row->codec->header, row->record, &row->values[i]);
	row->codec->columns->current = NULL;
}

/* No text begins with a zero byte: so it is also the error that it would be anyway. */
static void
check_no_schema_id(const KafkaPart *part, const char *bytes, size_t len)
{
	const unsigned char *id = (const unsigned char *) bytes + 1;

	if (part->format->is_text && len >= 5 && bytes[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("the record's %s is not text", part->fields.is_key ? "key" : "value"),
				 errdetail("It starts with a zero byte."),
				 errhint("A serializer with a schema registry writes so, here with schema id %u: formats of that kind are not supported in this version.",
						 (uint32) id[0] << 24 | id[1] << 16 | id[2] << 8 | id[3])));
}

/* Remembers which fields the key or the value of the last record had; nothing is found yet in the next one. */
static void
note_seen(KafkaRowCodec *codec, KafkaPart *part)
{
	for (int i = 0; i < part->fields.count; i++)
	{
		KafkaField *field = &part->fields.field[i];

		if (field->found)
			codec->seen[field->column->attnum - 1] = true;
		field->found = false;
	}
}

void
kfdw_codec_tell_seen(KafkaRowCodec *codec, bool *seen)
{
	note_seen(codec, &codec->value);
	note_seen(codec, &codec->key);
	codec->seen = seen != NULL ? seen : codec->own_seen;
}

void
kfdw_codec_add_seen(KafkaRowCodec *codec, const bool *seen)
{
	for (int i = 0; i < codec->columns->natts; i++)
		codec->own_seen[i] |= seen[i];
}

List *
kfdw_codec_list_unseen(KafkaRowCodec *codec)
{
	List	   *names = NIL;

	kfdw_codec_tell_seen(codec, NULL);
	for (int i = 0; i < codec->columns->natts; i++)
	{
		const KafkaColumn *column = &codec->columns->column[i];

		if (column->attnum != 0 && column->needed && (column->in_value || column->key_field != NULL) && !codec->seen[i])
			names = lappend(names, unconstify(char *, column->name));
	}
	return names;
}

/* Sets the columns that are wanted of the key or the value; bytes of NULL have none. */
static void
decode_part(KafkaRow *row, KafkaPart *part, const char *bytes, size_t len)
{
	bool		wanted = false;

	note_seen(row->codec, part);
	for (int i = 0; i < part->fields.count; i++)
		wanted |= part->fields.field[i].wanted;
	if (!wanted || bytes == NULL)
		return;
	check_no_schema_id(part, bytes, len);
	part->format->decode(part->state, bytes, len, row->values, row->nulls);
}

/* Sets the columns of the key that the value lacked. */
static void
decode_key(KafkaRow *row)
{
	KafkaRowCodec *codec = row->codec;

	for (int i = 0; i < codec->key.fields.count; i++)
	{
		KafkaField *field = &codec->key.fields.field[i];

		field->wanted = field->column->needed && (codec->in_value[i] == NULL || !codec->in_value[i]->found);
	}
	codec->in_key = true;
	decode_part(row, &codec->key, row->record->key, row->record->key_len);
}

/* A null, or a field that is not there, may be no value of a domain; where there is no key or value it is none. */
static void
check_nulls(KafkaRow *row)
{
	for (int i = 0; i < row->codec->ndomains; i++)
	{
		KafkaColumn *column = row->codec->domains[i];

		if (!row->nulls[column->attnum - 1] ||
			(!(column->in_value && row->record->value) && !(column->kind == KAFKA_COLUMN_KEY && row->record->key)))
			continue;
		row->codec->columns->current = column;
		kfdw_column_check_null(column);
		row->codec->columns->current = NULL;
	}
}

/* Fills the row: metadata columns, the value's, and those of the key. */
static void
decode_row(void *arg)
{
	KafkaRow   *row = arg;
	KafkaRowCodec *codec = row->codec;

	for (int i = 0; i < codec->nmetadata; i++)
		decode_column(row, codec->metadata[i]);
	decode_part(row, &codec->value, row->record->value, row->record->value_len);
	decode_key(row);
	check_nulls(row);
}

/* Fills the row under the fixed settings. */
static void
decode_under_settings(void *arg)
{
	kfdw_settings_call(((KafkaRow *) arg)->codec->needs.decode_use, decode_row, arg);
}

/* An error names the record and the column. */
void
kfdw_codec_decode(KafkaRowCodec *codec, KafkaRecord *record, Datum *values, bool *nulls)
{
	ErrorContextCallback context = {error_context_stack, report_context, codec};
	KafkaRow	row = {codec, record, values, nulls};

	memset(nulls, true, sizeof(bool) * codec->columns->natts);
	codec->columns->current = NULL;
	codec->record = record;
	codec->in_key = false;
	error_context_stack = &context;
	kfdw_needs_update(&codec->needs);
	decode_under_settings(&row);
	error_context_stack = context.previous;
}

/* Its message names the column, as nothing else will. */
ErrorData *
kfdw_codec_try_decode(KafkaRowCodec *codec, KafkaRecord *record, Datum *values, bool *nulls)
{
	ErrorContextCallback context = {error_context_stack, report_context, codec};
	KafkaRow	row = {codec, record, values, nulls};
	ErrorData  *error;

	memset(nulls, true, sizeof(bool) * codec->columns->natts);
	codec->columns->current = NULL;
	codec->record = record;
	codec->in_key = false;
	error_context_stack = &context;
	error = kfdw_needs_call(&codec->needs, decode_under_settings, &row);
	error_context_stack = context.previous;
	if (error != NULL && codec->columns->current != NULL)
		error->message = psprintf("column \"%s\": %s", codec->columns->current->name, error->message);
	return error;
}

/* What can be decoded without the value: a column outside it, or the key. */
typedef struct KafkaRowPiece
{
	KafkaRow   *row;
	KafkaColumn *column;		/* NULL: the key */
} KafkaRowPiece;

static void
decode_piece(void *arg)
{
	KafkaRowPiece *piece = arg;

	if (piece->column != NULL)
		decode_column(piece->row, piece->column);
	else
		decode_key(piece->row);
}

/* The same under the fixed settings. */
static void
decode_piece_under_settings(void *arg)
{
	kfdw_settings_call(((KafkaRowPiece *) arg)->row->codec->needs.decode_use, decode_piece, arg);
}

/* Sets the columns of the key, without those that are fields of the value and were not looked for. */
static void
decode_rejected_key(KafkaRow *row)
{
	KafkaRowCodec *codec = row->codec;
	KafkaRowPiece key = {row, NULL};

	for (int i = 0; i < codec->value.fields.count; i++)
		codec->value.fields.field[i].found = false;
	if (kfdw_needs_call(&codec->needs, decode_piece_under_settings, &key) == NULL)
		return;
	for (int i = 0; i < codec->key.fields.count; i++)
		row->nulls[codec->key.fields.field[i].column->attnum - 1] = true;
}

/* What can be known of the record is, piece by piece; the value is not looked at again. */
void
kfdw_codec_decode_rejected(KafkaRowCodec *codec, KafkaRecord *record, const ErrorData *error,
						   Datum *values, bool *nulls)
{
	KafkaRow	row = {codec, record, values, nulls};

	memset(nulls, true, sizeof(bool) * codec->columns->natts);
	for (int i = 0; i < codec->nmetadata; i++)
	{
		KafkaRowPiece piece = {&row, codec->metadata[i]};
		int			att = piece.column->attnum - 1;

		if (piece.column->kind == KAFKA_COLUMN_ERROR)
		{
			values[att] = CStringGetTextDatum(kfdw_guard_describe(error));
			nulls[att] = false;
		}
		else if (kfdw_needs_call(&codec->needs, decode_piece_under_settings, &piece) != NULL)
			nulls[att] = true;
	}
	decode_rejected_key(&row);
}

/* Fills what the broker has set. */
static void
decode_sent(void *arg)
{
	KafkaRow   *row = arg;
	KafkaRowCodec *codec = row->codec;

	for (int i = 0; i < codec->nmetadata; i++)
		if (kfdw_columns_set_by_broker(codec->metadata[i]->kind))
			decode_column(row, codec->metadata[i]);
}

void
kfdw_codec_decode_sent(KafkaRowCodec *codec, KafkaRecord *record, Datum *values, bool *nulls)
{
	KafkaRow	row = {codec, record, values, nulls};

	kfdw_needs_update(&codec->needs);
	kfdw_settings_call(codec->needs.decode_use, decode_sent, &row);
}

/* Puts one column into the record, unless it is NULL. */
static void
encode_column(KafkaRow *row, KafkaColumn *column)
{
	int			i = column->attnum - 1;

	row->codec->columns->current = column;
	if (!row->nulls[i])
		kfdw_metadata_encode(column, row->codec->header, row->values[i], row->record);
	row->codec->columns->current = NULL;
}

/* Puts the key into the record, where one of its columns is not NULL. */
static void
encode_key(KafkaRow *row)
{
	KafkaPart  *key = &row->codec->key;
	bool		given = false;
	StringInfoData out;

	for (int i = 0; i < key->fields.count; i++)
		given |= !row->nulls[key->fields.field[i].column->attnum - 1];
	if (!given)
		return;
	initStringInfo(&out);
	key->format->encode(key->state, row->values, row->nulls, &out);
	row->record->key = out.data;
	row->record->key_len = out.len;
}

/* Fails when a payload column is given beside something that excludes it. */
static void
check_no_payload(const KafkaRow *row, const char *what)
{
	for (int i = 0; i < row->codec->columns->natts; i++)
	{
		const KafkaColumn *column = &row->codec->columns->column[i];

		if (column->attnum != 0 && column->kind == KAFKA_COLUMN_PAYLOAD && !row->nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" must be null where %s is given", column->name, what),
					 errdetail("It is part of the record's value.")));
	}
}

/* True when the record is to be a tombstone; checks that it can be one. */
static bool
is_tombstone(const KafkaRow *row)
{
	const KafkaColumn *column = kfdw_columns_find(row->codec->columns, KAFKA_COLUMN_TOMBSTONE);

	if (!row->tombstone && (column == NULL || row->nulls[column->attnum - 1] || !DatumGetBool(row->values[column->attnum - 1])))
		return false;
	if (row->record->key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a tombstone needs a key")));
	if (row->record->value != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a tombstone cannot have a value")));
	check_no_payload(row, "a tombstone");
	return true;
}

/* Puts the value into the record: none, the one given, or the format's. */
static void
encode_value(KafkaRow *row)
{
	KafkaRowCodec *codec = row->codec;
	KafkaRecord *record = row->record;
	StringInfoData out;

	if (is_tombstone(row))
		return;
	if (record->value != NULL)
	{
		check_no_payload(row, "the whole value");
		return;
	}
	if (codec->value.fields.count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the record has no value"),
				 errhint("Set a column with the option metadata 'tombstone' to write a record without a value.")));

	initStringInfo(&out);
	codec->value.format->encode(codec->value.state, row->values, row->nulls, &out);
	record->value = out.data;
	record->value_len = out.len;
}

/* Fills the record: what stands outside key and value first. */
static void
encode_row(void *arg)
{
	KafkaRow   *row = arg;
	KafkaRowCodec *codec = row->codec;

	for (int i = 0; i < codec->nmetadata; i++)
		encode_column(row, codec->metadata[i]);
	encode_key(row);
	encode_value(row);
}

/* An error names the column. */
void
kfdw_codec_encode(KafkaRowCodec *codec, Datum *values, bool *nulls, bool tombstone, KafkaRecord *record)
{
	ErrorContextCallback context = {error_context_stack, report_context, codec};
	KafkaRow	row = {codec, record, values, nulls, tombstone};

	memset(record, 0, sizeof(KafkaRecord));
	record->partition = KAFKA_PARTITION_ANY;
	record->timestamp = KAFKA_NO_TIMESTAMP;
	codec->columns->current = NULL;
	codec->record = NULL;
	error_context_stack = &context;
	kfdw_settings_call(codec->needs.encode_use, encode_row, &row);
	error_context_stack = context.previous;
}
