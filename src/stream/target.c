/*
 * target.c
 *	  The table that a stream's statement writes.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "parser/parsetree.h"
#include "utils/rel.h"

#include "format/columns.h"
#include "option/options.h"
#include "stream/target.h"

/* The first of the columns of the key, where a query assigns none of them. */
static const char *
find_missing_key(const Query *query, const KafkaColumns *columns)
{
	const char *first = NULL;

	for (int i = 0; i < columns->natts; i++)
	{
		const KafkaColumn *column = &columns->column[i];

		if (column->attnum == 0 || column->kind != KAFKA_COLUMN_KEY)
			continue;
		if (get_tle_by_resno(query->targetList, column->attnum) != NULL)
			return NULL;
		if (first == NULL)
			first = pstrdup(column->name);
	}
	return first;
}

const char *
kfdw_target_missing_key(const Query *query)
{
	const RangeTblEntry *target;
	Relation	table;
	const char *missing;

	if (query->commandType != CMD_INSERT)
		return NULL;
	target = rt_fetch(query->resultRelation, query->rtable);
	if (target->relkind != RELKIND_FOREIGN_TABLE || !kfdw_options_is_topic_table(target->relid))
		return NULL;
	table = table_open(target->relid, NoLock);
	missing = find_missing_key(query, kfdw_columns_create(target->relid, RelationGetDescr(table), true, NULL));
	table_close(table, NoLock);
	return missing;
}
