/*
 * outbox.c
 *	  kafka.stat_outbox, kafka.resolve_outbox(), kafka.retry_outbox(), and what becomes of
 *	  the outbox when a server is dropped.
 */
#include "postgres.h"

#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "catalog/dead_letters.h"
#include "catalog/outbox.h"
#include "catalog/relays.h"
#include "delivery/delivery.h"
#include "delivery/relay.h"
#include "function/absence.h"
#include "function/outbox.h"
#include "function/rights.h"
#include "worker/slots.h"

PG_FUNCTION_INFO_V1(kfdw_stat_relays);
PG_FUNCTION_INFO_V1(kfdw_stat_unsent);
PG_FUNCTION_INFO_V1(kfdw_resolve_outbox);
PG_FUNCTION_INFO_V1(kfdw_retry_outbox);
PG_FUNCTION_INFO_V1(kfdw_server_dropped);

/* The columns of kafka.stat_relays(). */
enum
{
	STAT_ID,
	STAT_STATE,
	STAT_PID,
	STAT_RESTARTS,
	STAT_LAST_COMMIT_AT,
	STAT_LAST_ERROR,
	STAT_LAST_ERROR_AT,
	STAT_HINT,
	STAT_COLUMNS
};

/* The columns of kafka.stat_unsent(). */
enum
{
	UNSENT_RELAY,
	UNSENT_RECORDS,
	UNSENT_OLDEST,
	UNSENT_COLUMNS
};

/* The arguments of kafka.resolve_outbox(). */
enum
{
	RESOLVE_SERVER,
	RESOLVE_MODE,
	RESOLVE_ROLE
};

/* The arguments of kafka.retry_outbox(). */
enum
{
	RETRY_SERVER,
	RETRY_ROLE
};

/* One row. */
static void
put_row(ReturnSetInfo *set, const KafkaRelay *relay, const KafkaAbsence *absence)
{
	KafkaWorkerKey key = {.database = MyDatabaseId,.kind = KAFKA_JOB_RELAY};
	Datum		values[STAT_COLUMNS] = {0};
	bool		nulls[STAT_COLUMNS] = {0};
	KafkaSlot	slot = {0};
	bool		may_read = kfdw_may_see_work_of(relay->owner);
	bool		found;
	const char *error;
	const char *hint;

	strlcpy(key.name, kfdw_relay_name(relay->id), NAMEDATALEN);
	found = kfdw_shared != NULL && kfdw_slot_copy(&key, &slot);
	if (!found || absence->state == KAFKA_STATE_PAUSED)
		slot.state = absence->state;
	error = slot.stats.last_error;
	hint = slot.stats.last_hint;
	if (absence->reason != NULL && (!found || absence->state == KAFKA_STATE_PAUSED))
	{
		error = absence->reason;
		hint = absence->hint;
	}
	values[STAT_ID] = Int32GetDatum(relay->id);
	values[STAT_STATE] = CStringGetTextDatum(kfdw_slot_state_name(slot.state));
	values[STAT_PID] = Int32GetDatum((int32) slot.pid);
	nulls[STAT_PID] = slot.pid == 0;
	values[STAT_RESTARTS] = Int64GetDatum(slot.stats.restarts);
	values[STAT_LAST_COMMIT_AT] = TimestampTzGetDatum(slot.stats.last_commit_at);
	nulls[STAT_LAST_COMMIT_AT] = slot.stats.last_commit_at == 0;
	nulls[STAT_LAST_ERROR] = !may_read || error[0] == '\0';
	if (!nulls[STAT_LAST_ERROR])
		values[STAT_LAST_ERROR] = CStringGetTextDatum(error);
	values[STAT_LAST_ERROR_AT] = TimestampTzGetDatum(slot.stats.last_error_at);
	nulls[STAT_LAST_ERROR_AT] = slot.stats.last_error_at == 0;
	nulls[STAT_HINT] = !may_read || hint[0] == '\0';
	if (!nulls[STAT_HINT])
		values[STAT_HINT] = CStringGetTextDatum(hint);
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

/* What the workers of the relays say. */
Datum
kfdw_stat_relays(PG_FUNCTION_ARGS)
{
	KafkaAbsence absence = kfdw_absence_explain();
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, kfdw_relays_list())
		put_row((ReturnSetInfo *) fcinfo->resultinfo, lfirst(lc), &absence);
	PG_RETURN_NULL();
}

/* What relays have still to publish. */
Datum
kfdw_stat_unsent(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, kfdw_outbox_list_unsent())
	{
		const KafkaUnsent *unsent = lfirst(lc);
		Datum		values[UNSENT_COLUMNS];
		bool		nulls[UNSENT_COLUMNS] = {0};

		values[UNSENT_RELAY] = Int32GetDatum(unsent->relay);
		values[UNSENT_RECORDS] = Int64GetDatum(unsent->records);
		values[UNSENT_OLDEST] = TimestampTzGetDatum(unsent->oldest);
		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	PG_RETURN_NULL();
}

