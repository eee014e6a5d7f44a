/*
 * infer.c
 *	  The columns that a table of a topic of JSON objects might have, from some of them.
 *
 * Of each field it is noted which kinds of values it had; the type at the end is one that
 * holds all of these, jsonb where no other does, and text where not even that.
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/memutils.h"

#include "compat.h"
#include "fdw/infer.h"
#include "format/convert.h"
#include "format/guard.h"
#include "format/json_string.h"

/* The kinds of values, ored together. */
#define SEEN_NULL		0x01
#define SEEN_BOOLEAN	0x02
#define SEEN_INTEGER	0x04	/* that fits a bigint */
#define SEEN_NUMBER		0x08
#define SEEN_DATE		0x10
#define SEEN_TIMESTAMP	0x20	/* with a time zone */
#define SEEN_TEXT		0x40
#define SEEN_NESTED		0x80	/* an object or an array */
#define SEEN_HUGE		0x100	/* a number, perhaps nested, that no numeric holds, nor jsonb */

#define DIGITS			"0123456789"

/* More levels than these no record is looked at with: PostgreSQL's parser is recursive. */
#define MAX_LEVELS 1000

/* A bigint has up to 19 digits, and so has much that is none. */
#define SURE_DIGITS 18

/* A numeric has so many digits before and behind the point. */
#define NUMERIC_BEFORE	131072
#define NUMERIC_BEHIND	16383

typedef struct SeenField
{
	char	   *name;
	int			kinds;
	int			values;
	int			last_object;	/* that it was in */
} SeenField;

struct KafkaInference
{
	MemoryContext context;
	MemoryContext object_context;	/* of one object */
	List	   *fields;			/* of SeenField */
	int			objects;
	bool		too_many;		/* fields */
	JsonLexContext *lexer;		/* of the object being looked at */
	SeenField  *field;			/* of that, whose value this is; NULL: of none that is noted */
};

KafkaInference *
kfdw_infer_begin(void)
{
	KafkaInference *inference = palloc0(sizeof(KafkaInference));

	inference->context = CurrentMemoryContext;
	inference->object_context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw inference", ALLOCSET_DEFAULT_SIZES);
	return inference;
}

/* The number that so many digits are, -1 where they are no digits. */
static int
digits(const char *text, int count)
{
	int			number = 0;

	for (int i = 0; i < count; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		number = number * 10 + text[i] - '0';
	}
	return number;
}

/* True for YYYY-MM-DD. */
static bool
is_date(const char *text, size_t len)
{
	int			year = len == 10 ? digits(text, 4) : -1;
	int			month = len == 10 ? digits(text + 5, 2) : -1;
	int			day = len == 10 ? digits(text + 8, 2) : -1;

	return year > 0 && month >= 1 && month <= MONTHS_PER_YEAR && text[4] == '-' && text[7] == '-' &&
		day >= 1 && day <= day_tab[isleap(year)][month - 1];
}

/* True for a zone: Z, +HH, +HHMM, +HH:MM. */
static bool
is_zone(const char *text, size_t len)
{
	if (len == 1)
		return text[0] == 'Z';
	if ((text[0] != '+' && text[0] != '-') || len < 3 || digits(text + 1, 2) < 0 || digits(text + 1, 2) > 14)
		return false;
	if (len == 3)
		return true;
	if (len == 5)
		return digits(text + 3, 2) >= 0 && digits(text + 3, 2) < 60;
	return len == 6 && text[3] == ':' && digits(text + 4, 2) >= 0 && digits(text + 4, 2) < 60;
}

/* True for a date, a time with seconds or parts of them, and a zone, not too long for PostgreSQL's parser. */
static bool
is_timestamp(const char *text, size_t len)
{
	size_t		zone = 19;

	if (len < 20 || len > MAXDATELEN || !is_date(text, 10) || (text[10] != 'T' && text[10] != ' ') ||
		text[13] != ':' || text[16] != ':' ||
		digits(text + 11, 2) < 0 || digits(text + 11, 2) > 23 || digits(text + 14, 2) < 0 ||
		digits(text + 14, 2) > 59 || digits(text + 17, 2) < 0 || digits(text + 17, 2) > 59)
		return false;
	if (text[zone] == '.')
		for (zone++; zone < len && digits(text + zone, 1) >= 0; zone++)
			;
	return zone < len && is_zone(text + zone, len - zone);
}

