/*
 * json.c
 *	  The format "json": the value or key is an object, columns are its fields; a
 *	  key may also be a column as a whole.
 *
 * The fields that columns need form a tree, as a field may be a path.  A record is
 * scanned once, and only where a needed field starts and ends is noted.  Afterwards
 * each column is converted from that piece of the input.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/jsonfuncs.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "format/convert.h"
#include "format/epoch.h"
#include "format/format.h"
#include "format/json_scan.h"
#include "format/json_string.h"

typedef struct JsonState
{
	KafkaColumns *columns;
	MemoryContext context;		/* lives as long as this */
	JsonFields *fields;
} JsonState;

/* Prepares the tree of fields. */
static void *
start_json(KafkaFields *fields, const KafkaFormatOptions *options)
{
	JsonState  *state = palloc0(sizeof(JsonState));

	state->columns = fields->columns;
	state->context = CurrentMemoryContext;
	state->fields = kfdw_json_fields_create(fields);
	return state;
}

/* Decoding ------------------------------------------------------------------- */

/* The text of a string token; PostgreSQL's lexer says what is wrong with one that has none. */
static const char *
string_text(const char *token, size_t *len)
{
	size_t		token_len = *len;
	const char *text = kfdw_json_string_text(token, len);

	if (text == NULL)
	{
		JsonLexContext *lexer = kfdw_make_json_lexer(token, token_len, GetDatabaseEncoding(), true);

		kfdw_json_report(json_lex(lexer), lexer);
	}
	return text;
}

/* What is decoded, for messages. */
static const char *
part_name(const JsonState *state)
{
	return state->fields->is_key ? "key" : "value";
}

/* True when a column is wanted that is a field of an object. */
static bool
wants_field(const JsonState *state)
{
	for (int i = 0; i < state->fields->ncolumns; i++)
	{
		const KafkaField *owner = state->fields->columns[i].owner;

		if (owner->wanted && !owner->whole)
			return true;
	}
	return false;
}

/* Fails for JSON that is no object. */
static void
check_object(const JsonState *state, char first)
{
	if (first != '{' && wants_field(state))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("the record's %s is not a JSON object", part_name(state)),
				 errdetail("It is %s; the format \"json\" reads columns from the fields of an object.",
						   first == '[' ? "an array" : "a single value")));
}

/* A record with one NULL column of the type, which json_populate_record() fills. */
static Datum
make_populate_base(const KafkaColumn *column)
{
	TupleDesc	desc = CreateTemplateTupleDesc(1);
	Datum		value = (Datum) 0;
	bool		isnull = true;

	TupleDescInitEntry(desc, 1, "value", column->type, column->typmod, 0);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), &value, &isnull));
}

/* Looks up json_populate_record() for the type of a column. */
static void
lookup_populate(JsonState *state, JsonColumn *json_column)
{
	MemoryContext previous = MemoryContextSwitchTo(state->context);
	Const	   *arg = makeNullConst(RECORDOID, -1, InvalidOid);
	FmgrInfo   *function = &json_column->populate;

	json_column->populate_base = make_populate_base(json_column->column);
	fmgr_info(F_JSON_POPULATE_RECORD, function);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_JSON_POPULATE_RECORD, RECORDOID, list_make1(arg),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL), function);
	MemoryContextSwitchTo(previous);
}

/* A JSON array or object as an array or composite value. */
static Datum
populate(JsonState *state, JsonColumn *json_column, bool *isnull)
{
	JsonField  *field = json_column->field;
	StringInfoData json;
	Datum		record;

	if (!OidIsValid(json_column->populate.fn_oid))
		lookup_populate(state, json_column);

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"value\":");
	appendBinaryStringInfo(&json, field->start, (int) field->value_len);
	appendStringInfoChar(&json, '}');
	record = FunctionCall3(&json_column->populate, json_column->populate_base,
						   PointerGetDatum(cstring_to_text_with_len(json.data, json.len)),
						   BoolGetDatum(false));
	return GetAttributeByNum(DatumGetHeapTupleHeader(record), 1, isnull);
}

/* True for types that take JSON arrays and objects as text. */
static bool
takes_json_text(Oid type)
{
	return type == JSONOID || type == JSONBOID || type == TEXTOID || type == VARCHAROID ||
		type == BPCHAROID;
}

