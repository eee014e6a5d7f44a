/*
 * bounds.c
 *	  Conditions on the topic, partition, offset and timestamp columns decide what is fetched.
 *
 * A condition becomes a tree of AND, OR and comparisons.  It is evaluated for each
 * partition, and yields the interval of offsets that it admits there, and the earliest
 * time: a comparison of the topic or partition admits all or nothing, AND intersects, OR takes
 * the interval around both arms.  What cannot be used admits everything.
 *
 * Timestamps need not ascend with offsets.  All records below the first one of a time
 * or later are earlier, which is what a broker can tell; above it anything may come,
 * so the latest time only filters.
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
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "fdw/bounds.h"
#include "format/columns.h"

/* The kinds of nodes; a list's first member in the plan. */
typedef enum KafkaBoundKind
{
	BOUND_AND,					/* the conditions follow */
	BOUND_OR,
	BOUND_TOPIC,				/* strategy, position in fdw_exprs and slack follow */
	BOUND_PARTITION,
	BOUND_OFFSET,
	BOUND_TIME
} KafkaBoundKind;

/* What is asked of the conditions. */
typedef enum KafkaBoundsQuestion
{
	ADMITTED_PARTITION,			/* as if there were conditions on topic and partition only */
	ADMITTED_RECORDS
} KafkaBoundsQuestion;

#define NOT_EQUAL_STRATEGY 0	/* beyond btree's */

/* A time is taken for so many milliseconds earlier, for roundings: the column's own, and ours. */
#define SCALED_SLACK_MS	500
#define SLACK_MS		1

struct KafkaBounds
{
	KafkaBoundKind kind;
	int			nchildren;
	KafkaBounds **children;

	int			strategy;
	int			slack;
	ExprState  *expr;
	Oid			type;			/* of the expression: a text, an integer, a time or an array of them */
	int			nvalues;		/* a NULL is no value: it compares true with nothing */
	int64	   *values;		/* a time in milliseconds since 1970 */
	char	  **names;			/* of topics, instead */
	bool		has_null;		/* NOT IN a list with a NULL is never true */
};

/* What the planning of a scan's conditions needs. */
typedef struct KafkaBoundsPlanner
{
	Index		relation;
	KafkaColumns *columns;
	List	   *exprs;
} KafkaBoundsPlanner;

/* The offsets from (inclusive) .. end (exclusive) of a partition, as far as they are of a time or later. */
typedef struct KafkaInterval
{
	int64		from;
	int64		end;
	int64		since;			/* milliseconds since 1970 */
} KafkaInterval;

static const KafkaInterval everything = {0, PG_INT64_MAX, 0};
static const KafkaInterval nothing = {0, 0, 0};

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

/* The strategy of a comparison with a column, -1 when the operator is none. */
static int
find_strategy(Oid operator, const Var *column, KafkaBoundKind kind)
{
	Oid			family = find_family(column, kind);
	int			strategy = get_op_opfamily_strategy(operator, family);

	if (strategy != 0)
		return strategy;
	if (get_op_opfamily_strategy(get_negator(operator), family) == BTEqualStrategyNumber)
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
		bounds->slack = intVal(lfourth(tree));
		bounds->type = exprType((Node *) expr);
		bounds->expr = ExecInitExpr(expr, parent);
	}
	return bounds;
}

/* A time as milliseconds since 1970, which are none before; what PostgreSQL cannot tell is very late. */
static int64
time_value(TimestampTz time)
{
	const TimestampTz epoch = SetEpochTimestamp();

	if (TIMESTAMP_IS_NOBEGIN(time) || time < epoch)
		return 0;
	return Min(time, END_TIMESTAMP) / 1000 - epoch / 1000;
}

/* What a value is compared as. */
static int64
comparable_value(Datum value, Oid type)
{
	int			overflow;		/* the result is infinite then */

	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case DATEOID:
			return time_value(date2timestamptz_opt_overflow(DatumGetDateADT(value), &overflow));
		case TIMESTAMPOID:
			return time_value(timestamp2timestamptz_opt_overflow(DatumGetTimestamp(value), &overflow));
		case TIMESTAMPTZOID:
			return time_value(DatumGetTimestampTz(value));
		default:
			return DatumGetInt64(value);
	}
}

/* Adds a value to those of a comparison. */
static void
add_value(KafkaBounds *bounds, Datum value, Oid type)
{
	if (bounds->kind == BOUND_TOPIC)
		bounds->names[bounds->nvalues++] = TextDatumGetCString(value);
	else
		bounds->values[bounds->nvalues++] = comparable_value(value, type);
}

