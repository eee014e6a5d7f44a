/*
 * join.h
 *	  The statement of a stream that joins its records to a table.
 */
#ifndef KFDW_JOIN_H
#define KFDW_JOIN_H

#include "utils/jsonb.h"

/* What is to be joined. */
typedef struct KafkaJoin
{
	Oid			source;
	Oid			table;
	Oid			target;
	const char *condition;
	bool		is_left;
	bool		parks;
	Jsonb	   *columns;		/* expressions by the target's columns; NULL: none */
} KafkaJoin;

/* What is made of it. */
typedef struct KafkaJoinText
{
	char	   *statement;
	char	   *unmatched;		/* the query of records that have no row; NULL: they are not parked */
} KafkaJoinText;

extern KafkaJoinText kfdw_join_write(const KafkaJoin *join);

#endif							/* KFDW_JOIN_H */
