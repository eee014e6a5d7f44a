/*
 * bounds.c
 *	  What conditions on the topic, partition, offset and timestamp columns admit.
 *
 * A condition is a tree of AND, OR and comparisons.  It is evaluated for each
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
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "fdw/bound_tree.h"
#include "fdw/bounds.h"

/* What is asked of the conditions. */
typedef enum KafkaBoundsQuestion
{
	ADMITTED_PARTITION,			/* as if there were conditions on topic and partition only */
	ADMITTED_RECORDS
} KafkaBoundsQuestion;

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

/* The offsets from (inclusive) .. end (exclusive) of a partition, as far as they are of a time or later. */
typedef struct KafkaInterval
{
	int64		from;
	int64		end;
	int64		since;			/* milliseconds since 1970 */
} KafkaInterval;

static const KafkaInterval everything = {0, PG_INT64_MAX, 0};
static const KafkaInterval nothing = {0, 0, 0};

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
	}
	return intersect(result, everything);
}

/* The times that are equal to a value, or later. */
static KafkaInterval
admitted_times(const KafkaBounds *bounds, int64 value)
{
	KafkaInterval result = everything;

	result.since = Max(value - bounds->slack, 0);
	return result;
}

/* What a comparison of the offset or the time admits. */
static KafkaInterval
record_interval(const KafkaBounds *bounds)
{
	KafkaInterval result = nothing;

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