/* An argument of type text, of which there must be one. */
static const char *
get_text(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("only the argument \"role\" can be null")));
	return text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* The relay of a server and a role, by default the user, who must be able to act for it. */
static const KafkaRelay *
get_own_relay(FunctionCallInfo fcinfo, const char *server, int argument)
{
	Oid			role = PG_ARGISNULL(argument) ? GetUserId() : PG_GETARG_OID(argument);
	const KafkaRelay *relay = kfdw_relays_find(server, role);

	if (relay == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" has no outbox of server \"%s\"", GetUserNameFromId(role, false), server)));
	if (!has_privs_of_role(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for the outbox of role \"%s\"", GetUserNameFromId(role, false))));
	return relay;
}

/* What is not published never will be, unless its relay is about to. */
static void
discard(const KafkaRelay *relay)
{
	int64		records;

	kfdw_relays_lock_to_delete(relay);
	records = kfdw_outbox_count_unsent(relay->id);
	kfdw_outbox_discard_rows(relay->id);
	ereport(NOTICE,
			(errmsg_plural("%lld record was discarded", "%lld records were discarded", (unsigned long) records, (long long) records)));
}

/* Says what becomes of what is not published, or of what nobody knows whether it was. */
Datum
kfdw_resolve_outbox(PG_FUNCTION_ARGS)
{
	const char *server = get_text(fcinfo, RESOLVE_SERVER);
	const char *mode = get_text(fcinfo, RESOLVE_MODE);
	bool		discards = strcmp(mode, "discard") == 0;
	const KafkaRelay *relay;

	if (!discards && strcmp(mode, "publish") != 0 && strcmp(mode, "skip") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown mode \"%s\"", mode),
				 errhint("Valid modes for what may have been published are \"publish\", perhaps once more, and \"skip\"; \"discard\" deletes everything.")));
	relay = get_own_relay(fcinfo, server, RESOLVE_ROLE);
	PreventCommandIfReadOnly("kafka.resolve_outbox()");
	if (discards)
		discard(relay);
	else
		kfdw_relays_resolve(relay->id, mode);
	kfdw_shared_ping_at_end();
	PG_RETURN_VOID();
}

/* Has records published that were set aside, when this transaction commits. */
Datum
kfdw_retry_outbox(PG_FUNCTION_ARGS)
{
	const char *server = get_text(fcinfo, RETRY_SERVER);

	PreventCommandIfReadOnly("kafka.retry_outbox()");
	PG_RETURN_INT64(kfdw_delivery_retry(get_own_relay(fcinfo, server, RETRY_ROLE)));
}

/* A relay goes if it has published everything, and nothing was set aside. */
static void
drop_relay(const KafkaRelay *relay)
{
	kfdw_relays_lock_to_delete(relay);
	if (kfdw_outbox_count_unsent(relay->id) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("the outbox of server \"%s\" has records that are not published yet", relay->server),
				 errdetail("They were inserted by role \"%s\".", GetUserNameFromId(relay->owner, true)),
				 errhint("See kafka.stat_outbox; kafka.resolve_outbox() with mode \"discard\" deletes them.")));
	if (kfdw_dead_letters_has_unpublished(relay->server, relay->owner))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("the outbox of server \"%s\" has records that were set aside", relay->server),
				 errdetail("They were inserted by role \"%s\".", GetUserNameFromId(relay->owner, true)),
				 errhint("Delete them from kafka.dead_letters, or publish them with kafka.retry_outbox().")));
	kfdw_relays_delete(relay->id);
	kfdw_shared_ping_at_end();
}

/* Drops the relays of a server. */
static void
drop_relays(const char *server)
{
	ListCell   *lc;

	foreach(lc, kfdw_relays_list())
		if (strcmp(((KafkaRelay *) lfirst(lc))->server, server) == 0)
			drop_relay(lfirst(lc));
}

void
kfdw_outbox_drop_role(Oid role)
{
	ListCell   *lc;

	foreach(lc, kfdw_relays_list())
		if (((KafkaRelay *) lfirst(lc))->owner == role)
			drop_relay(lfirst(lc));
}

/* Called when objects were dropped, servers among them. */
Datum
kfdw_server_dropped(PG_FUNCTION_ARGS)
{
	List	   *servers = NIL;
	ListCell   *lc;
	MemoryContext context = CurrentMemoryContext;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("not called by an event trigger")));
	SPI_connect();
	SPI_execute("SELECT o.object_name FROM pg_catalog.pg_event_trigger_dropped_objects() o "
				"WHERE o.object_type OPERATOR(pg_catalog.=) 'server'", true, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		servers = lappend(servers, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	foreach(lc, servers)
		if (lfirst(lc) != NULL)
			drop_relays(lfirst(lc));
	PG_RETURN_NULL();
}