/* Converts the piece of JSON that belongs to a column. */
static void
decode_column(JsonState *state, JsonColumn *json_column, Datum *value, bool *isnull)
{
	KafkaColumn *column = json_column->column;
	const char *string = json_column->field->start;
	size_t		len = json_column->field->value_len;
	JsonTokenType token = json_column->field->token;
	bool		is_json = column->base_type == JSONOID || column->base_type == JSONBOID;

	if (token == JSON_TOKEN_NULL && !is_json)
		return;

	*isnull = false;
	if ((token == JSON_TOKEN_OBJECT_START || token == JSON_TOKEN_ARRAY_START) &&
		!takes_json_text(column->base_type) && column->epoch == NULL)
	{
		*value = populate(state, json_column, isnull);
		return;
	}
	if (column->type == JSONOID)
	{
		*value = PointerGetDatum(cstring_to_text_with_len(string, (int) len));
		return;
	}
	if (token == JSON_TOKEN_STRING && !is_json)
		string = string_text(string, &len);
	*value = kfdw_column_from_text(column, string, len);
}

/* Parses a value and sets the columns whose fields it has. */
static void
decode_json(void *arg, const char *bytes, size_t len, Datum *values, bool *nulls)
{
	JsonState  *state = arg;
	JsonFields *fields = state->fields;
	const char *value;

	value = kfdw_text_from_utf8(bytes, &len);
	value = kfdw_json_spell_out(value, &len);
	kfdw_json_fields_reset(fields);
	kfdw_json_scan(fields, value, len);
	check_object(state, *fields->root.start);

	for (int i = 0; i < fields->ncolumns; i++)
	{
		JsonColumn *json_column = &fields->columns[i];
		int			att = json_column->column->attnum - 1;

		if (!json_column->owner->wanted || !kfdw_json_fields_found(fields, json_column->field))
			continue;
		json_column->owner->found = true;
		state->columns->current = json_column->column;
		decode_column(state, json_column, &values[att], &nulls[att]);
	}
	state->columns->current = NULL;
}

/* Encoding ------------------------------------------------------------------- */

/* True for a NULL that is left out, so that it stays apart from a JSON null. */
static bool
is_left_out(const JsonColumn *json_column, const bool *nulls)
{
	const KafkaColumn *column = json_column->column;

	return nulls[column->attnum - 1] &&
		(column->base_type == JSONOID || column->base_type == JSONBOID);
}

/* Appends the value of one column. */
static void
write_column(JsonState *state, JsonColumn *json_column, const Datum *values, const bool *nulls,
			 StringInfo out)
{
	KafkaColumn *column = json_column->column;
	int			att = column->attnum - 1;

	state->columns->current = column;
	if (json_column->writer == NULL)
	{
		MemoryContext previous = MemoryContextSwitchTo(state->context);

		json_column->writer = kfdw_json_writer_create(column->type);
		MemoryContextSwitchTo(previous);
	}
	if (nulls[att])
		appendStringInfoString(out, "null");
	else if (column->epoch != NULL)
		appendStringInfoString(out, kfdw_epoch_to_text(column, values[att]));
	else
		kfdw_json_write(json_column->writer, values[att], out);
	state->columns->current = NULL;
}

/* Appends an object with its fields, in the order of the columns. */
static void
write_object(JsonState *state, JsonField *object, const Datum *values, const bool *nulls, StringInfo out)
{
	char		separator = '{';

	check_stack_depth();
	for (int i = 0; i < object->nchildren; i++)
	{
		JsonField  *field = object->children[i];

		if (field->column != NULL && is_left_out(field->column, nulls))
			continue;
		appendStringInfoChar(out, separator);
		appendBinaryStringInfo(out, field->label, field->label_len);
		if (field->column != NULL)
			write_column(state, field->column, values, nulls, out);
		else
			write_object(state, field, values, nulls, out);
		separator = ',';
	}
	appendStringInfoString(out, separator == '{' ? "{}" : "}");
}

/* Appends the object of all fields, or the column that is all of it. */
static void
encode_json(void *arg, const Datum *values, const bool *nulls, StringInfo out)
{
	JsonState  *state = arg;

	kfdw_json_fields_check_writable(state->fields);
	if (state->fields->root.column != NULL)
		write_column(state, state->fields->root.column, values, nulls, out);
	else
		write_object(state, &state->fields->root, values, nulls, out);
	kfdw_text_all_to_utf8(out);
}

const KafkaFormat kfdw_format_json = {
	.name = "json",
	.is_text = true,
	.start = start_json,
	.decode = decode_json,
	.encode = encode_json,
};
