/*
 * naming.h
 *	  Tables and columns as statements that are written for streams name them.
 */
#ifndef KFDW_NAMING_H
#define KFDW_NAMING_H

#include "nodes/pg_list.h"

/* A relation: with its schema where the search path does not find it. */
extern char *kfdw_name_relation(Oid relid);

/* Columns, a list of strings, behind each other; with the alias of a table where one is given. */
extern char *kfdw_name_columns(const char *alias, const List *names);

/* A column of the table with an alias. */
extern char *kfdw_name_column(const char *alias, const char *name);

#endif							/* KFDW_NAMING_H */
