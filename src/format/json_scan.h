/*
 * json_scan.h
 *	  Where the fields of a record's JSON are.
 */
#ifndef KFDW_JSON_SCAN_H
#define KFDW_JSON_SCAN_H

#include "format/json_fields.h"

/*
 * Reads JSON in the database's encoding, which need not end in NUL, and notes where the
 * root and the fields below it start and end.  Fails as PostgreSQL's parser does.
 */
extern void kfdw_json_scan(JsonFields *fields, const char *json, size_t len);

#endif							/* KFDW_JSON_SCAN_H */
