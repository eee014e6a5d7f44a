/*
 * rights.c
 *	  What roles may see of others' processes, and call.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/acl.h"

#include "compat.h"
#include "function/rights.h"

bool
kfdw_may_see_work_of(Oid role)
{
	return has_privs_of_role(GetUserId(), role) || has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

bool
kfdw_may_call(Oid role, const char *function)
{
	List	   *name = list_make2(makeString("kafka"), makeString(pstrdup(function)));

	return kfdw_procedure_may_run(LookupFuncName(name, -1, NULL, false), role);
}
