/*
 * groups.c
 *	  kafka.alter_group_owner(): gives a consumer group to another role.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "catalog/groups.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(kfdw_alter_group_owner);

static void
check_own(const char *server, const char *group_id)
{
	KafkaGroup	group = kfdw_groups_get(server, group_id);

	if (!group.exists)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("consumer group \"%s\" of server \"%s\" has no owner", group_id, server),
				 errdetail("It belongs to the owner of the table that consumes in its name first.")));
	if (!has_privs_of_role(GetUserId(), group.owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of consumer group \"%s\"", group_id)));
}

/* As ALTER ... OWNER TO: who acts for the owner gives it to whom he also is. */
Datum
kfdw_alter_group_owner(PG_FUNCTION_ARGS)
{
	char	   *server = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *group_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid			role = PG_GETARG_OID(2);

	PreventCommandIfReadOnly("kafka.alter_group_owner()");

	/* only who owns it may lock it; until it is locked it may change */
	check_own(server, group_id);
	kfdw_groups_lock_to_change(server, group_id);
	check_own(server, group_id);
	(void) GetUserNameFromId(role, false);	/* a number can be given as a regrole */
	if (!superuser())
		kfdw_check_can_set_role(GetUserId(), role);
	kfdw_groups_set_owner(server, group_id, role);
	PG_RETURN_VOID();
}
