/*
 * convert.h
 *	  One value from and to text, and from and to the bytes of a record.
 */
#ifndef KFDW_CONVERT_H
#define KFDW_CONVERT_H

#include "format/columns.h"
#include "lib/stringinfo.h"

/*
 * UTF-8 to and from the database's encoding.  The input is returned where nothing
 * has to be converted; it need not end in NUL.  From UTF-8 it is verified.
 */
extern const char *kfdw_text_from_utf8(const char *bytes, size_t *len);
extern const char *kfdw_text_to_utf8(const char *string, size_t *len);
extern void kfdw_text_all_to_utf8(StringInfo text);

/* A value from text in the database's encoding, which need not end in NUL, or does; and to text. */
extern Datum kfdw_column_from_text(KafkaColumn *column, const char *string, size_t len);
extern Datum kfdw_column_from_string(KafkaColumn *column, char *string, size_t len);
extern char *kfdw_column_to_string(KafkaColumn *column, Datum value);

/* Raises an error where a column of a domain must have a value. */
extern void kfdw_column_check_null(KafkaColumn *column);

/* From and to UTF-8, or the bytes themselves for bytea.  The bytes are never NULL. */
extern Datum kfdw_column_from_bytes(KafkaColumn *column, const char *bytes, size_t len);
extern const char *kfdw_column_to_bytes(KafkaColumn *column, Datum value, size_t *len);

#endif							/* KFDW_CONVERT_H */