/* The kind of a number. */
static int
number_kind(const char *text, size_t len)
{
	size_t		sign = text[0] == '-';

	if (len - sign > SURE_DIGITS)
		return SEEN_NUMBER;
	for (size_t i = sign; i < len; i++)
		if (text[i] < '0' || text[i] > '9')
			return SEEN_NUMBER;
	return SEEN_INTEGER;
}

/* True for a number that a numeric holds; of zero not with each exponent. */
static bool
is_numeric(const char *number)
{
	size_t		sign = number[0] == '-';
	size_t		before = strspn(number + sign, DIGITS);
	const char *end = number + sign + before;
	size_t		behind = *end == '.' ? strspn(end + 1, DIGITS) : 0;
	long		exponent = 0;

	if (*end == '.')
		end += 1 + behind;
	if (*end == 'e' || *end == 'E')
		exponent = strtol(end + 1, NULL, 10);
	exponent = Max(Min(exponent, PG_INT32_MAX), PG_INT32_MIN);
	return (int64) before + exponent <= NUMERIC_BEFORE && (int64) behind - exponent <= NUMERIC_BEHIND;
}

/* The kind of a string, with its quotes. */
static int
string_kind(const char *text, size_t len)
{
	if (is_date(text + 1, len - 2))
		return SEEN_DATE;
	return is_timestamp(text + 1, len - 2) ? SEEN_TIMESTAMP : SEEN_TEXT;
}

/* The kind of the value that begins with the current token. */
static int
value_kind(const JsonLexContext *lexer)
{
	size_t		len = lexer->token_terminator - lexer->token_start;

	switch (lexer->token_type)
	{
		case JSON_TOKEN_NULL:
			return SEEN_NULL;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			return SEEN_BOOLEAN;
		case JSON_TOKEN_NUMBER:
			return number_kind(lexer->token_start, len);
		case JSON_TOKEN_STRING:
			return string_kind(lexer->token_start, len);
		default:
			return SEEN_NESTED;
	}
}

/* The field of a name, which is added where it is new; NULL where there are too many. */
static SeenField *
find_field(KafkaInference *inference, const char *name)
{
	MemoryContext old;
	SeenField  *field;
	ListCell   *lc;

	foreach(lc, inference->fields)
	{
		field = lfirst(lc);
		if (strcmp(field->name, name) == 0)
			return field;
	}
	if (list_length(inference->fields) == KAFKA_MAX_INFERRED)
	{
		inference->too_many = true;
		return NULL;
	}
	old = MemoryContextSwitchTo(inference->context);
	field = palloc0(sizeof(SeenField));
	field->name = pstrdup(name);
	inference->fields = lappend(inference->fields, field);
	MemoryContextSwitchTo(old);
	return field;
}

/* A field of the outermost object begins; one without a name no column can have. */
KFDW_JSON_ACTION
see_field(void *arg, char *name, bool isnull)
{
	KafkaInference *inference = arg;
	SeenField  *field;

	if (inference->lexer->lex_level != 1)
		KFDW_JSON_ACTION_RETURN();
	field = inference->field = name[0] == '\0' ? NULL : find_field(inference, name);
	if (field == NULL)
		KFDW_JSON_ACTION_RETURN();
	field->kinds |= value_kind(inference->lexer);
	if (!isnull && field->last_object != inference->objects)
	{
		field->values++;
		field->last_object = inference->objects;
	}
	KFDW_JSON_ACTION_RETURN();
}

/* A value that is no object or array, of the field or somewhere in it. */
KFDW_JSON_ACTION
see_scalar(void *arg, char *token, JsonTokenType type)
{
	KafkaInference *inference = arg;

	if (inference->field != NULL && type == JSON_TOKEN_NUMBER && !is_numeric(token))
		inference->field->kinds |= SEEN_HUGE;
	KFDW_JSON_ACTION_RETURN();
}

