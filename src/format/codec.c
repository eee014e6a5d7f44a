/*
 * codec.c
 *	  A whole record into a row and back: what stands outside the value is done
 *	  by metadata.c, the fields of the value by the table's format.
 */
#include "postgres.h"

#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "format/codec.h"
#include "format/metadata.h"
#include "format/settings.h"

struct KafkaRowCodec
{
	KafkaColumns *columns;
	const KafkaRecord *record;	/* being decoded, for the error context */

	KafkaFields value;			/* the columns that are fields of the value */
	const KafkaFormat *format;	/* of the value */
	void	   *state;			/* the format's */
	bool		decode_value;	/* the query needs one of them */

	KafkaColumn **metadata;		/* the needed columns outside the value */
	int			nmetadata;
	KafkaField *key;			/* a needed key that is a field of the value
								 * too */

	KafkaSettingsUse decode_use;	/* what the types' input needs */
	KafkaSettingsUse encode_use;	/* and their output */
	TupleDesc	header;			/* kafka.header, where headers are needed */
};

/* A row and the record that it is made of or that is made of it. */
typedef struct KafkaRow
{
	KafkaRowCodec *codec;
	KafkaRecord *record;
	Datum	   *values;
	bool	   *nulls;
} KafkaRow;

/* Prepares the conversion of a column by its type's functions, the checks of a domain among them. */
static void
add_conversion(KafkaRowCodec *codec, const KafkaColumn *column)
{
	if (!column->in_value && column->kind != KAFKA_COLUMN_KEY && column->type == column->base_type)
		return;
	codec->decode_use = Max(codec->decode_use, kfdw_settings_use(column->type, KAFKA_FROM_TEXT));
	codec->encode_use = Max(codec->encode_use, kfdw_settings_use(column->type, KAFKA_TO_TEXT));
}

/* Prepares a field of the value. */
static void
add_field(KafkaRowCodec *codec, KafkaColumn *column)
{
	KafkaField *field = &codec->value.field[codec->value.count++];

	field->column = column;
	field->path = column->field;
	if (!column->needed)
		return;
	codec->decode_value = true;
	if (column->kind == KAFKA_COLUMN_KEY)
		codec->key = field;
}

/* Prepares a needed column outside the value. */
static void
add_metadata(KafkaRowCodec *codec, KafkaColumn *column)
{
	codec->metadata[codec->nmetadata++] = column;
	if (column->kind == KAFKA_COLUMN_HEADERS)
		codec->header = lookup_rowtype_tupdesc_copy(get_element_type(column->base_type), -1);
}

/* Prepares the conversion of rows. */
KafkaRowCodec *
kfdw_codec_create(KafkaColumns *columns, const KafkaFormatOptions *options)
{
	KafkaRowCodec *codec = palloc0(sizeof(KafkaRowCodec));

	codec->columns = columns;
	codec->value.columns = columns;
	codec->value.field = palloc0(sizeof(KafkaField) * Max(columns->natts, 1));
	codec->metadata = palloc(sizeof(KafkaColumn *) * Max(columns->natts, 1));
	for (int i = 0; i < columns->natts; i++)
	{
		KafkaColumn *column = &columns->column[i];

		if (column->attnum == 0)
			continue;
		if (column->needed)
			add_conversion(codec, column);
		if (column->in_value)
			add_field(codec, column);
		else if (column->needed)
			add_metadata(codec, column);
	}
	codec->format = options->value;
	codec->state = codec->format->start(&codec->value, options);
	return codec;
}

/* Says where an error was: record and column. */
static void
report_context(void *arg)
{
	KafkaRowCodec *codec = arg;
	const KafkaColumn *column = codec->columns->current;
	const KafkaRecord *record = codec->record;

	if (record != NULL && column != NULL)
		errcontext("topic \"%s\", partition %d, offset " INT64_FORMAT ", column \"%s\"",
				   record->topic, record->partition, record->offset, column->name);
	else if (record != NULL)
		errcontext("topic \"%s\", partition %d, offset " INT64_FORMAT,
				   record->topic, record->partition, record->offset);
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

/* Fills the row: metadata columns, the value's, and a key that the value lacked. */
static void
decode_row(void *arg)
{
	KafkaRow   *row = arg;
	KafkaRowCodec *codec = row->codec;
	KafkaRecord *record = row->record;

	for (int i = 0; i < codec->nmetadata; i++)
		decode_column(row, codec->metadata[i]);

	for (int i = 0; i < codec->value.count; i++)
		codec->value.field[i].found = false;
	if (codec->decode_value && record->value != NULL)
		codec->format->decode(codec->state, record->value, record->value_len, row->values, row->nulls);
	if (codec->key != NULL && !codec->key->found)
		decode_column(row, codec->key->column);
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
	error_context_stack = &context;
	kfdw_settings_call(codec->decode_use, decode_row, &row);
	error_context_stack = context.previous;
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

	kfdw_settings_call(codec->decode_use, decode_sent, &row);
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

/* True when the row asks for a tombstone; checks that it can be one. */
static bool
is_tombstone(const KafkaRow *row)
{
	const KafkaColumn *column = kfdw_columns_find(row->codec->columns, KAFKA_COLUMN_TOMBSTONE);

	if (column == NULL || row->nulls[column->attnum - 1] || !DatumGetBool(row->values[column->attnum - 1]))
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
	if (codec->value.count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the record has no value"),
				 errhint("Set a column with the option metadata 'tombstone' to write a record without a value.")));

	initStringInfo(&out);
	codec->format->encode(codec->state, row->values, row->nulls, &out);
	record->value = out.data;
	record->value_len = out.len;
}

/* Fills the record: what stands outside the value first. */
static void
encode_row(void *arg)
{
	KafkaRow   *row = arg;
	KafkaRowCodec *codec = row->codec;

	for (int i = 0; i < codec->nmetadata; i++)
		encode_column(row, codec->metadata[i]);
	if (codec->key != NULL)
		encode_column(row, codec->key->column);
	encode_value(row);
}

/* An error names the column. */
void
kfdw_codec_encode(KafkaRowCodec *codec, Datum *values, bool *nulls, KafkaRecord *record)
{
	ErrorContextCallback context = {error_context_stack, report_context, codec};
	KafkaRow	row = {codec, record, values, nulls};

	memset(record, 0, sizeof(KafkaRecord));
	record->partition = KAFKA_PARTITION_ANY;
	record->timestamp = KAFKA_NO_TIMESTAMP;
	codec->columns->current = NULL;
	codec->record = NULL;
	error_context_stack = &context;
	kfdw_settings_call(codec->encode_use, encode_row, &row);
	error_context_stack = context.previous;
}
