/*
 * generated.c
 *	  Generated columns that are not in rows as triggers get them.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"

#include "compat.h"
#include "format/generated.h"

struct KafkaGenerated
{
	TupleTableSlot *stored;		/* a row without them */
	TupleTableSlot *row;
	ExprContext *context;
	ExprState **expressions;	/* by attribute; NULL: it is in the tuple */
};

bool
kfdw_generated_is_virtual(Form_pg_attribute attribute)
{
	return !attribute->attisdropped && attribute->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL;
}

/* True for what is not in its rows, or not for sure. */
static bool
is_missing(Relation relation, Form_pg_attribute attribute)
{
	return kfdw_generated_is_virtual(attribute) ||
		(relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && !attribute->attisdropped &&
		 attribute->attgenerated == ATTRIBUTE_GENERATED_STORED);
}

static bool
has_missing(Relation relation)
{
	TupleDesc	desc = RelationGetDescr(relation);

	for (int i = 0; i < desc->natts; i++)
		if (is_missing(relation, TupleDescAttr(desc, i)))
			return true;
	return false;
}

/* The expression of a column. */
static ExprState *
init_expression(Relation relation, int attnum)
{
	Expr	   *expression = kfdw_generated_is_virtual(TupleDescAttr(RelationGetDescr(relation), attnum - 1)) ?
		kfdw_generation_expression(relation, attnum) : (Expr *) build_column_default(relation, attnum);

	return ExecInitExpr(expression_planner(expression), NULL);
}

KafkaGenerated *
kfdw_generated_create(Relation relation)
{
	TupleDesc	desc = RelationGetDescr(relation);
	KafkaGenerated *generated;

	if (!has_missing(relation))
		return NULL;
	generated = palloc0(sizeof(KafkaGenerated));
	desc = CreateTupleDescCopy(desc);
	generated->stored = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	generated->row = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	generated->context = CreateStandaloneExprContext();
	generated->expressions = palloc0(desc->natts * sizeof(ExprState *));
	for (int i = 0; i < desc->natts; i++)
		if (is_missing(relation, TupleDescAttr(RelationGetDescr(relation), i)))
			generated->expressions[i] = init_expression(relation, i + 1);
	return generated;
}

TupleTableSlot *
kfdw_generated_compute(KafkaGenerated *generated, const Datum *values, const bool *nulls)
{
	TupleTableSlot *stored = ExecClearTuple(generated->stored);
	TupleTableSlot *row = ExecClearTuple(generated->row);
	int			natts = stored->tts_tupleDescriptor->natts;

	memcpy(stored->tts_values, values, natts * sizeof(Datum));
	memcpy(stored->tts_isnull, nulls, natts * sizeof(bool));
	memcpy(row->tts_values, values, natts * sizeof(Datum));
	memcpy(row->tts_isnull, nulls, natts * sizeof(bool));
	generated->context->ecxt_scantuple = ExecStoreVirtualTuple(stored);
	for (int i = 0; i < natts; i++)
		if (generated->expressions[i] != NULL)
			row->tts_values[i] = ExecEvalExpr(generated->expressions[i], generated->context, &row->tts_isnull[i]);
	return ExecStoreVirtualTuple(row);
}
