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

#endif							/* KFDW_JSON_STRING_H */
