/*
 * bounds.c
 *	  Conditions on the partition and offset columns decide what is fetched.
 *
 * A condition becomes a tree of AND, OR and comparisons.  It is evaluated for each
 * partition, and yields the interval of offsets that it admits there: a comparison
 * of the partition admits all or nothing, AND intersects, OR takes the interval
 * around both arms.  What cannot be used admits everything.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "fdw/bounds.h"
#include "format/columns.h"

/* The kinds of nodes; a list's first member in the plan. */
typedef enum KafkaBoundKind
{
	BOUND_AND,					/* the conditions follow */
	BOUND_OR,
	BOUND_PARTITION,			/* strategy and position in fdw_exprs follow */
	BOUND_OFFSET
} KafkaBoundKind;

/* Beyond btree's strategies: not equal. */
#define NOT_EQUAL_STRATEGY 0

struct KafkaBounds
{
	KafkaBoundKind kind;
	int			nchildren;
	KafkaBounds **children;

	int			strategy;
	ExprState  *expr;
	Oid			type;			/* of the expression: an integer or an array of them */
	int			nvalues;		/* a NULL is no value: it compares true with nothing */
	int64	   *values;
	bool		has_null;		/* NOT IN a list with a NULL is never true */
};

/* What the planning of a scan's conditions needs. */
typedef struct KafkaBoundsPlanner
{
	Index		relation;
	KafkaColumns *columns;
	List	   *exprs;
} KafkaBoundsPlanner;

/* The offsets from (inclusive) .. end (exclusive) of a partition. */
typedef struct KafkaInterval
{
	int64		from;
	int64		end;
} KafkaInterval;

static const KafkaInterval everything = {0, PG_INT64_MAX};
static const KafkaInterval nothing = {0, 0};

static List *plan_condition(KafkaBoundsPlanner *planner, Node *node);

/* True when an expression's value is one for all records of a scan. */
static bool
is_fixed(Node *expr)
{
	return !contain_var_clause(expr) && !contain_volatile_functions(expr) &&
		!contain_subplans(expr);
}

/* Which of our columns an expression is; false when it is none that can be used. */
static bool
find_column(const KafkaBoundsPlanner *planner, Node *expr, KafkaBoundKind *kind)
{
	Var		   *var = (Var *) expr;
	KafkaColumnKind column;

	if (!IsA(expr, Var) || var->varno != planner->relation || var->varlevelsup != 0 || var->varattno <= 0)
		return false;
	column = planner->columns->column[var->varattno - 1].kind;
	*kind = column == KAFKA_COLUMN_PARTITION ? BOUND_PARTITION : BOUND_OFFSET;
	return column == KAFKA_COLUMN_PARTITION || column == KAFKA_COLUMN_OFFSET;
}

/* The strategy of a comparison of integers, -1 when the operator is none. */
static int
find_strategy(Oid operator)
{
	int			strategy = get_op_opfamily_strategy(operator, INTEGER_BTREE_FAM_OID);

	if (strategy != 0)
		return strategy;
	if (get_op_opfamily_strategy(get_negator(operator), INTEGER_BTREE_FAM_OID) == BTEqualStrategyNumber)
		return NOT_EQUAL_STRATEGY;
	return -1;
}

/* A comparison as a node of the plan. */
static List *
make_comparison(KafkaBoundsPlanner *planner, KafkaBoundKind kind, int strategy, Node *expr)
{
	planner->exprs = lappend(planner->exprs, expr);
	return list_make3(makeInteger(kind), makeInteger(strategy), makeInteger(list_length(planner->exprs) - 1));
}

/* column operator expression, or the other way round */
static List *
plan_comparison(KafkaBoundsPlanner *planner, OpExpr *clause)
{
	Node	   *left,
			   *right;
	Oid			operator = clause->opno;
	KafkaBoundKind kind;
	int			strategy;

	if (list_length(clause->args) != 2)
		return NIL;
	left = linitial(clause->args);
	right = lsecond(clause->args);
	if (!find_column(planner, left, &kind))
	{
		Node	   *swap = left;

		left = right;
		right = swap;
		operator = get_commutator(operator);
		if (!OidIsValid(operator) || !find_column(planner, left, &kind))
			return NIL;
	}
	strategy = find_strategy(operator);
	if (strategy < 0 || !is_fixed(right))
		return NIL;
	return make_comparison(planner, kind, strategy, right);
}

