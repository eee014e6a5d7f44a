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

/* A field of a line, unquoted and ending in NUL. */
typedef struct CsvField
{
	char	   *start;
	size_t		len;
	bool		quoted;
} CsvField;

typedef struct CsvState
{
	KafkaFields *fields;
	KafkaCsvOptions csv;
	size_t		null_len;
	bool		ends_run[256];	/* bytes that mean something outside quotes */
	StringInfoData line;		/* of which the fields are pieces */
	CsvField   *found;
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
	state->null_len = strlen(options->csv.null);
	state->found = palloc(sizeof(CsvField) * Max(fields->count, 1));
	initStringInfo(&state->line);
	state->ends_run['\0'] = true;
	state->ends_run[(unsigned char) state->csv.delimiter] = true;
	state->ends_run[(unsigned char) state->csv.quote] = true;
	state->ends_run['\n'] = true;
	state->ends_run['\r'] = true;
	return state;
}

/* Moves what stands in quotes, from behind the first one, to *out; returns what is behind the last one. */
static char *
unquote(const CsvState *state, char *p, char **out)
{
	const char	quote = state->csv.quote;
	const char	escape = state->csv.escape;

	for (; *p != '\0'; p++)
	{
		if (*p == escape && p[1] != '\0' && (p[1] == quote || p[1] == escape))
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

/* The end of bytes that mean nothing but themselves. */
static char *
skip_run(const CsvState *state, char *p)
{
	while (!state->ends_run[(unsigned char) *p])
		p++;
	return p;
}

/*
 * Finds a field, up to the delimiter behind it or the end of the line; parts of it
 * may be in quotes.  It only gets shorter, so what is unquoted stays in its place.
 */
static char *
find_field(const CsvState *state, char *p, CsvField *field)
{
	char	   *out;

	field->start = p;
	field->quoted = false;
	out = p = skip_run(state, p);
	while (*p != '\0' && *p != state->csv.delimiter)
	{
		char	   *run;

		if (*p != state->csv.quote)
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("unquoted line end in a CSV record"),
					 errhint("A record is one line: a line end in a field is in quotes.")));
		field->quoted = true;
		run = unquote(state, p + 1, &out);
		p = skip_run(state, run);
		memmove(out, run, p - run);
		out += p - run;
	}
	field->len = out - field->start;
	return p;
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

/* Splits a line into its fields, of which there must be as many as columns. */
static void
split(CsvState *state, const char *line, size_t len)
{
	char	   *p;
	bool		more = true;

	resetStringInfo(&state->line);
	appendBinaryStringInfo(&state->line, line, (int) line_length(line, len));
	p = state->line.data;
	for (int i = 0; i < state->fields->count; i++)
	{
		CsvField   *field = &state->found[i];

		if (!more)
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("missing data for column \"%s\"", state->fields->field[i].column->name)));
		p = find_field(state, p, field);
		more = *p != '\0';
		field->start[field->len] = '\0';
		p++;
	}
	if (more)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("extra data after last expected column")));
}

/* True for what stands for NULL. */
static bool
is_null(const CsvState *state, const CsvField *field)
{
	return !field->quoted && field->len == state->null_len &&
		memcmp(field->start, state->csv.null, field->len) == 0;
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
		if (!field->wanted || is_null(state, &state->found[i]))
			continue;
		state->fields->columns->current = column;
		values[column->attnum - 1] = kfdw_column_from_string(column, state->found[i].start, state->found[i].len);
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
	.is_text = true,
	.start = start_csv,
	.decode = decode_csv,
	.encode = encode_csv,
};
