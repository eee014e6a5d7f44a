/*
 * role_scope.c
 *	  Doing what a role has written with the rights of that role, in a session of somebody else.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "catalog/role_scope.h"

void
kfdw_role_begin(KafkaRoleScope *scope, Oid role)
{
	GetUserIdAndSecContext(&scope->userid, &scope->sec_context);
	SetUserIdAndSecContext(role, scope->sec_context |
						   SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	scope->guc_level = NewGUCNestLevel();
}

void
kfdw_role_set_search_path(const char *schemas)
{
	(void) set_config_option("search_path", schemas, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void
kfdw_role_end(const KafkaRoleScope *scope)
{
	AtEOXact_GUC(false, scope->guc_level);
	SetUserIdAndSecContext(scope->userid, scope->sec_context);
}
