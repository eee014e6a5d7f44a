/*
 * bounds_plan.c
 *	  Which conditions on the topic, partition, offset and timestamp columns can decide
 *	  what is fetched.
 *
 * Those that compare one of these columns with an expression whose value is one for all
 * records of the scan, and what AND and OR make of them.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "fdw/bound_tree.h"
#include "fdw/bounds.h"
#include "format/columns.h"

/* A time is taken for so many milliseconds earlier, for roundings: the column's own, and ours. */
#define SCALED_SLACK_MS	500
#define SLACK_MS		1

/* What the planning of a scan's conditions needs. */
typedef struct KafkaBoundsPlanner
{
	Index		relation;
	KafkaColumns *columns;
	List	   *exprs;
} KafkaBoundsPlanner;

static List *plan_condition(KafkaBoundsPlanner *planner, Node *node);

/* True when an expression's value is one for all records of a scan. */
static bool
is_fixed(Node *expr)
{
	return !contain_var_clause(expr) && !contain_volatile_functions(expr) &&
		!contain_subplans(expr);
}

/* The column of ours that an expression is; NULL when it is none that can be used. */
static const Var *
find_column(const KafkaBoundsPlanner *planner, Node *expr, KafkaBoundKind *kind)
{
	Var		   *var = (Var *) (IsA(expr, RelabelType) ? (Node *) ((RelabelType *) expr)->arg : expr);

	if (!IsA(var, Var) || var->varno != planner->relation || var->varlevelsup != 0 || var->varattno <= 0)
		return NULL;
	switch (planner->columns->column[var->varattno - 1].kind)
	{
		case KAFKA_COLUMN_TOPIC:
			*kind = BOUND_TOPIC;
			return var;
		case KAFKA_COLUMN_PARTITION:
			*kind = BOUND_PARTITION;
			return var;
		case KAFKA_COLUMN_OFFSET:
			*kind = BOUND_OFFSET;
			return var;
		case KAFKA_COLUMN_TIMESTAMP:
			*kind = BOUND_TIME;
			return var;
		default:
			return NULL;
	}
}

/* The operators that order a column. */
static Oid
find_family(const Var *column, KafkaBoundKind kind)
{
	if (kind == BOUND_TOPIC)
		return TEXT_BTREE_FAM_OID;
	return column->vartype == TIMESTAMPTZOID ?
		lookup_type_cache(TIMESTAMPTZOID, TYPECACHE_BTREE_OPFAMILY)->btree_opf : INTEGER_BTREE_FAM_OID;
}

/*
 * The strategy of a comparison with a column, -1 when the operator is none, or decides
 * nothing: as an offset or a time that is left out, or the latest time.
 */
static int
find_strategy(Oid operator, const Var *column, KafkaBoundKind kind)
{
	Oid			family = find_family(column, kind);
	int			strategy = get_op_opfamily_strategy(operator, family);

	if (strategy != 0)
		return kind == BOUND_TIME && strategy < BTEqualStrategyNumber ? -1 : strategy;
	if ((kind == BOUND_TOPIC || kind == BOUND_PARTITION) &&
		get_op_opfamily_strategy(get_negator(operator), family) == BTEqualStrategyNumber)
		return NOT_EQUAL_STRATEGY;
	return -1;
}

/*
 * True when a comparison of topics compares bytes, with the whole name: types that may
 * cut it off, and orders, are left to the executor.
 */
static bool
compares_names(const Var *column, int strategy, Node *value, Oid collation)
{
	Oid			element = get_base_element_type(exprType(value));
	Oid			type = OidIsValid(element) ? element : exprType(value);

	return (column->vartype == TEXTOID || column->vartype == VARCHAROID) && column->vartypmod < 0 &&
		(type == TEXTOID || type == VARCHAROID) &&
		(strategy == BTEqualStrategyNumber || strategy == NOT_EQUAL_STRATEGY) &&
		OidIsValid(collation) && get_collation_isdeterministic(collation);
}

/* How much the values of a column can be off. */
static int
find_slack(const Var *column)
{
	if (column->vartype != TIMESTAMPTZOID)
		return 0;
	return column->vartypmod >= 0 ? SCALED_SLACK_MS : SLACK_MS;
}

/* A comparison of a column as a node of the plan. */
static List *
make_comparison(KafkaBoundsPlanner *planner, KafkaBoundKind kind, int strategy, const Var *column, Node *expr)
{
	planner->exprs = lappend(planner->exprs, expr);
	return list_make4(makeInteger(kind), makeInteger(strategy), makeInteger(list_length(planner->exprs) - 1),
					  makeInteger(find_slack(column)));
}

