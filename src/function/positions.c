/*
 * positions.c
 *	  ALTER SERVER ... RENAME TO takes the positions along, which are kept by the
 *	  server's name so that a dump can hold them.
 */
#include "postgres.h"

#include "commands/event_trigger.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "nodes/parsenodes.h"

#include "catalog/dead_letters.h"
#include "catalog/groups.h"
#include "catalog/offsets.h"
#include "catalog/parked.h"
#include "catalog/relays.h"
#include "option/options.h"
#include "source/batch.h"
#include "source/consumption.h"

PG_FUNCTION_INFO_V1(kfdw_server_renamed);

static void
rename_positions(const char *old_name, const char *new_name)
{
	if (kfdw_batch_is_bound())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot rename server \"%s\" in the statement of a stream", old_name),
				 errdetail("A batch ends by writing the position, which is kept by the name of its server.")));
	kfdw_consumption_release_name(old_name);
	kfdw_groups_delete_namesakes(old_name, new_name);
	kfdw_offsets_rename_server(old_name, new_name);
	kfdw_groups_rename_server(old_name, new_name);
	kfdw_dead_letters_rename_server(old_name, new_name);
	kfdw_parked_rename_server(old_name, new_name);
	kfdw_relays_rename_server(old_name, new_name);
}

/* Called at the end of each ALTER SERVER. */
Datum
kfdw_server_renamed(PG_FUNCTION_ARGS)
{
	const EventTriggerData *trigger = (EventTriggerData *) fcinfo->context;
	const RenameStmt *rename;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("not called by an event trigger")));
	if (IsA(trigger->parsetree, RenameStmt))
	{
		rename = (const RenameStmt *) trigger->parsetree;
		if (kfdw_options_is_our_server(GetForeignServerByName(rename->newname, false)->serverid))
			rename_positions(strVal(rename->object), rename->newname);
	}
	PG_RETURN_NULL();
}
