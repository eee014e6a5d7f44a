/*
 * guard.c
 *	  Keeps the tables that say who may do what from everybody but their owner.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(kfdw_guard_rows);

/*
 * Called before a row is changed, and before TRUNCATE.  Privileges are not enough: a
 * row says what runs and as whom, or whose a group is, so GRANT, or pg_write_all_data,
 * would be the right to become any role.
 */
Datum
kfdw_guard_rows(PG_FUNCTION_ARGS)
{
	const TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("not called by a trigger")));
	if (!has_privs_of_role(GetUserId(), trigger->tg_relation->rd_rel->relowner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to change table \"kafka.%s\"",
						RelationGetRelationName(trigger->tg_relation)),
				 errdetail("It says who may do what; only its owner may change it, whatever is granted."),
				 errhint("Use the functions of schema \"kafka\".")));
	PG_RETURN_POINTER(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple);
}
