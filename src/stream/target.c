/*
 * target.c
 *	  The table that a stream's statement writes.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "parser/parsetree.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "format/columns.h"
#include "option/options.h"
#include "stream/session.h"
#include "stream/target.h"

/* The name in a parsed statement, NULL where it has none. */
static const RangeVar *
find_name(const Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_InsertStmt:
			return ((const InsertStmt *) statement)->relation;
		case T_UpdateStmt:
			return ((const UpdateStmt *) statement)->relation;
		case T_DeleteStmt:
			return ((const DeleteStmt *) statement)->relation;
		case T_MergeStmt:
			return ((const MergeStmt *) statement)->relation;
		default:
			return NULL;
	}
}

/* Looks a name up; that a schema is closed to the user is no error. */
static Oid
look_up(const RangeVar *name, const char *search_path)
{
	int			guc_level;
	Oid			relid;

	if (name->schemaname != NULL)
		return get_relname_relid(name->relname, get_namespace_oid(name->schemaname, true));
	guc_level = NewGUCNestLevel();
	kfdw_session_set_search_path(search_path);
	relid = RelnameGetRelid(name->relname);
	AtEOXact_GUC(false, guc_level);
	return relid;
}

Oid
kfdw_target_of(const char *statement, const char *search_path)
{
	const RangeVar *name = find_name(linitial_node(RawStmt, pg_parse_query(statement))->stmt);

	return name != NULL ? look_up(name, search_path) : InvalidOid;
}

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
