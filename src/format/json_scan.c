/*
 * json_scan.c
 *	  Where the fields of a record's JSON are, found in one pass that copies nothing.
 *
 * PostgreSQL's parser takes several times as long.  What is JSON and what is not is as
 * it says: where this finds none, it is asked what is wrong.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/jsonfuncs.h"

#include "compat.h"
#include "format/json_scan.h"
#include "format/json_string.h"

/* Deeper JSON is judged by PostgreSQL's parser too, whose stack is full sooner. */
#define DEEP	1000

typedef struct JsonScan
{
	JsonFields *fields;
	const char *end;
	int			depth;
	bool		is_deep;
} JsonScan;

static const char *scan_value(JsonScan *scan, const char *p, JsonField *field);

/* True where a character comes next. */
static inline bool
is_at(const JsonScan *scan, const char *p, char character)
{
	return p < scan->end && *p == character;
}

static inline const char *
skip_space(const JsonScan *scan, const char *p)
{
	while (p < scan->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

static inline const char *
skip_digits(const JsonScan *scan, const char *p)
{
	while (p < scan->end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

/* Behind an escape; NULL for none. */
static const char *
scan_escape(const JsonScan *scan, const char *p)
{
	if (scan->end - p < 2)
		return NULL;
	if (p[1] != 'u')
		return strchr("\"\\/bfnrt", p[1]) != NULL ? p + 2 : NULL;
	if (scan->end - p < 6)
		return NULL;
	for (int i = 2; i < 6; i++)
		if (!isxdigit((unsigned char) p[i]))
			return NULL;
	return p + 6;
}

/* Behind a string from its quote on; NULL for none. */
static const char *
scan_string(const JsonScan *scan, const char *p)
{
	p = kfdw_json_skip_plain(p + 1, scan->end);
	while (is_at(scan, p, '\\'))
	{
		p = scan_escape(scan, p);
		if (p == NULL)
			return NULL;
		p = kfdw_json_skip_plain(p, scan->end);
	}
	return is_at(scan, p, '"') ? p + 1 : NULL;
}

/* Behind a number; NULL for none. */
static const char *
scan_number(const JsonScan *scan, const char *p)
{
	const char *digits = *p == '-' ? p + 1 : p;

	p = is_at(scan, digits, '0') ? digits + 1 : skip_digits(scan, digits);
	if (p == digits)
		return NULL;
	if (is_at(scan, p, '.'))
	{
		digits = p + 1;
		p = skip_digits(scan, digits);
		if (p == digits)
			return NULL;
	}
	if (is_at(scan, p, 'e') || is_at(scan, p, 'E'))
	{
		digits = p + 1;
		if (is_at(scan, digits, '+') || is_at(scan, digits, '-'))
			digits++;
		p = skip_digits(scan, digits);
		if (p == digits)
			return NULL;
	}
	return p;
}

/* Behind a word; NULL where it is another one. */
static const char *
scan_word(const JsonScan *scan, const char *p, const char *word, size_t len)
{
	return scan->end - p >= (ptrdiff_t) len && memcmp(p, word, len) == 0 ? p + len : NULL;
}

/* The field of a name, a string with its quotes, that columns need of an object; NULL for none. */
static JsonField *
find_field(const JsonScan *scan, JsonField *object, const char *name, size_t len)
{
	const char *text;

	if (object == NULL || object->nchildren == 0)
		return NULL;
	text = kfdw_json_string_text(name, &len);
	return text == NULL ? NULL : kfdw_json_fields_match(scan->fields, object, text, len);
}

/* Behind an object from its brace on, whose fields are noted; NULL for none. */
static const char *
scan_object(JsonScan *scan, const char *p, JsonField *object)
{
	p = skip_space(scan, p + 1);
	if (is_at(scan, p, '}'))
		return p + 1;
	for (;;)
	{
		const char *name = p;
		JsonField  *field;

		if (!is_at(scan, p, '"') || (p = scan_string(scan, p)) == NULL)
			return NULL;
		field = find_field(scan, object, name, p - name);
		p = skip_space(scan, p);
		if (!is_at(scan, p, ':') || (p = scan_value(scan, p + 1, field)) == NULL)
			return NULL;
		p = skip_space(scan, p);
		if (is_at(scan, p, '}'))
			return p + 1;
		if (!is_at(scan, p, ','))
			return NULL;
		p = skip_space(scan, p + 1);
	}
}

/* Behind an array from its bracket on; NULL for none. */
static const char *
scan_array(JsonScan *scan, const char *p)
{
	p = skip_space(scan, p + 1);
	if (is_at(scan, p, ']'))
		return p + 1;
	for (;;)
	{
		p = scan_value(scan, p, NULL);
		if (p == NULL)
			return NULL;
		p = skip_space(scan, p);
		if (is_at(scan, p, ']'))
			return p + 1;
		if (!is_at(scan, p, ','))
			return NULL;
		p++;
	}
}

/* Behind an array or object; NULL for none. */
static const char *
scan_container(JsonScan *scan, const char *p, JsonField *object)
{
	check_stack_depth();
	if (++scan->depth == DEEP)
		scan->is_deep = true;
	p = *p == '{' ? scan_object(scan, p, object) : scan_array(scan, p);
	scan->depth--;
	return p;
}

/* Behind a value and the space before it; NULL for none.  It is noted as that of a field, unless NULL. */
static const char *
scan_value(JsonScan *scan, const char *p, JsonField *field)
{
	JsonTokenType token;
	const char *start = p = skip_space(scan, p);

	if (p == scan->end)
		return NULL;
	switch (*p)
	{
		case '"':
			token = JSON_TOKEN_STRING;
			p = scan_string(scan, p);
			break;
		case '{':
			token = JSON_TOKEN_OBJECT_START;
			p = scan_container(scan, p, field);
			break;
		case '[':
			token = JSON_TOKEN_ARRAY_START;
			p = scan_container(scan, p, NULL);
			break;
		case 't':
			token = JSON_TOKEN_TRUE;
			p = scan_word(scan, p, "true", 4);
			break;
		case 'f':
			token = JSON_TOKEN_FALSE;
			p = scan_word(scan, p, "false", 5);
			break;
		case 'n':
			token = JSON_TOKEN_NULL;
			p = scan_word(scan, p, "null", 4);
			break;
		default:
			token = JSON_TOKEN_NUMBER;
			p = scan_number(scan, p);
			break;
	}
	if (p != NULL && field != NULL)
	{
		field->token = token;
		field->start = start;
		field->value_len = p - start;
	}
	return p;
}

void
kfdw_json_scan(JsonFields *fields, const char *json, size_t len)
{
	JsonScan	scan = {fields, json + len};
	const char *p = scan_value(&scan, json, &fields->root);
	bool		is_json = p != NULL && skip_space(&scan, p) == scan.end;

	if (!is_json || scan.is_deep)
		pg_parse_json_or_ereport(kfdw_make_json_lexer(json, len, GetDatabaseEncoding(), false), &nullSemAction);
	if (!is_json)
		elog(ERROR, "JSON was not understood");
	fields->root.record = fields->record;
}
