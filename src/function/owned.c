/*
 * owned.c
 *	  DROP OWNED and REASSIGN OWNED: what roles own in our tables goes the way of
 *	  their other objects.
 *
 * An event trigger comes after DROP OWNED.  There is none after REASSIGN OWNED, which
 * takes a hook; in a session that has not loaded the library its role just cannot be
 * dropped yet.
 */
#include "postgres.h"

#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"

#include "catalog/groups.h"
#include "catalog/streams.h"
#include "function/outbox.h"
#include "function/owned.h"
#include "function/stream_definition.h"
#include "function/stream_owner.h"
#include "worker/shared.h"

PG_FUNCTION_INFO_V1(kfdw_owned_dropped);

static ProcessUtility_hook_type previous_hook = NULL;

/* The streams of a role get another owner, or (InvalidOid) are dropped. */
static void
pass_on_streams(Oid old_owner, Oid new_owner)
{
	ListCell   *lc;

	foreach(lc, kfdw_streams_list())
	{
		KafkaStream *stream = lfirst(lc);

		if (stream->owner != old_owner)
			continue;
		kfdw_stream_lock_to_change(stream->name);
		stream = kfdw_streams_get(stream->name);
		if (stream == NULL || stream->owner != old_owner)
			continue;
		if (OidIsValid(new_owner))
			kfdw_stream_set_owner(stream, new_owner);
		else
			kfdw_stream_delete(stream);
	}
}

/* What roles own gets another owner, or (InvalidOid) is dropped. */
static void
pass_on(List *roles, Oid new_owner)
{
	ListCell   *lc;

	foreach(lc, roles)
	{
		Oid			role = get_rolespec_oid(lfirst(lc), false);

		if (role == new_owner)
			continue;
		pass_on_streams(role, new_owner);
		kfdw_outbox_drop_role(role);
		if (OidIsValid(new_owner))
			kfdw_groups_reassign(role, new_owner);
		else
			kfdw_groups_delete_owned(role);
	}
}

/* Called at the end of DROP OWNED, which has checked who may. */
Datum
kfdw_owned_dropped(PG_FUNCTION_ARGS)
{
	const EventTriggerData *trigger = (EventTriggerData *) fcinfo->context;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("not called by an event trigger")));
	if (IsA(trigger->parsetree, DropOwnedStmt))
		pass_on(((const DropOwnedStmt *) trigger->parsetree)->roles, InvalidOid);
	PG_RETURN_NULL();
}

/* Runs a command; what follows REASSIGN OWNED is done if that succeeded. */
static void
follow_reassign_owned(PlannedStmt *statement, const char *text, bool read_only_tree,
					  ProcessUtilityContext context, ParamListInfo params,
					  QueryEnvironment *environment, DestReceiver *destination,
					  QueryCompletion *completion)
{
	const Node *command = statement->utilityStmt;
	bool		reassigns = IsA(command, ReassignOwnedStmt);	/* others may have freed their statement when they are done */
	ProcessUtility_hook_type next = previous_hook ? previous_hook : standard_ProcessUtility;

	next(statement, text, read_only_tree, context, params, environment, destination, completion);
	if (reassigns && OidIsValid(get_extension_oid("kafka_fdw", true)))
	{
		const ReassignOwnedStmt *reassign = (const ReassignOwnedStmt *) command;

		pass_on(reassign->roles, get_rolespec_oid(reassign->newrole, false));
	}
}

void
kfdw_owned_init(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = follow_reassign_owned;
}
