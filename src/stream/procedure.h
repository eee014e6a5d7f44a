/*
 * procedure.h
 *	  A stream's statement that is a CALL.
 */
#ifndef KFDW_PROCEDURE_H
#define KFDW_PROCEDURE_H

#include "lib/stringinfo.h"
#include "nodes/plannodes.h"

/* A procedure must be one that the user may call. */
extern void kfdw_procedure_check(const PlannedStmt *plan);

/*
 * Calls it; an error when it leaves records of the source unread.  Where "measured" is
 * given, it gets the plans of the queries that read the source.
 */
extern void kfdw_procedure_run(PlannedStmt *plan, const char *text, Oid source, StringInfo measured);

#endif							/* KFDW_PROCEDURE_H */
