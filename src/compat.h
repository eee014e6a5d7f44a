/*
 * compat.h
 *	  Every difference between PostgreSQL versions, each with its reason.
 *
 * Wrappers have the newest signature.
 */
#ifndef KFDW_COMPAT_H
#define KFDW_COMPAT_H

#include "common/jsonapi.h"
#include "utils/jsonfuncs.h"

/* 16 lets the semantic actions of the JSON parser fail. */
#if PG_VERSION_NUM >= 160000
#define KFDW_JSON_ACTION static JsonParseErrorType
#define KFDW_JSON_ACTION_RETURN() return JSON_SUCCESS
#else
#define KFDW_JSON_ACTION static void
#define KFDW_JSON_ACTION_RETURN() return
#endif

/* 16 reports JSON errors softly where an error context is given. */
#if PG_VERSION_NUM < 160000
static inline void
json_errsave_error(JsonParseErrorType error, JsonLexContext *lex, struct Node *escontext)
{
	Assert(escontext == NULL);
	json_ereport_error(error, lex);
}
#endif

/* 17 can fill a caller's lexer and takes constant input; ours are always allocated. */
static inline JsonLexContext *
kfdw_make_json_lexer(const char *json, size_t len, int encoding, bool need_escapes)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, json, len, encoding, need_escapes);
#else
	return makeJsonLexContextCstringLen(unconstify(char *, json), (int) len, encoding, need_escapes);
#endif
}

/* 18 has generated columns that are not stored. */
#if PG_VERSION_NUM < 180000
#define ATTRIBUTE_GENERATED_VIRTUAL 'v'
#endif

#endif							/* KFDW_COMPAT_H */
