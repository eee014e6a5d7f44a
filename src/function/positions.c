/*
 * positions.c
 *	  ALTER SERVER ... RENAME TO takes the positions along, which are kept by the
 *	  server's name so that a dump can hold them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"

#include "catalog/spi.h"
#include "option/options.h"

PG_FUNCTION_INFO_V1(kfdw_server_renamed);

static KafkaStatement delete_statement = {
	"DELETE FROM kafka.offsets o WHERE o.server OPERATOR(pg_catalog.=) $1",
	1, {TEXTOID}
};

static KafkaStatement rename_statement = {
	"UPDATE kafka.offsets o SET server = $1 WHERE o.server OPERATOR(pg_catalog.=) $2",
	2, {TEXTOID, TEXTOID}
};

static void
rename_positions(const char *old_name, const char *new_name)
{
	KafkaCatalogScope scope;
	Datum		values[2];

	kfdw_catalog_begin(&scope);
	values[0] = CStringGetTextDatum(new_name);
	values[1] = CStringGetTextDatum(old_name);

	/* rows of the new name are of a server that was dropped: the name was free */
	kfdw_catalog_write(&delete_statement, values, NULL);
	kfdw_catalog_write(&rename_statement, values, NULL);
	kfdw_catalog_end(&scope);
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
