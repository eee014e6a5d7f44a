/*
 * rights.c
 *	  What roles may see, use and call.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "function/rights.h"
#include "option/options.h"

bool
kfdw_may_see_work_of(Oid role)
{
	return has_privs_of_role(GetUserId(), role) || has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

void
kfdw_require_right(Oid relid, AclMode right)
{
	AclResult	result;

	kfdw_options_require_topic_table(relid);
	result = pg_class_aclcheck(relid, GetUserId(), right);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_TABLE, get_rel_name(relid));
}

bool
kfdw_may_call(Oid role, const char *function)
{
	List	   *name = list_make2(makeString("kafka"), makeString(pstrdup(function)));

	return kfdw_procedure_may_run(LookupFuncName(name, -1, NULL, false), role);
}
