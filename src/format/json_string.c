/*
 * json_string.c
 *	  Escapes in the strings of JSON.  PostgreSQL's lexer replaces them too, but
 *	  raises an error for a character that it cannot give, also in a name that
 *	  nobody asks for.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"

#include "format/json_string.h"

/* The four hexadecimal digits of \uXXXX, -1 when they are not there. */
static int
read_digits(const char *escape, const char *end)
{
	int			result = 0;

	if (end - escape < 6 || escape[0] != '\\' || escape[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++)
	{
		if (!isxdigit((unsigned char) escape[i]))
			return -1;
		result = result * 16 + (isdigit((unsigned char) escape[i]) ? escape[i] - '0' :
								pg_tolower((unsigned char) escape[i]) - 'a' + 10);
	}
	return result;
}

/* The character of an escape or a pair of them, which moves *p behind; false for none. */
static bool
read_character(const char **p, const char *end, pg_wchar *character)
{
	int			first = read_digits(*p, end);
	int			second;

	*p += first >= 0 ? 6 : 2;
	*character = first;
	if (first <= 0 || is_utf16_surrogate_second(first))
		return false;
	if (!is_utf16_surrogate_first(first))
		return true;

	second = read_digits(*p, end);
	if (second < 0 || !is_utf16_surrogate_second(second))
		return false;
	*p += 6;
	*character = surrogate_pair_to_codepoint(first, second);
	return true;
}

/* Appends a character; false when the database's encoding does not have it. */
static bool
append_character(StringInfo out, pg_wchar character)
{
	int			encoding = GetDatabaseEncoding();
	unsigned char utf8[8] = {0};
	unsigned char converted[MAX_CONVERSION_GROWTH * sizeof(utf8)];
	Oid			conversion;
	int			len;

	unicode_to_utf8(character, utf8);
	len = pg_utf_mblen(utf8);
	if (character < 0x80 || encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
	{
		appendBinaryStringInfo(out, (const char *) utf8, len);
		return true;
	}
	conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(conversion) ||
		pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding, utf8, len,
									  converted, sizeof(converted), true) != len)
		return false;
	appendStringInfoString(out, (const char *) converted);
	return true;
}

/* The character of an escape of two characters. */
static char
short_escape(char letter)
{
	switch (letter)
	{
		case 'b':
			return '\b';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		default:
			return letter;
	}
}

/* Pieces without escapes are copied as a whole. */
const char *
kfdw_json_string_text(const char *token, size_t *len)
{
	const char *p = token + 1;
	const char *end = token + *len - 1;
	const char *escape = memchr(p, '\\', end - p);
	StringInfoData out;

	*len -= 2;
	if (escape == NULL)
		return p;

	initStringInfo(&out);
	for (; escape != NULL; escape = memchr(p, '\\', end - p))
	{
		pg_wchar	character;

		appendBinaryStringInfo(&out, p, (int) (escape - p));
		p = escape;
		if (escape[1] != 'u')
		{
			appendStringInfoChar(&out, short_escape(escape[1]));
			p += 2;
		}
		else if (!read_character(&p, end, &character) || !append_character(&out, character))
			return NULL;
	}
	appendBinaryStringInfo(&out, p, (int) (end - p));
	*len = out.len;
	return out.data;
}

/* Before it is parsed; whatever is no such escape stays for the parser to judge. */
const char *
kfdw_json_spell_out(const char *json, size_t *len)
{
	const char *p = json;
	const char *end = json + *len;
	const char *escape = GetDatabaseEncoding() == PG_SQL_ASCII ? memchr(p, '\\', *len) : NULL;
	StringInfoData out;

	if (escape == NULL)
		return json;

	initStringInfo(&out);
	for (; escape != NULL; escape = memchr(p, '\\', end - p))
	{
		pg_wchar	character;
		const char *next = escape;

		appendBinaryStringInfo(&out, p, (int) (escape - p));
		p = Min(escape + 2, end);
		if (p[-1] == 'u' && read_character(&next, end, &character) && character >= 0x80)
		{
			p = next;
			append_character(&out, character);
		}
		else
			appendBinaryStringInfo(&out, escape, (int) (p - escape));
	}
	appendBinaryStringInfo(&out, p, (int) (end - p));
	*len = out.len;
	return out.data;
}

/* Most text has nothing to escape. */
void
kfdw_json_append_string(StringInfo out, const char *text, size_t len)
{
	if (kfdw_json_skip_plain(text, text + len) < text + len)
	{
		escape_json(out, pnstrdup(text, len));
		return;
	}
	enlargeStringInfo(out, (int) len + 2);
	appendStringInfoCharMacro(out, '"');
	appendBinaryStringInfo(out, text, (int) len);
	appendStringInfoCharMacro(out, '"');
}
