/*
 * naming.c
 *	  Tables and columns as statements that are written for streams name them.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "stream/naming.h"

char *
kfdw_name_relation(Oid relid)
{
	const char *schema = RelationIsVisible(relid) ? NULL : get_namespace_name(get_rel_namespace(relid));

	return quote_qualified_identifier(schema, get_rel_name(relid));
}

char *
kfdw_name_column(const char *alias, const char *name)
{
	return quote_qualified_identifier(alias, name);
}

char *
kfdw_name_columns(const char *alias, const List *names)
{
	StringInfoData list;
	ListCell   *lc;

	initStringInfo(&list);
	foreach(lc, names)
		appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", kfdw_name_column(alias, strVal(lfirst(lc))));
	return list.data;
}