/* column IN (...), column NOT IN (...) */
static List *
plan_array_comparison(KafkaBoundsPlanner *planner, ScalarArrayOpExpr *clause)
{
	Node	   *array = lsecond(clause->args);
	int			strategy = find_strategy(clause->opno);
	KafkaBoundKind kind;

	if (strategy != (clause->useOr ? BTEqualStrategyNumber : NOT_EQUAL_STRATEGY))
		return NIL;
	if (!find_column(planner, linitial(clause->args), &kind) || !is_fixed(array))
		return NIL;
	return make_comparison(planner, kind, strategy, array);
}

/* AND needs one usable arm, OR needs all of them. */
static List *
plan_boolean(KafkaBoundsPlanner *planner, BoolExpr *clause)
{
	List	   *result = list_make1(makeInteger(clause->boolop == AND_EXPR ? BOUND_AND : BOUND_OR));
	ListCell   *cell;

	if (clause->boolop == NOT_EXPR)
		return NIL;
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
	return NIL;
}

List *
kfdw_bounds_plan(RelOptInfo *baserel, Oid relid, List **exprs)
{
	KafkaBoundsPlanner planner = {baserel->relid, NULL, NIL};
	List	   *tree = list_make1(makeInteger(BOUND_AND));
	Relation	relation;
	ListCell   *cell;

	if (baserel->baserestrictinfo == NIL)
		return NIL;
	relation = table_open(relid, NoLock);
	planner.columns = kfdw_columns_create(relid, RelationGetDescr(relation), false, NULL);
	table_close(relation, NoLock);
	foreach(cell, baserel->baserestrictinfo)
	{
		List	   *condition = plan_condition(&planner, (Node *) lfirst_node(RestrictInfo, cell)->clause);

		if (condition != NIL)
			tree = lappend(tree, condition);
	}
	if (list_length(tree) == 1)
		return NIL;
	*exprs = planner.exprs;
	return tree;
}

KafkaBounds *
kfdw_bounds_begin(List *tree, List *exprs, PlanState *parent)
{
	KafkaBounds *bounds;

	check_stack_depth();
	if (tree == NIL)
		return NULL;
	bounds = palloc0(sizeof(KafkaBounds));
	bounds->kind = intVal(linitial(tree));
	if (bounds->kind == BOUND_AND || bounds->kind == BOUND_OR)
	{
		bounds->nchildren = list_length(tree) - 1;
		bounds->children = palloc(bounds->nchildren * sizeof(KafkaBounds *));
		for (int i = 0; i < bounds->nchildren; i++)
			bounds->children[i] = kfdw_bounds_begin(list_nth(tree, i + 1), exprs, parent);
	}
	else
	{
		Expr	   *expr = list_nth(exprs, intVal(lthird(tree)));

		bounds->strategy = intVal(lsecond(tree));
		bounds->type = exprType((Node *) expr);
		bounds->expr = ExecInitExpr(expr, parent);
	}
	return bounds;
}

/* An integer of one of the three types. */
static int64
integer_value(Datum value, Oid type)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/* Sets the values of a comparison from an array. */
static void
set_array_values(KafkaBounds *bounds, Datum array, Oid element)
{
	Datum	   *datums;
	bool	   *nulls;
	int			count;
	int16		length;
	bool		byval;
	char		align;

	get_typlenbyvalalign(element, &length, &byval, &align);
	deconstruct_array(DatumGetArrayTypeP(array), element, length, byval, align, &datums, &nulls, &count);
	bounds->values = palloc(Max(count, 1) * sizeof(int64));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			bounds->has_null = true;
		else
			bounds->values[bounds->nvalues++] = integer_value(datums[i], element);
	}
}

/* Evaluates the expression of a comparison. */
static void
evaluate_comparison(KafkaBounds *bounds, ExprContext *context)
{
	Oid			element = get_element_type(bounds->type);
	bool		isnull;
	Datum		value = ExecEvalExprSwitchContext(bounds->expr, context, &isnull);

	bounds->nvalues = 0;
	bounds->has_null = isnull;
	if (isnull)
		return;
	if (OidIsValid(element))
		set_array_values(bounds, value, element);
	else
	{
		bounds->values = palloc(sizeof(int64));
		bounds->values[bounds->nvalues++] = integer_value(value, bounds->type);
	}
}

