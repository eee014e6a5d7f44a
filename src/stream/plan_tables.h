/*
 * plan_tables.h
 *	  Which tables the plan of a stream's statement reads and writes.
 */
#ifndef KFDW_PLAN_TABLES_H
#define KFDW_PLAN_TABLES_H

#include "nodes/plannodes.h"

typedef struct KafkaPlanTables
{
	Oid			source;			/* the topic table that is read */
	bool		writes_at_least_once;	/* a target is a topic that results reach before the commit */
} KafkaPlanTables;

/* Notes what a plan reads; refuses temporary tables and a second topic table. */
extern void kfdw_plan_tables_read(const PlannedStmt *plan, KafkaPlanTables *tables);

/* Refuses that no source was found, or another one than was given. */
extern void kfdw_plan_tables_check_source(const KafkaPlanTables *tables, Oid given);

/* Notes what a plan may write, the source being known; refuses what loses results or feeds the source. */
extern void kfdw_plan_tables_written(const PlannedStmt *plan, KafkaPlanTables *tables);

/* The same for topic tables among the partitions of what a plan may write. */
extern void kfdw_plan_tables_check_topics(const PlannedStmt *plan, KafkaPlanTables *tables);

/* The same for a table that was written. */
extern void kfdw_plan_tables_check_target(Oid relid, KafkaPlanTables *tables);

#endif							/* KFDW_PLAN_TABLES_H */
