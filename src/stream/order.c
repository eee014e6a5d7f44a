/*
 * order.c
 *	  The order of the source in the results of a stream's statement.
 *
 * The scan of the source gives every record a ctid that ascends with partition and
 * offset; sorting by it keeps the order whatever join is chosen.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_clause.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"

#include "option/options.h"
#include "stream/order.h"

/* Where each row comes from one row of the FROM clause, and all are taken. */
static bool
is_plain_select(const Query *query)
{
	return query->commandType == CMD_SELECT && !query->hasAggs && !query->hasWindowFuncs &&
		query->groupClause == NIL && query->groupingSets == NIL && query->havingQual == NULL &&
		query->distinctClause == NIL && query->setOperations == NULL &&
		query->limitCount == NULL && query->limitOffset == NULL;
}

/* Without a source any topic table is it. */
static bool
is_source(const RangeTblEntry *rte, Oid source)
{
	return rte->rtekind == RTE_RELATION &&
		(OidIsValid(source) ? rte->relid == source : kfdw_options_is_topic_table(rte->relid));
}

/*
 * The index of the source in a FROM clause, where no outer join makes its columns
 * NULL; 0 where it is not there.
 */
static int
find_source(Node *node, const Query *query, Oid source)
{
	ListCell   *lc;
	int			index = 0;

	check_stack_depth();
	if (IsA(node, RangeTblRef))
	{
		RangeTblEntry *rte = rt_fetch(((RangeTblRef *) node)->rtindex, query->rtable);

		if (is_source(rte, source))
			index = ((RangeTblRef *) node)->rtindex;
	}
	else if (IsA(node, FromExpr))
	{
		foreach(lc, ((FromExpr *) node)->fromlist)
			if (index == 0)
				index = find_source(lfirst(lc), query, source);
	}
	else if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		if (join->jointype == JOIN_INNER || join->jointype == JOIN_LEFT)
			index = find_source(join->larg, query, source);
		if (index == 0 && (join->jointype == JOIN_INNER || join->jointype == JOIN_RIGHT))
			index = find_source(join->rarg, query, source);
	}
	return index;
}

bool
kfdw_order_by_source(Query *query, Oid source)
{
	RangeTblEntry *rte;
	Query	   *select;
	int			index;
	TargetEntry *target;
	SortGroupClause *sort;

	if (query->commandType != CMD_INSERT || list_length(query->jointree->fromlist) != 1 ||
		!IsA(linitial(query->jointree->fromlist), RangeTblRef))
		return false;
	rte = rt_fetch(linitial_node(RangeTblRef, query->jointree->fromlist)->rtindex, query->rtable);
	if (rte->rtekind != RTE_SUBQUERY || !is_plain_select(rte->subquery))
		return false;
	select = rte->subquery;
	if (select->sortClause != NIL)
		return true;			/* an order was asked for */
	index = find_source((Node *) select->jointree, select, source);
	if (index == 0)
		return false;

	target = makeTargetEntry((Expr *) makeVar(index, SelfItemPointerAttributeNumber, TIDOID, -1, InvalidOid, 0),
							 list_length(select->targetList) + 1, pstrdup("ctid"), true);
	select->targetList = lappend(select->targetList, target);
	sort = makeNode(SortGroupClause);
	sort->tleSortGroupRef = assignSortGroupRef(target, select->targetList);
	get_sort_group_operators(TIDOID, true, true, false, &sort->sortop, &sort->eqop, NULL, &sort->hashable);
	select->sortClause = list_make1(sort);
	return true;
}
