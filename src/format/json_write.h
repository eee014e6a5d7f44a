/*
 * json_write.h
 *	  Values as JSON from which json.c reads them back equal.
 */
#ifndef KFDW_JSON_WRITE_H
#define KFDW_JSON_WRITE_H

#include "lib/stringinfo.h"

/* How the values of a type are written. */
typedef struct JsonWriter JsonWriter;

/* Lives in the current memory context. */
extern JsonWriter *kfdw_json_writer_create(Oid type);

/* Appends a value that is not NULL. */
extern void kfdw_json_write(JsonWriter *writer, Datum value, StringInfo out);

#endif							/* KFDW_JSON_WRITE_H */
