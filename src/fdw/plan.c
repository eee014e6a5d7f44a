/*
 * plan.c
 *	  Planning a scan: size, path, and which columns the query uses.
 *
 * The planner never talks to a broker: plans are cached, and EXPLAIN plans too.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/rel.h"

#include "compat.h"
#include "fdw/bounds.h"
#include "fdw/fdw.h"
#include "source/batch.h"

/*
 * Records of a topic that was never analyzed.  Rather too many: a plan that reads
 * the topic once is fine with few records, one that reads it again and again is not
 * with many.
 */
#define DEFAULT_RECORDS 1000000

/* Connecting and asking for the ends, in units of sequential page fetches. */
#define STARTUP_COST 100.0

/* Taking a record from the client and decoding it, against cpu_tuple_cost. */
#define RECORD_COST_FACTOR 5.0

void
kafkaGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	const KafkaBatch *batch = kfdw_batch_bound(relid);

	if (batch != NULL)
		baserel->tuples = batch->count;
	else if (baserel->tuples <= 0)
		baserel->tuples = DEFAULT_RECORDS;
	set_baserel_size_estimates(root, baserel);
}

void
kafkaGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	Cost		startup = kfdw_batch_bound(relid) ? 0 : STARTUP_COST;
	Cost		total;

	startup += baserel->baserestrictcost.startup;
	total = startup + baserel->tuples * (RECORD_COST_FACTOR * cpu_tuple_cost + baserel->baserestrictcost.per_tuple);
	add_path(baserel, (Path *) kfdw_create_foreignscan_path(root, baserel, startup, total));
}

/* The attributes that the query uses; a whole-row reference uses all. */
static List *
list_attributes(RelOptInfo *baserel, Oid relid)
{
	Bitmapset  *used = NULL;
	List	   *attributes = NIL;
	Relation	relation = table_open(relid, NoLock);
	int			natts = RelationGetNumberOfAttributes(relation);
	bool		whole_row;
	ListCell   *cell;

	pull_varattnos((Node *) baserel->reltarget->exprs, baserel->relid, &used);
	foreach(cell, baserel->baserestrictinfo)
		pull_varattnos((Node *) lfirst_node(RestrictInfo, cell)->clause, baserel->relid, &used);
	whole_row = bms_is_member(-FirstLowInvalidHeapAttributeNumber, used);
	for (int attnum = 1; attnum <= natts; attnum++)
		if (whole_row || bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, used))
			attributes = lappend_int(attributes, attnum);
	table_close(relation, NoLock);
	return attributes;
}

/* True when a LIMIT, or something like it, stands over the scan and nothing in between that needs all rows. */
static bool
is_limited(const PlannerInfo *root)
{
	const Query *query = root->parse;

	return (query->limitCount != NULL || root->tuple_fraction >= 1.0) &&
		query->sortClause == NIL && query->groupClause == NIL && query->groupingSets == NIL &&
		query->distinctClause == NIL && !query->hasAggs && !query->hasWindowFuncs;
}

ForeignScan *
kafkaGetForeignPlan(PlannerInfo *root, RelOptInfo *baserel, Oid relid,
					ForeignPath *path, List *tlist, List *clauses, Plan *outer)
{
	List	   *exprs = NIL;
	List	   *bounds = kfdw_bounds_plan(baserel, relid, &exprs);

	return make_foreignscan(tlist, extract_actual_clauses(clauses, false), baserel->relid,
							exprs, list_make3(list_attributes(baserel, relid), bounds, makeBoolean(is_limited(root))),
							NIL, NIL, outer);
}
