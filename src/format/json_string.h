/*
 * json_string.h
 *	  The strings of JSON that a parser has accepted, in the database's encoding.
 */
#ifndef KFDW_JSON_STRING_H
#define KFDW_JSON_STRING_H

/*
 * The text of a string token, quotes included: a piece of it where it has no
 * escapes.  NULL when an escape stands for no character of the database's encoding.
 */
extern const char *kfdw_json_string_text(const char *token, size_t *len);

/*
 * JSON with the characters beyond ASCII in place of their escapes, which
 * PostgreSQL refuses where the database has no encoding (SQL_ASCII).  The input
 * is returned where nothing has to be replaced.
 */
extern const char *kfdw_json_spell_out(const char *json, size_t *len);

/* Appends text as a string with its quotes. */
extern void kfdw_json_append_string(StringInfo out, const char *text, size_t len);

/* A byte in each of eight. */
#define KFDW_EACH(byte)	(UINT64CONST(0x0101010101010101) * (byte))

/* Not zero where one of eight bytes is less than a number below 128. */
static inline uint64
kfdw_have_less(uint64 bytes, int number)
{
	return (bytes - KFDW_EACH(number)) & ~bytes & KFDW_EACH(0x80);
}

/* Behind what stands for itself in a string; most of it is passed over by eight bytes at a time. */
static inline const char *
kfdw_json_skip_plain(const char *p, const char *end)
{
	uint64		bytes;

	while (end - p >= (ptrdiff_t) sizeof(bytes))
	{
		memcpy(&bytes, p, sizeof(bytes));
		if (kfdw_have_less(bytes, ' ') | kfdw_have_less(bytes ^ KFDW_EACH('"'), 1) |
			kfdw_have_less(bytes ^ KFDW_EACH('\\'), 1))
			break;
		p += sizeof(bytes);
	}
	while (p < end && *p != '"' && *p != '\\' && (unsigned char) *p >= ' ')
		p++;
	return p;
}

#endif							/* KFDW_JSON_STRING_H */
