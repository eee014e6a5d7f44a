/*
 * guard.c
 *	  Keeps the tables that say who may do what from everybody but their owner, and all
 *	  our tables from what logical replication brings of another database's.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(kfdw_guard_rows);
PG_FUNCTION_INFO_V1(kfdw_skip_applied);

static const TriggerData *
get_trigger(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("not called by a trigger")));
	return (TriggerData *) fcinfo->context;
}

/* The row as it is to be. */
static HeapTuple
get_row(const TriggerData *trigger)
{
	return TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
}

/*
 * Called before a row is changed, and before TRUNCATE.  Privileges are not enough: a
 * row says what runs and as whom, or whose a group is, so GRANT, or pg_write_all_data,
 * would be the right to become any role.
 */
Datum
kfdw_guard_rows(PG_FUNCTION_ARGS)
{
	const TriggerData *trigger = get_trigger(fcinfo);

	if (!has_privs_of_role(GetUserId(), trigger->tg_relation->rd_rel->relowner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to change table \"kafka.%s\"",
						RelationGetRelationName(trigger->tg_relation)),
				 errdetail("It says who may do what; only its owner may change it, whatever is granted."),
				 errhint("Use the functions of schema \"kafka\".")));
	PG_RETURN_POINTER(get_row(trigger));
}

/*
 * Called before a row is changed.  The rows of a publication of all tables would have this
 * database run, and publish, what another one does.  Those that are made here, for what a
 * trigger on an applied row does, are written by our own statements, as another user.
 */
Datum
kfdw_skip_applied(PG_FUNCTION_ARGS)
{
	const TriggerData *trigger = get_trigger(fcinfo);

	PG_RETURN_POINTER(IsLogicalWorker() && !InLocalUserIdChange() ? NULL : get_row(trigger));
}