/* True for what the parser can be given: an object in UTF-8, not too deep. */
static bool
is_parseable(const char *value, size_t len)
{
	bool		in_string = false;
	int			level = 0;

	if (len == 0 || len > MaxAllocSize || !pg_verify_mbstr(PG_UTF8, value, (int) len, true))
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (value[i] == '\\' && in_string)
			i++;
		else if (value[i] == '"')
			in_string = !in_string;
		else if (!in_string && (value[i] == '{' || value[i] == '['))
			level++;
		else if (!in_string && (value[i] == '}' || value[i] == ']'))
			level--;
		if (level > MAX_LEVELS)
			return false;
	}
	return value[strspn(value, " \t\r\n")] == '{';
}

/* A value that is to be looked at. */
typedef struct LookedAt
{
	KafkaInference *inference;
	char	   *value;
	size_t		len;
} LookedAt;

/* Parses an object, unless it is broken, in the database's encoding, which escapes become, too. */
static void
parse(void *argument)
{
	static JsonSemAction nothing = {0};
	const LookedAt *looked_at = argument;
	KafkaInference *inference = looked_at->inference;
	JsonSemAction actions = {.semstate = inference,.object_field_start = see_field,.scalar = see_scalar};
	size_t		len = looked_at->len;
	const char *value = kfdw_text_from_utf8(looked_at->value, &len);

	value = kfdw_json_spell_out(value, &len);

	/* a broken one must leave nothing behind */
	if (pg_parse_json(kfdw_make_json_lexer(value, len, GetDatabaseEncoding(), true), &nothing) != JSON_SUCCESS)
		return;
	inference->lexer = kfdw_make_json_lexer(value, len, GetDatabaseEncoding(), true);
	inference->objects++;
	(void) pg_parse_json(inference->lexer, &actions);
}

void
kfdw_infer_look(KafkaInference *inference, const char *value, size_t len)
{
	MemoryContext old = MemoryContextSwitchTo(inference->object_context);

	if (value != NULL)
	{
		LookedAt	looked_at = {inference, pnstrdup(value, len), len};

		/* characters that the database cannot have: none of its columns would, either */
		if (is_parseable(looked_at.value, len))
			(void) kfdw_guard_call(KAFKA_GUARD_PLAIN, parse, &looked_at);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(inference->object_context);
}

/* The type that holds all of these kinds. */
static const char *
choose_type(int kinds)
{
	if ((kinds & SEEN_HUGE) != 0)
		return "pg_catalog.text";
	switch (kinds & ~SEEN_NULL)
	{
		case SEEN_BOOLEAN:
			return "pg_catalog.bool";
		case SEEN_INTEGER:
			return "pg_catalog.int8";
		case SEEN_NUMBER:
		case SEEN_NUMBER | SEEN_INTEGER:
			return "pg_catalog.numeric";
		case SEEN_DATE:
			return "pg_catalog.date";
		case SEEN_TIMESTAMP:
			return "pg_catalog.timestamptz";
		case SEEN_TEXT:
		case SEEN_TEXT | SEEN_DATE:
		case SEEN_TEXT | SEEN_TIMESTAMP:
		case SEEN_DATE | SEEN_TIMESTAMP:
		case SEEN_TEXT | SEEN_DATE | SEEN_TIMESTAMP:
			return "pg_catalog.text";
		default:
			return "pg_catalog.jsonb";
	}
}

List *
kfdw_infer_end(KafkaInference *inference, int *objects)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, inference->fields)
	{
		const SeenField *seen = lfirst(lc);
		KafkaInferredField *field = palloc(sizeof(KafkaInferredField));

		field->name = seen->name;
		field->type = choose_type(seen->kinds);
		field->values = seen->values;
		result = lappend(result, field);
	}
	*objects = inference->objects;
	MemoryContextDelete(inference->object_context);
	return inference->too_many ? NIL : result;
}
