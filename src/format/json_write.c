/*
 * json_write.c
 *	  Values as JSON, as other programs expect them, as far as json.c reads the
 *	  same value back from that.
 *
 * An array or composite for which that does not hold is a string instead, the
 * type's own text form: one with bounds of its own, one with a JSON null, which
 * would be read as NULL.  A type's cast to json is not used, as nothing leads
 * back from it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "format/json_string.h"
#include "format/json_write.h"

typedef enum JsonWriterKind
{
	WRITE_TEXT_FORM,			/* as a string, by the output function */
	WRITE_BOOLEAN,
	WRITE_INTEGER,
	WRITE_NUMBER,
	WRITE_STRING,
	WRITE_TIME,					/* as ISO 8601 has it */
	WRITE_JSON,
	WRITE_ARRAY,
	WRITE_COMPOSITE
} JsonWriterKind;

struct JsonWriter
{
	Oid			type;			/* below any domain */
	JsonWriterKind kind;
	FmgrInfo	output;

	JsonWriter *element;		/* of an array */
	Oid			element_type;
	int16		element_len;
	bool		element_byval;
	char		element_align;

	TupleDesc	desc;			/* of a composite */
	JsonWriter **attributes;	/* NULL where one is dropped */
};

static bool write_inside(JsonWriter *writer, const JsonWriter *container, Datum value, StringInfo out);

/* Looks up what an array consists of. */
static void
describe_array(JsonWriter *writer, Oid element)
{
	writer->kind = WRITE_ARRAY;
	writer->element = kfdw_json_writer_create(element);
	writer->element_type = element;
	get_typlenbyvalalign(element, &writer->element_len, &writer->element_byval, &writer->element_align);
}

/* Looks up what a composite consists of. */
static void
describe_composite(JsonWriter *writer)
{
	writer->kind = WRITE_COMPOSITE;
	writer->desc = lookup_rowtype_tupdesc_copy(writer->type, -1);
	writer->attributes = palloc0(sizeof(JsonWriter *) * Max(writer->desc->natts, 1));
	for (int i = 0; i < writer->desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(writer->desc, i);

		if (!attribute->attisdropped)
			writer->attributes[i] = kfdw_json_writer_create(attribute->atttypid);
	}
}

/* How a type is written that is no array and no composite. */
static JsonWriterKind
scalar_kind(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return WRITE_BOOLEAN;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return WRITE_INTEGER;
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return WRITE_NUMBER;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return WRITE_STRING;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return WRITE_TIME;
		case JSONOID:
		case JSONBOID:
			return WRITE_JSON;
		default:
			return WRITE_TEXT_FORM;
	}
}

/* A type is made of others, to any depth. */
JsonWriter *
kfdw_json_writer_create(Oid type)
{
	JsonWriter *writer = palloc0(sizeof(JsonWriter));
	Oid			element;
	Oid			output;
	bool		is_varlena;

	check_stack_depth();
	writer->type = getBaseType(type);
	getTypeOutputInfo(writer->type, &output, &is_varlena);
	fmgr_info(output, &writer->output);

	element = get_element_type(writer->type);
	if (OidIsValid(element))
		describe_array(writer, element);
	else if (type_is_rowtype(writer->type))
		describe_composite(writer);
	else
		writer->kind = scalar_kind(writer->type);
	return writer;
}

/* Appends a string of the type's own text form. */
static void
write_text_form(JsonWriter *writer, Datum value, StringInfo out)
{
	escape_json(out, OutputFunctionCall(&writer->output, value));
}

/* Appends an integer. */
static void
write_integer(Oid type, Datum value, StringInfo out)
{
	int64		integer = type == INT8OID ? DatumGetInt64(value) :
		type == INT4OID ? DatumGetInt32(value) : DatumGetInt16(value);

	enlargeStringInfo(out, MAXINT8LEN + 1);
	out->len += pg_lltoa(integer, out->data + out->len);
}

