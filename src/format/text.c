/*
 * text.c
 *	  The formats "text" and "raw": the one payload column is the whole value.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "format/convert.h"
#include "format/format.h"

typedef struct TextState
{
	KafkaColumns *columns;
	KafkaField *field;			/* the only one */
	KafkaColumn *column;
} TextState;

/* Finds the payload column, which has to be the only one. */
static TextState *
start_one_column(KafkaFields *fields, const char *format)
{
	TextState  *state = palloc0(sizeof(TextState));

	if (fields->count != 1 || fields->field[0].column->kind != KAFKA_COLUMN_PAYLOAD)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_COLUMN_NUMBER),
				 errmsg("foreign table \"%s\" does not suit the format \"%s\"",
						get_rel_name(fields->columns->relid), format),
				 errdetail("The format takes exactly one column without the option \"metadata\", which is the value; the table has %d.",
						   fields->count)));
	state->columns = fields->columns;
	state->field = &fields->field[0];
	state->column = state->field->column;
	return state;
}

/* Text: any type, by its input and output functions. */
static void *
start_text(KafkaFields *fields, const KafkaFormatOptions *options)
{
	return start_one_column(fields, "text");
}

/* Raw: the bytes as they are. */
static void *
start_raw(KafkaFields *fields, const KafkaFormatOptions *options)
{
	TextState  *state = start_one_column(fields, "raw");

	if (state->column->base_type != BYTEAOID)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				 errmsg("column \"%s\" of foreign table \"%s\" cannot have the type %s",
						state->column->name, get_rel_name(fields->columns->relid),
						format_type_be(state->column->type)),
				 errdetail("The format \"raw\" takes a column of type bytea.")));
	return state;
}

/* Converts the value by the type's input function. */
static void
decode_text(void *arg, const char *bytes, size_t len, Datum *values, bool *nulls)
{
	TextState  *state = arg;
	int			i = state->column->attnum - 1;
	const char *string;

	state->field->found = true;
	state->columns->current = state->column;
	string = kfdw_text_from_utf8(bytes, &len);
	values[i] = kfdw_column_from_text(state->column, string, len);
	nulls[i] = false;
	state->columns->current = NULL;
}

/* Takes the value as it is. */
static void
decode_raw(void *arg, const char *bytes, size_t len, Datum *values, bool *nulls)
{
	TextState  *state = arg;
	int			i = state->column->attnum - 1;

	state->field->found = true;
	state->columns->current = state->column;
	values[i] = kfdw_column_from_bytes(state->column, bytes, len);
	nulls[i] = false;
	state->columns->current = NULL;
}

/* Fails for NULL: an absent value is a tombstone, which is asked for by name. */
static void
check_not_null(const KafkaColumn *column, const bool *nulls)
{
	if (nulls[column->attnum - 1])
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("column \"%s\" is the record's value and cannot be null", column->name),
				 errhint("Set a column with the option metadata 'tombstone' to write a record without a value.")));
}

/* Appends the output of the type's output function. */
static void
encode_text(void *arg, const Datum *values, const bool *nulls, StringInfo out)
{
	TextState  *state = arg;
	char	   *string;
	size_t		len;

	check_not_null(state->column, nulls);
	state->columns->current = state->column;
	string = OutputFunctionCall(&state->column->output, values[state->column->attnum - 1]);
	len = strlen(string);
	string = unconstify(char *, kfdw_text_to_utf8(string, &len));
	appendBinaryStringInfo(out, string, (int) len);
	state->columns->current = NULL;
}

/* Appends the bytes. */
static void
encode_raw(void *arg, const Datum *values, const bool *nulls, StringInfo out)
{
	TextState  *state = arg;
	const char *bytes;
	size_t		len;

	check_not_null(state->column, nulls);
	bytes = kfdw_column_to_bytes(state->column, values[state->column->attnum - 1], &len);
	appendBinaryStringInfo(out, bytes, (int) len);
}

const KafkaFormat kfdw_format_text = {
	.name = "text",
	.start = start_text,
	.decode = decode_text,
	.encode = encode_text,
};

const KafkaFormat kfdw_format_raw = {
	.name = "raw",
	.start = start_raw,
	.decode = decode_raw,
	.encode = encode_raw,
};
