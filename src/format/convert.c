/*
 * convert.c
 *	  One value from and to text, and from and to the bytes of a record.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "compat.h"
#include "format/convert.h"
#include "format/epoch.h"
#include "format/json_string.h"
#include "format/quick.h"

/* Bytes that another program wrote: they are verified even where nothing is converted. */
const char *
kfdw_text_from_utf8(const char *bytes, size_t *len)
{
	char	   *string = pg_any_to_server(bytes, (int) *len, PG_UTF8);

	if (string != bytes)
		*len = strlen(string);
	return string;
}

/* Our own text: valid in the database's encoding already. */
const char *
kfdw_text_to_utf8(const char *string, size_t *len)
{
	char	   *bytes = pg_server_to_any(string, (int) *len, PG_UTF8);

	if (bytes != string)
		*len = strlen(bytes);
	return bytes;
}

/* In place where something has to be converted. */
void
kfdw_text_all_to_utf8(StringInfo text)
{
	size_t		len = text->len;
	const char *bytes = kfdw_text_to_utf8(text->data, &len);

	if (bytes == text->data)
		return;
	resetStringInfo(text);
	appendBinaryStringInfo(text, bytes, (int) len);
}

/* True for text that a column takes as it is, as no more bytes than characters are allowed. */
static bool
is_kept(const KafkaColumn *column, size_t len)
{
	return column->type == TEXTOID ||
		(column->type == VARCHAROID && (column->typmod < (int32) VARHDRSZ || len <= (size_t) (column->typmod - VARHDRSZ)));
}

/* A value that needs no call of its type's input function. */
static bool
convert_quickly(const KafkaColumn *column, const char *string, size_t len, Datum *value)
{
	if (is_kept(column, len))
		*value = PointerGetDatum(cstring_to_text_with_len(string, (int) len));
	else if (column->epoch != NULL)
		*value = kfdw_epoch_from_text(column, string, len);
	else
		return kfdw_quick_value(column, string, len, value);
	return true;
}

/* Text as a type's input function reads it; JSON may have escapes that it refuses. */
static const char *
readable(const KafkaColumn *column, const char *string, size_t *len)
{
	if (column->base_type == JSONOID || column->base_type == JSONBOID)
		return kfdw_json_spell_out(string, len);
	return string;
}

Datum
kfdw_column_from_string(KafkaColumn *column, char *string, size_t len)
{
	Datum		value;

	if (convert_quickly(column, string, len, &value))
		return value;
	string = unconstify(char *, readable(column, string, &len));
	return InputFunctionCall(&column->input, string, column->typioparam, column->typmod);
}

Datum
kfdw_column_from_text(KafkaColumn *column, const char *string, size_t len)
{
	Datum		value;

	if (convert_quickly(column, string, len, &value))
		return value;
	string = readable(column, string, &len);
	return InputFunctionCall(&column->input, pnstrdup(string, len), column->typioparam, column->typmod);
}

void
kfdw_column_check_null(KafkaColumn *column)
{
	(void) InputFunctionCall(&column->input, NULL, column->typioparam, column->typmod);
}

/* By the type's output function, or as a number. */
char *
kfdw_column_to_string(KafkaColumn *column, Datum value)
{
	if (column->epoch != NULL)
		return kfdw_epoch_to_text(column, value);
	return OutputFunctionCall(&column->output, value);
}

/* A domain over bytea is checked as its input function would. */
Datum
kfdw_column_from_bytes(KafkaColumn *column, const char *bytes, size_t len)
{
	if (column->base_type == BYTEAOID)
	{
		Datum		value = PointerGetDatum(cstring_to_text_with_len(bytes, (int) len));

		if (column->type != column->base_type)
			domain_check(value, false, column->type, NULL, CurrentMemoryContext);
		return value;
	}
	bytes = kfdw_text_from_utf8(bytes, &len);
	return kfdw_column_from_text(column, bytes, len);
}

/* As text, but for bytea. */
const char *
kfdw_column_to_bytes(KafkaColumn *column, Datum value, size_t *len)
{
	char	   *string;

	if (column->base_type == BYTEAOID)
	{
		bytea	   *bytes = DatumGetByteaPP(value);

		*len = VARSIZE_ANY_EXHDR(bytes);
		return VARDATA_ANY(bytes);
	}
	string = kfdw_column_to_string(column, value);
	*len = strlen(string);
	return kfdw_text_to_utf8(string, len);
}
