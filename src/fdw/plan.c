/*
 * plan.c
 *	  Planning a scan: size, path, and which columns the query uses.
 *
 * The planner never talks to a broker: plans are cached, and EXPLAIN plans too.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_proc.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "compat.h"
#include "fdw/bounds.h"
#include "fdw/fdw.h"
#include "format/needs.h"
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

/*
 * Pages of a topic that was never analyzed: a few less than PostgreSQL wants of a table to
 * read it in parallel (min_parallel_table_scan_size), as it may be small.
 */
#define DEFAULT_PAGES 1000

void
kafkaGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	const KafkaBatch *batch = kfdw_batch_bound(relid);

	if (batch != NULL)
		baserel->tuples = batch->count;
	else if (baserel->tuples <= 0)
	{
		baserel->tuples = DEFAULT_RECORDS;
		baserel->pages = DEFAULT_PAGES;
	}
	else
		baserel->pages = Min(baserel->tuples * get_relation_data_width(relid, NULL) / BLCKSZ, MaxBlockNumber);
	set_baserel_size_estimates(root, baserel);
}

static bool is_parallel_safe(Oid type);

/* True when all columns of a row are of types whose values any process may make. */
static bool
are_parallel_safe(TupleDesc row)
{
	for (int i = 0; i < row->natts; i++)
		if (!TupleDescAttr(row, i)->attisdropped && !is_parallel_safe(TupleDescAttr(row, i)->atttypid))
			return false;
	return true;
}

/* True for a type whose values any process may make: what runs to check a domain nobody knows. */
static bool
is_parallel_safe(Oid type)
{
	Oid			element = get_base_element_type(type);
	Oid			input;
	Oid			param;

	if (OidIsValid(element))
		return is_parallel_safe(element);
	if (getBaseType(type) != type)
		return false;
	if (OidIsValid(get_typ_typrelid(type)))
	{
		TupleDesc	row = lookup_rowtype_tupdesc_copy(type, -1);
		bool		safe = are_parallel_safe(row);

		FreeTupleDesc(row);
		return safe;
	}
	getTypeInputInfo(type, &input, &param);
	return func_parallel(input) == PROPARALLEL_SAFE;
}

/* True when errors of records are caught, and it takes a subtransaction: older servers begin none beside workers. */
static bool
takes_subtransactions(Relation relation)
{
	TupleDesc	row = RelationGetDescr(relation);
	KafkaColumns *columns;

	if (!kfdw_options_catches_errors(RelationGetRelid(relation)))
		return false;
	columns = kfdw_columns_create(RelationGetRelid(relation), row, false, NULL);
	for (int i = 0; i < row->natts; i++)
		if (columns->column[i].attnum != 0 && kfdw_needs_guard_for(&columns->column[i]) == KAFKA_GUARD_SUBTRANSACTION)
			return true;
	return false;
}

/* Reading a topic moves nothing; a group has one reader, and the batch of a stream is this process'. */
bool
kafkaIsForeignScanParallelSafe(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	Relation	relation;
	bool		safe;

	if (kfdw_batch_bound(rte->relid) != NULL || kfdw_options_is_consuming(rte->relid))
		return false;
	relation = table_open(rte->relid, NoLock);
	safe = are_parallel_safe(RelationGetDescr(relation)) && !takes_subtransactions(relation);
	table_close(relation, NoLock);
	return safe;
}

/* The part of one process when several read, the leader among them as far as it is not busy with their rows. */
static double
parallel_divisor(int workers)
{
	double		leader = parallel_leader_participation ? 1.0 - 0.3 * workers : 0;

	return workers + Max(leader, 0);
}

/*
 * A path for several processes.  All of them read a part: one that reads everything in
 * each process would ask for a range of its own there, so there is none.
 */
static void
add_parallel_path(PlannerInfo *root, RelOptInfo *baserel, Cost startup, Cost per_record)
{
	int			workers = compute_parallel_worker(baserel, baserel->pages, -1, max_parallel_workers_per_gather);
	double		divisor = parallel_divisor(workers);
	ForeignPath *path;

	if (workers == 0)
		return;
	path = kfdw_create_foreignscan_path(root, baserel, startup, startup + baserel->tuples / divisor * per_record);
	path->path.rows = clamp_row_est(baserel->rows / divisor);
	path->path.parallel_aware = true;
	path->path.parallel_safe = true;
	path->path.parallel_workers = workers;
	add_partial_path(baserel, (Path *) path);
}

void
kafkaGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	Cost		startup = kfdw_batch_bound(relid) ? 0 : STARTUP_COST;
	Cost		per_record = RECORD_COST_FACTOR * cpu_tuple_cost + baserel->baserestrictcost.per_tuple;
	ForeignPath *path;

	startup += baserel->baserestrictcost.startup;
	path = kfdw_create_foreignscan_path(root, baserel, startup, startup + baserel->tuples * per_record);
	path->path.parallel_safe = false;
	add_path(baserel, (Path *) path);
	if (baserel->consider_parallel && bms_is_empty(baserel->lateral_relids))
		add_parallel_path(root, baserel, startup, per_record);
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
