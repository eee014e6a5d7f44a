/*
 * roles.c
 *	  The type kafka.role, and the triggers that keep track of roles in our tables.
 *
 * The type is a role's OID that is written and read as its name.  In a dump it stays
 * a name; where there is no such role it becomes nobody, where regrole would fail,
 * or take a number for whichever role has it.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "catalog/roles.h"

PG_FUNCTION_INFO_V1(kfdw_role_in);
PG_FUNCTION_INFO_V1(kfdw_role_out);
PG_FUNCTION_INFO_V1(kfdw_track_roles);

Datum
kfdw_role_in(PG_FUNCTION_ARGS)
{
	char	   *name = PG_GETARG_CSTRING(0);
	Oid			role = name[0] == '\0' ? InvalidOid : get_role_oid(name, true);

	if (name[0] != '\0' && !OidIsValid(role))
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", name),
				 errdetail("What belonged to it in schema \"kafka\" belongs to nobody."),
				 errhint("Give it to another role with kafka.alter_stream_owner() or kafka.alter_group_owner().")));
	PG_RETURN_OID(role);
}

Datum
kfdw_role_out(PG_FUNCTION_ARGS)
{
	char	   *name = GetUserNameFromId(PG_GETARG_OID(0), true);

	PG_RETURN_CSTRING(name ? name : pstrdup(""));
}

/* The column "owner" of a row. */
static Oid
get_owner(const TriggerData *trigger, HeapTuple row)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	bool		isnull;

	return DatumGetObjectId(SPI_getbinval(row, desc, SPI_fnumber(desc, "owner"), &isnull));
}

/* Called after rows that have an owner were changed. */
Datum
kfdw_track_roles(PG_FUNCTION_ARGS)
{
	const TriggerData *trigger = (TriggerData *) fcinfo->context;
	Oid			relid;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("not called by a trigger")));
	relid = RelationGetRelid(trigger->tg_relation);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		kfdw_roles_remove_all(relid);
	else if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		kfdw_roles_add(relid, get_owner(trigger, trigger->tg_trigtuple));
	else
	{
		kfdw_roles_remove(relid, get_owner(trigger, trigger->tg_trigtuple));
		if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
			kfdw_roles_add(relid, get_owner(trigger, trigger->tg_newtuple));
	}
	PG_RETURN_POINTER(NULL);
}