void
kfdw_bounds_evaluate(KafkaBounds *bounds, ExprContext *context)
{
	check_stack_depth();
	if (bounds->expr != NULL)
		evaluate_comparison(bounds, context);
	for (int i = 0; i < bounds->nchildren; i++)
		kfdw_bounds_evaluate(bounds->children[i], context);
}

static KafkaInterval
intersect(KafkaInterval a, KafkaInterval b)
{
	KafkaInterval result = {Max(a.from, b.from), Min(a.end, b.end)};

	return result.from < result.end ? result : nothing;
}

/* The interval around both. */
static KafkaInterval
surround(KafkaInterval a, KafkaInterval b)
{
	KafkaInterval result = {Min(a.from, b.from), Max(a.end, b.end)};

	if (a.from >= a.end)
		return b;
	return b.from < b.end ? result : a;
}

/* The integers that compare so with a value; Kafka's are never negative. */
static KafkaInterval
admitted(int strategy, int64 value)
{
	KafkaInterval result = everything;
	int64		next = value == PG_INT64_MAX ? value : value + 1;

	switch (strategy)
	{
		case BTLessStrategyNumber:
			result.end = value;
			break;
		case BTLessEqualStrategyNumber:
			result.end = next;
			break;
		case BTEqualStrategyNumber:
			result.from = value;
			result.end = next;
			break;
		case BTGreaterEqualStrategyNumber:
			result.from = value;
			break;
		case BTGreaterStrategyNumber:
			result.from = next;
			break;
		default:
			break;				/* one left out: the interval around the others */
	}
	return intersect(result, everything);
}

/* What a comparison of the offset admits. */
static KafkaInterval
offset_interval(const KafkaBounds *bounds)
{
	KafkaInterval result = nothing;

	if (bounds->strategy == NOT_EQUAL_STRATEGY)
		return bounds->has_null ? nothing : everything;
	for (int i = 0; i < bounds->nvalues; i++)
		result = surround(result, admitted(bounds->strategy, bounds->values[i]));
	return result;
}

/* Whether a comparison of the partition admits this one. */
static bool
admits_partition(const KafkaBounds *bounds, int32 partition)
{
	if (bounds->strategy == NOT_EQUAL_STRATEGY)
	{
		for (int i = 0; i < bounds->nvalues; i++)
			if (bounds->values[i] == partition)
				return false;
		return !bounds->has_null;
	}
	for (int i = 0; i < bounds->nvalues; i++)
	{
		KafkaInterval interval = admitted(bounds->strategy, bounds->values[i]);

		if (partition >= interval.from && partition < interval.end)
			return true;
	}
	return false;
}

/* The offsets of a partition that the conditions admit; any_offset: as if none were on the offset. */
static KafkaInterval
admitted_offsets(const KafkaBounds *bounds, int32 partition, bool any_offset)
{
	KafkaInterval result = bounds->kind == BOUND_AND ? everything : nothing;

	check_stack_depth();
	if (bounds->kind == BOUND_PARTITION)
		return admits_partition(bounds, partition) ? everything : nothing;
	if (bounds->kind == BOUND_OFFSET)
		return any_offset ? everything : offset_interval(bounds);
	for (int i = 0; i < bounds->nchildren; i++)
	{
		KafkaInterval arm = admitted_offsets(bounds->children[i], partition, any_offset);

		result = bounds->kind == BOUND_AND ? intersect(result, arm) : surround(result, arm);
	}
	return result;
}

bool
kfdw_bounds_narrow(const KafkaBounds *bounds, KafkaSlice *slice)
{
	KafkaInterval interval = admitted_offsets(bounds, slice->partition, false);

	slice->from = Max(slice->from, interval.from);
	slice->end = Min(slice->end, interval.end);
	return slice->from < slice->end;
}

bool
kfdw_bounds_admit(const KafkaBounds *bounds, int32 partition)
{
	KafkaInterval interval = admitted_offsets(bounds, partition, true);

	return interval.from < interval.end;
}
