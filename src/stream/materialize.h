/*
 * materialize.h
 *	  The statement of a stream that keeps a table of the newest record of each key.
 */
#ifndef KFDW_MATERIALIZE_H
#define KFDW_MATERIALIZE_H

#include "nodes/pg_list.h"

/*
 * Writes the statement; makes the table where there is none of that name.  The key is
 * the columns of a list of strings, where that is NIL those of the source that are the
 * records' key.  "guarded": an older record is told from a newer one by the rows.
 */
extern char *kfdw_materialize_statement(Oid source, const char *into_table, List *key_columns, bool *guarded);

#endif							/* KFDW_MATERIALIZE_H */
