/*
 * target.c
 *	  The table that a stream's statement names as the one to write.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "nodes/parsenodes.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

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
