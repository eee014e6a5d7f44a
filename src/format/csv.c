/*
 * csv.c
 *	  The format "csv": the value is a line as COPY has it, columns are its fields
 *	  in their order.
 *
 * The rules of quoting are COPY's.  A record is one line: line ends inside it are
 * quoted, and one at its end, as tools leave it there, does not count.
 */
#include "postgres.h"

#include "utils/lsyscache.h"

#include "format/convert.h"
#include "format/format.h"

typedef struct CsvState
{
	KafkaFields *fields;
	KafkaCsvOptions csv;
	bool		ends_run[256];	/* bytes that mean something outside quotes */
	StringInfoData text;		/* the fields, each ending in NUL */
	char	  **start;			/* of each field in it; NULL for NULL */
} CsvState;

/* Fails for columns that a line cannot have. */
static void
check_fields(const KafkaFields *fields)
{
	for (int i = 0; i < fields->count; i++)
	{
		const KafkaColumn *column = fields->field[i].column;

		if (column->kind == KAFKA_COLUMN_PAYLOAD && fields->field[i].path != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("column \"%s\" of foreign table \"%s\" cannot have the option \"field\"",
							column->name, get_rel_name(fields->columns->relid)),
					 errdetail("In the format \"csv\" fields have no names; the table's columns are the fields in their order.")));
	}
}

/* Prepares the buffer and the table of bytes. */
static void *
start_csv(KafkaFields *fields, const KafkaFormatOptions *options)
{
	CsvState   *state = palloc0(sizeof(CsvState));

	check_fields(fields);
	state->fields = fields;
	state->csv = options->csv;
	state->start = palloc(sizeof(char *) * Max(fields->count, 1));
	initStringInfo(&state->text);
	state->ends_run[(unsigned char) state->csv.delimiter] = true;
	state->ends_run[(unsigned char) state->csv.quote] = true;
	state->ends_run['\n'] = true;
	state->ends_run['\r'] = true;
	return state;
}

/* Copies what stands in quotes, from behind the first one to behind the last one. */
static const char *
copy_quoted(const CsvState *state, const char *p, const char *end, char **out)
{
	const char	quote = state->csv.quote;
	const char	escape = state->csv.escape;

	for (; p < end; p++)
	{
		if (*p == escape && p + 1 < end && (p[1] == quote || p[1] == escape))
			p++;
		else if (*p == quote)
			return p + 1;
		*(*out)++ = *p;
	}
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("unterminated CSV quoted field")));
	return NULL;				/* not reached */
}

/* Copies a field up to the delimiter behind it, or the end; parts of it may be in quotes. */
static const char *
copy_field(const CsvState *state, const char *p, const char *end, char **out, bool *quoted)
{
	for (;;)
	{
		while (p < end && !state->ends_run[(unsigned char) *p])
			*(*out)++ = *p++;
		if (p == end || *p == state->csv.delimiter)
			return p;
		if (*p != state->csv.quote)
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("unquoted line end in a CSV record"),
					 errhint("A record is one line: a line end in a field is in quotes.")));
		*quoted = true;
		p = copy_quoted(state, p + 1, end, out);
	}
}

/* The length of a line without the line end behind it. */
static size_t
line_length(const char *line, size_t len)
{
	if (len > 0 && line[len - 1] == '\n')
		len--;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	return len;
}

/* Splits a line into the text of its fields, of which there must be as many as columns. */
static void
split(CsvState *state, const char *line, size_t len)
{
	const char *p = line;
	const char *end = line + line_length(line, len);
	char	   *out;
	int			count = 0;

	/* a NUL takes the place of a delimiter, and no field grows */
	resetStringInfo(&state->text);
	enlargeStringInfo(&state->text, (int) len + 1);
	out = state->text.data;

	for (;;)
	{
		char	   *start = out;
		bool		quoted = false;

		if (count == state->fields->count)
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("extra data after last expected column")));
		p = copy_field(state, p, end, &out, &quoted);
		*out++ = '\0';
		state->start[count++] = !quoted && strcmp(start, state->csv.null) == 0 ? NULL : start;
		if (p == end)
			break;
		p++;
	}
	if (count < state->fields->count)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("missing data for column \"%s\"", state->fields->field[count].column->name)));
}

/* Splits a line and sets the columns. */
static void
decode_csv(void *arg, const char *bytes, size_t len, Datum *values, bool *nulls)
{
	CsvState   *state = arg;

	split(state, kfdw_text_from_utf8(bytes, &len), len);
	for (int i = 0; i < state->fields->count; i++)
	{
		KafkaField *field = &state->fields->field[i];
		KafkaColumn *column = field->column;

		field->found = true;
		if (!field->wanted || state->start[i] == NULL)
			continue;
		state->fields->columns->current = column;
		values[column->attnum - 1] = kfdw_column_from_string(column, state->start[i]);
		nulls[column->attnum - 1] = false;
	}
	state->fields->columns->current = NULL;
}

/* True for a field that would be read otherwise without quotes. */
static bool
needs_quotes(const CsvState *state, const char *string)
{
	if (strcmp(string, state->csv.null) == 0)
		return true;
	for (; *string != '\0'; string++)
	{
		if (state->ends_run[(unsigned char) *string])
			return true;
	}
	return false;
}

/* Appends a field, in quotes where it needs them. */
static void
write_field(const CsvState *state, const char *string, StringInfo out)
{
	if (!needs_quotes(state, string))
	{
		appendStringInfoString(out, string);
		return;
	}
	appendStringInfoChar(out, state->csv.quote);
	for (; *string != '\0'; string++)
	{
		if (*string == state->csv.quote || *string == state->csv.escape)
			appendStringInfoChar(out, state->csv.escape);
		appendStringInfoChar(out, *string);
	}
	appendStringInfoChar(out, state->csv.quote);
}

/* Appends a line, without a line end. */
static void
encode_csv(void *arg, const Datum *values, const bool *nulls, StringInfo out)
{
	CsvState   *state = arg;

	for (int i = 0; i < state->fields->count; i++)
	{
		KafkaColumn *column = state->fields->field[i].column;
		int			att = column->attnum - 1;

		if (i > 0)
			appendStringInfoChar(out, state->csv.delimiter);
		state->fields->columns->current = column;
		if (nulls[att])
			appendStringInfoString(out, state->csv.null);
		else
			write_field(state, kfdw_column_to_string(column, values[att]), out);
	}
	state->fields->columns->current = NULL;
	kfdw_text_all_to_utf8(out);
}

const KafkaFormat kfdw_format_csv = {
	.name = "csv",
	.start = start_csv,
	.decode = decode_csv,
	.encode = encode_csv,
};