/* Makes room for so many values. */
static void
make_room(KafkaBounds *bounds, int count)
{
	if (bounds->kind == BOUND_TOPIC)
		bounds->names = palloc(Max(count, 1) * sizeof(char *));
	else
		bounds->values = palloc(Max(count, 1) * sizeof(int64));
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
	make_room(bounds, count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			bounds->has_null = true;
		else
			add_value(bounds, datums[i], element);
	}
}

/* Evaluates the expression of a comparison. */
static void
evaluate_comparison(KafkaBounds *bounds, ExprContext *context)
{
	Oid			element = get_base_element_type(bounds->type);
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
		make_room(bounds, 1);
		add_value(bounds, value, bounds->type);
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
	KafkaInterval result = {Max(a.from, b.from), Min(a.end, b.end), Max(a.since, b.since)};

	return result.from < result.end ? result : nothing;
}

/* The interval around both. */
static KafkaInterval
surround(KafkaInterval a, KafkaInterval b)
{
	KafkaInterval result = {Min(a.from, b.from), Max(a.end, b.end), Min(a.since, b.since)};

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

/* The times that compare so with a value. */
static KafkaInterval
admitted_times(const KafkaBounds *bounds, int64 value)
{
	KafkaInterval result = everything;

	if (bounds->strategy >= BTEqualStrategyNumber)
		result.since = Max(value - bounds->slack, 0);
	return result;
}

/* What a comparison of the offset or the time admits. */
static KafkaInterval
record_interval(const KafkaBounds *bounds)
{
	KafkaInterval result = nothing;

	if (bounds->strategy == NOT_EQUAL_STRATEGY)
		return bounds->has_null ? nothing : everything;
	for (int i = 0; i < bounds->nvalues; i++)
		result = surround(result, bounds->kind == BOUND_TIME ? admitted_times(bounds, bounds->values[i]) :
						  admitted(bounds->strategy, bounds->values[i]));
	return result;
}

/* Whether a comparison of the topic admits this one. */
static bool
admits_topic(const KafkaBounds *bounds, const char *topic)
{
	bool		found = false;

	for (int i = 0; i < bounds->nvalues && !found; i++)
		found = strcmp(bounds->names[i], topic) == 0;
	return bounds->strategy == NOT_EQUAL_STRATEGY ? !found && !bounds->has_null : found;
}

/* Whether a comparison of the partition admits this one. */
static bool
admits_number(const KafkaBounds *bounds, int32 number)
{
	if (bounds->strategy == NOT_EQUAL_STRATEGY)
	{
		for (int i = 0; i < bounds->nvalues; i++)
			if (bounds->values[i] == number)
				return false;
		return !bounds->has_null;
	}
	for (int i = 0; i < bounds->nvalues; i++)
	{
		KafkaInterval interval = admitted(bounds->strategy, bounds->values[i]);

		if (number >= interval.from && number < interval.end)
			return true;
	}
	return false;
}

/* The records of a partition that the conditions admit. */
static KafkaInterval
admitted_records(const KafkaBounds *bounds, const KafkaPartition *partition, KafkaBoundsQuestion question)
{
	KafkaInterval result = bounds->kind == BOUND_AND ? everything : nothing;

	check_stack_depth();
	if (bounds->kind == BOUND_TOPIC)
		return admits_topic(bounds, partition->topic) ? everything : nothing;
	if (bounds->kind == BOUND_PARTITION)
		return admits_number(bounds, partition->number) ? everything : nothing;
	if (bounds->kind == BOUND_OFFSET || bounds->kind == BOUND_TIME)
		return question == ADMITTED_PARTITION ? everything : record_interval(bounds);
	for (int i = 0; i < bounds->nchildren; i++)
	{
		KafkaInterval arm = admitted_records(bounds->children[i], partition, question);

		result = bounds->kind == BOUND_AND ? intersect(result, arm) : surround(result, arm);
	}
	return result;
}

bool
kfdw_bounds_narrow(const KafkaBounds *bounds, KafkaSlice *slice)
{
	KafkaInterval interval = admitted_records(bounds, slice->partition, ADMITTED_RECORDS);

	slice->from = Max(slice->from, interval.from);
	slice->end = Min(slice->end, interval.end);
	slice->since = interval.since;
	return slice->from < slice->end;
}

bool
kfdw_bounds_admit(const KafkaBounds *bounds, const KafkaPartition *partition)
{
	KafkaInterval interval = admitted_records(bounds, partition, ADMITTED_PARTITION);

	return interval.from < interval.end;
}
