/*
 * statement.h
 *	  The statement of a stream: checked when it is created, run for each batch.
 */
#ifndef KFDW_STATEMENT_H
#define KFDW_STATEMENT_H

#include "lib/stringinfo.h"

#include "stream/query_tables.h"
#include "stream/unmatched.h"

/* What create_stream learns of a statement. */
typedef struct KafkaStatementInfo
{
	Oid			source;			/* the topic table that it reads */
	bool		in_source_order;	/* rows reach the target in its order */
	bool		writes_at_least_once;	/* a target is a topic that results reach before the commit */
	const char *missing_key;	/* a column of the key of a target, of which none is assigned; NULL: none is missing */
} KafkaStatementInfo;

/*
 * Checks a statement as the current user would run it now: its shape, its source
 * (which a CALL must be given), names and privileges.
 */
extern void kfdw_statement_check(const char *text, Oid source, KafkaStatementInfo *info);

/* Checks in the same way a query that is run beside it. */
extern void kfdw_statement_check_query(const char *text, Oid source);

/* For error contexts: an error's position is one in this text, not in the command that creates a stream. */
extern void kfdw_statement_point_into(void *text);

/* The tables that it names; false for a CALL, of which nobody knows before it runs. */
extern bool kfdw_statement_tables(const char *text, KafkaQueryTables *tables);

/* The plan as it would be now, as EXPLAIN shows it. */
extern void kfdw_statement_explain(const char *text, Oid source, StringInfo plan);

/*
 * Plans and runs it in the current transaction; returns the number of rows written.  Where
 * "measured" is given, it gets the plan with its rows and times.  Where "unmatched" is, it is
 * told of such records before, by the snapshot under which the statement runs.
 */
extern uint64 kfdw_statement_run(const char *text, const char *search_path, Oid source, StringInfo measured,
								 const KafkaUnmatched *unmatched);

#endif							/* KFDW_STATEMENT_H */