/* column operator expression, or the other way round */
static List *
plan_comparison(KafkaBoundsPlanner *planner, OpExpr *clause)
{
	const Var  *column;
	Node	   *value;
	Oid			operator = clause->opno;
	KafkaBoundKind kind;
	int			strategy;

	if (list_length(clause->args) != 2)
		return NIL;
	column = find_column(planner, linitial(clause->args), &kind);
	value = lsecond(clause->args);
	if (column == NULL)
	{
		column = find_column(planner, lsecond(clause->args), &kind);
		value = linitial(clause->args);
		operator = get_commutator(operator);
	}
	if (column == NULL || !OidIsValid(operator) || !is_fixed(value))
		return NIL;
	strategy = find_strategy(operator, column, kind);
	if (strategy < 0 || (kind == BOUND_TOPIC && !compares_names(column, strategy, value, clause->inputcollid)))
		return NIL;
	return make_comparison(planner, kind, strategy, column, value);
}

/* column IN (...), column NOT IN (...) */
static List *
plan_array_comparison(KafkaBoundsPlanner *planner, ScalarArrayOpExpr *clause)
{
	Node	   *array = lsecond(clause->args);
	KafkaBoundKind kind;
	const Var  *column = find_column(planner, linitial(clause->args), &kind);
	int			strategy;

	if (column == NULL || !is_fixed(array))
		return NIL;
	strategy = find_strategy(clause->opno, column, kind);
	if (strategy != (clause->useOr ? BTEqualStrategyNumber : NOT_EQUAL_STRATEGY) ||
		(kind == BOUND_TOPIC && !compares_names(column, strategy, array, clause->inputcollid)))
		return NIL;
	return make_comparison(planner, kind, strategy, column, array);
}

/* column IS NOT DISTINCT FROM expression is as good as =, but for the time, which may be NULL */
static List *
plan_not_distinct(KafkaBoundsPlanner *planner, DistinctExpr *clause)
{
	List	   *comparison = plan_comparison(planner, clause);

	return comparison != NIL && intVal(linitial(comparison)) != BOUND_TIME ? comparison : NIL;
}

/* AND needs one usable arm, OR needs all of them. */
static List *
plan_boolean(KafkaBoundsPlanner *planner, BoolExpr *clause)
{
	List	   *result = list_make1(makeInteger(clause->boolop == AND_EXPR ? BOUND_AND : BOUND_OR));
	ListCell   *cell;

	if (clause->boolop == NOT_EXPR)
		return IsA(linitial(clause->args), DistinctExpr) ? plan_not_distinct(planner, linitial(clause->args)) : NIL;
	foreach(cell, clause->args)
	{
		List	   *arm = plan_condition(planner, lfirst(cell));

		if (arm != NIL)
			result = lappend(result, arm);
		else if (clause->boolop == OR_EXPR)
			return NIL;
	}
	return list_length(result) > 1 ? result : NIL;
}

/* A condition as a tree, NIL when it cannot be used. */
static List *
plan_condition(KafkaBoundsPlanner *planner, Node *node)
{
	check_stack_depth();
	if (IsA(node, BoolExpr))
		return plan_boolean(planner, (BoolExpr *) node);
	if (IsA(node, OpExpr))
		return plan_comparison(planner, (OpExpr *) node);
	if (IsA(node, ScalarArrayOpExpr))
		return plan_array_comparison(planner, (ScalarArrayOpExpr *) node);
	if (IsA(node, BooleanTest) && ((BooleanTest *) node)->booltesttype == IS_TRUE)
		return plan_condition(planner, (Node *) ((BooleanTest *) node)->arg);
	return NIL;
}

/* Begins to look for conditions on the columns of a table. */
static KafkaBoundsPlanner
begin_planner(Index index, Oid relid)
{
	Relation	relation = table_open(relid, NoLock);
	KafkaBoundsPlanner planner = {index, kfdw_columns_create(relid, RelationGetDescr(relation), false, NULL), NIL};

	table_close(relation, NoLock);
	return planner;
}

List *
kfdw_bounds_plan(RelOptInfo *baserel, Oid relid, List **exprs)
{
	List	   *tree = list_make1(makeInteger(BOUND_AND));
	KafkaBoundsPlanner planner;
	ListCell   *cell;

	if (baserel->baserestrictinfo == NIL)
		return NIL;
	planner = begin_planner(baserel->relid, relid);
	foreach(cell, baserel->baserestrictinfo)
	{
		List	   *condition = plan_condition(&planner, (Node *) lfirst_node(RestrictInfo, cell)->clause);

		if (condition != NIL)
			tree = lappend(tree, condition);
	}
	*exprs = planner.exprs;
	return list_length(tree) > 1 ? tree : NIL;
}

List *
kfdw_bounds_list_used(List *conditions, Index index, Oid relid)
{
	KafkaBoundsPlanner planner = begin_planner(index, relid);
	List	   *used = NIL;
	ListCell   *cell;

	foreach(cell, conditions)
		if (plan_condition(&planner, lfirst(cell)) != NIL)
			used = lappend(used, lfirst(cell));
	return used;
}