/* Appends text. */
static void
write_string(Datum value, StringInfo out)
{
	text	   *string = DatumGetTextPP(value);

	kfdw_json_append_string(out, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
}

/* Appends a number, as a string where JSON has none such (NaN, Infinity). */
static void
write_number(JsonWriter *writer, Datum value, StringInfo out)
{
	char	   *string = OutputFunctionCall(&writer->output, value);
	const char *digits = string[0] == '-' ? string + 1 : string;

	if (*digits >= '0' && *digits <= '9')
		appendStringInfoString(out, string);
	else
		escape_json(out, string);
}

/* Appends a date or timestamp. */
static void
write_time(JsonWriter *writer, Datum value, StringInfo out)
{
	enlargeStringInfo(out, MAXDATELEN + 3);
	appendStringInfoCharMacro(out, '"');
	JsonEncodeDateTime(out->data + out->len, value, writer->type, NULL);
	out->len += (int) strlen(out->data + out->len);
	appendStringInfoCharMacro(out, '"');
}

/* True for bounds that a JSON array cannot tell. */
static bool
has_own_bounds(ArrayType *array)
{
	for (int i = 0; i < ARR_NDIM(array); i++)
	{
		if (ARR_LBOUND(array)[i] != 1)
			return true;
	}
	return false;
}

/*
 * Appends the elements of an array as nested JSON arrays: a bracket opens before
 * each element that is the first one of a dimension, and closes behind the last
 * one.  False when one of them could not be told.
 */
static bool
write_elements(JsonWriter *writer, ArrayType *array, StringInfo out)
{
	int			ndims = ARR_NDIM(array);
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(array, writer->element_type, writer->element_len, writer->element_byval,
					  writer->element_align, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		int			opening = 0;
		int			closing = 0;

		for (int d = ndims - 1, size = 1; d >= 0; d--)
		{
			size *= ARR_DIMS(array)[d];
			opening += i % size == 0;
			closing += (i + 1) % size == 0;
		}
		if (i > 0)
			appendStringInfoChar(out, ',');
		for (int d = 0; d < opening; d++)
			appendStringInfoChar(out, '[');
		if (nulls[i])
			appendStringInfoString(out, "null");
		else if (!write_inside(writer->element, writer, elements[i], out))
			return false;
		for (int d = 0; d < closing; d++)
			appendStringInfoChar(out, ']');
	}
	if (count == 0)
		appendStringInfoString(out, "[]");
	return true;
}

/* Appends an array; false when a JSON array could not tell it. */
static bool
write_array(JsonWriter *writer, Datum value, StringInfo out)
{
	ArrayType  *array = DatumGetArrayTypeP(value);

	return !has_own_bounds(array) && write_elements(writer, array, out);
}

/* Appends a composite; false when a JSON object could not tell it. */
static bool
write_composite(JsonWriter *writer, Datum value, StringInfo out)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	Datum	   *values = palloc(sizeof(Datum) * Max(writer->desc->natts, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(writer->desc->natts, 1));
	const char *separator = "{";

	heap_deform_tuple(&tuple, writer->desc, values, nulls);
	for (int i = 0; i < writer->desc->natts; i++)
	{
		if (writer->attributes[i] == NULL)
			continue;
		appendStringInfoString(out, separator);
		escape_json(out, NameStr(TupleDescAttr(writer->desc, i)->attname));
		appendStringInfoChar(out, ':');
		if (nulls[i])
			appendStringInfoString(out, "null");
		else if (!write_inside(writer->attributes[i], writer, values[i], out))
			return false;
		separator = ",";
	}
	appendStringInfoString(out, separator[0] == '{' ? "{}" : "}");
	return true;
}

/*
 * True when JSON inside an array or composite is read back as it is.  There a null
 * is NULL, an array in an array is a dimension of it, and escapes are replaced,
 * which fails for some that the type json takes.
 */
static bool
is_kept_inside(const JsonWriter *container, Oid type, const char *json)
{
	const char *first = json + strspn(json, " \t\n\r");

	if (*first == 'n')
		return false;
	if (*first == '[' && container->kind == WRITE_ARRAY)
		return false;
	if (type == JSONBOID)
		return true;
	return *first == '"' ? strchr(first, '\\') == NULL : strstr(first, "\\u") == NULL;
}

/* Appends a value inside an array or composite; false when that could not tell it. */
static bool
write_inside(JsonWriter *writer, const JsonWriter *container, Datum value, StringInfo out)
{
	check_stack_depth();
	if (writer->kind == WRITE_JSON)
	{
		char	   *json = OutputFunctionCall(&writer->output, value);

		appendStringInfoString(out, json);
		return is_kept_inside(container, writer->type, json);
	}
	/* an array in an array (of a domain) would be a dimension of it */
	if (writer->kind == WRITE_ARRAY && container->kind == WRITE_ARRAY)
		write_text_form(writer, value, out);
	else
		kfdw_json_write(writer, value, out);
	return true;
}

/* What begins as an array or object may turn out to need the text form. */
void
kfdw_json_write(JsonWriter *writer, Datum value, StringInfo out)
{
	int			start = out->len;
	bool		told = true;

	switch (writer->kind)
	{
		case WRITE_TEXT_FORM:
			write_text_form(writer, value, out);
			break;
		case WRITE_BOOLEAN:
			appendStringInfoString(out, DatumGetBool(value) ? "true" : "false");
			break;
		case WRITE_INTEGER:
			write_integer(writer->type, value, out);
			break;
		case WRITE_NUMBER:
			write_number(writer, value, out);
			break;
		case WRITE_STRING:
			write_string(value, out);
			break;
		case WRITE_TIME:
			write_time(writer, value, out);
			break;
		case WRITE_JSON:
			appendStringInfoString(out, OutputFunctionCall(&writer->output, value));
			break;
		case WRITE_ARRAY:
			told = write_array(writer, value, out);
			break;
		case WRITE_COMPOSITE:
			told = write_composite(writer, value, out);
			break;
	}
	if (!told)
	{
		out->len = start;
		write_text_form(writer, value, out);
	}
}
