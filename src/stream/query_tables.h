/*
 * query_tables.h
 *	  Which tables the queries of a stream's statement name.
 */
#ifndef KFDW_QUERY_TABLES_H
#define KFDW_QUERY_TABLES_H

#include "nodes/pg_list.h"

typedef struct KafkaQueryTables
{
	List	   *read;			/* Oids, also of what is behind views */
	List	   *written;		/* the same; a view where a trigger of it takes the rows */
} KafkaQueryTables;

/* Adds what some rewritten queries name, sub-selects and common table expressions included. */
extern void kfdw_query_tables_add(List *queries, KafkaQueryTables *tables);

#endif							/* KFDW_QUERY_TABLES_H */
