/*
 * query_tables.c
 *	  Which tables the queries of a stream's statement name.
 *
 * They are not planned for it: planning runs functions, of the index of a table for
 * example, and who looks at a stream need not trust the owners of its tables.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"

#include "stream/query_tables.h"

/* Views are there with what they stand for. */
static bool
is_table(const RangeTblEntry *entry)
{
	return entry->rtekind == RTE_RELATION &&
		(entry->relkind == RELKIND_RELATION || entry->relkind == RELKIND_PARTITIONED_TABLE ||
		 entry->relkind == RELKIND_FOREIGN_TABLE || entry->relkind == RELKIND_MATVIEW);
}

static bool
add_tables(Node *node, void *argument)
{
	KafkaQueryTables *tables = argument;
	Query	   *query = (Query *) node;
	int			index = 0;
	ListCell   *lc;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, add_tables, argument);
	foreach(lc, query->rtable)
	{
		const RangeTblEntry *entry = lfirst_node(RangeTblEntry, lc);

		index++;
		/* of a view only where a trigger takes the rows */
		if (index == query->resultRelation)
			tables->written = list_append_unique_oid(tables->written, entry->relid);
		else if (is_table(entry))
			tables->read = list_append_unique_oid(tables->read, entry->relid);
	}
	return query_tree_walker(query, add_tables, argument, 0);
}

void
kfdw_query_tables_add(List *queries, KafkaQueryTables *tables)
{
	(void) add_tables((Node *) queries, tables);
}
