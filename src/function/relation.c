/*
 * relation.c
 *	  The type kafka.relation: a table's OID that is written and read as its name.
 *
 * In a dump it stays a name; where there is no such table it becomes none, where regclass
 * would fail, or take a number for whichever table has it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(kfdw_relation_in);
PG_FUNCTION_INFO_V1(kfdw_relation_out);

Datum
kfdw_relation_in(PG_FUNCTION_ARGS)
{
	char	   *name = PG_GETARG_CSTRING(0);
	Oid			relid;

	if (name[0] == '\0')
		PG_RETURN_OID(InvalidOid);
	relid = RangeVarGetRelid(makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name))), NoLock, true);
	if (!OidIsValid(relid))
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist", name),
				 errdetail("A stream that reads it has no source."),
				 errhint("Drop the stream, or create the table and give it to the stream: kafka.alter_stream(name, source => table).")));
	PG_RETURN_OID(relid);
}

Datum
kfdw_relation_out(PG_FUNCTION_ARGS)
{
	if (get_rel_name(PG_GETARG_OID(0)) == NULL)
		PG_RETURN_CSTRING(pstrdup(""));
	PG_RETURN_DATUM(DirectFunctionCall1(regclassout, PG_GETARG_DATUM(0)));
}
