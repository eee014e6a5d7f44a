/*
 * plan_use.h
 *	  What a plan does with the records of a stream's batch.
 *
 * The batch counts as read, so a record may be dropped by a condition (a WHERE clause,
 * a join, EXISTS, DISTINCT), which looks at it, but not by a count of rows, which does
 * not, nor because a row is locked for a moment.  Where a plan stops to read because
 * conditions need no more, nothing is lost; so plans are judged by what cuts off rows,
 * not by what was fetched.
 */
#ifndef KFDW_PLAN_USE_H
#define KFDW_PLAN_USE_H

#include "executor/execdesc.h"

typedef struct KafkaPlanUse
{
	int			scans;			/* that read the source */
	bool		limited;		/* a LIMIT or OFFSET drops rows of its records */
	bool		skips_locked;	/* SKIP LOCKED is somewhere in the plan */
	const ModifyTableState *one_of; /* may use one of several records that meet a row; NULL: none */
} KafkaPlanUse;

/* How to write what several records of a batch do to one row. */
#define KFDW_ONE_ROW_HINT \
	"Let one row of the batch meet each row of the table: join a sub-select with GROUP BY and aggregates, " \
	"or with DISTINCT ON the key."

/* How a started plan uses the source. */
extern KafkaPlanUse kfdw_plan_use(QueryDesc *query, Oid source);

/*
 * True for what uses one of the rows that are joined to a row of its table: an UPDATE, and a
 * DELETE that returns something of them.
 */
extern bool kfdw_plan_use_one_of(const ModifyTableState *node);

/* Refuses what would use one of several records. */
extern void kfdw_plan_use_check_one_of(const KafkaPlanUse *use);

/* True when somebody wrote a LIMIT or OFFSET in one of the queries; the planner uses them too. */
extern bool kfdw_plan_use_may_be_limited(List *queries);

#endif							/* KFDW_PLAN_USE_H */
