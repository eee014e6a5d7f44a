/*
 * guard.c
 *	  Catches errors that are the fault of a record.
 *
 * As a rule an error is caught where a subtransaction began, whose end gives back
 * what the failed code held: locks, pins, snapshots, levels of settings.  One for each
 * record would cost as much as decoding it, and none can begin beside parallel workers
 * before PostgreSQL 17.  But the input functions of PostgreSQL's own scalar types are
 * pure computations on a string: when one of them reports bad input it holds nothing but
 * memory, which goes with the row's memory context.  The same is true of arrays and enums
 * of them, of ranges that compare by functions of this kind, of domains whose checks call
 * such only, and of parsing JSON.  There the error is just caught.
 *
 * Not so with composites, whose input function pins a row type while it reads the
 * fields; with the reg types that name types, which are pinned too; with functions that
 * anybody wrote, which may do whatever SQL can; and with settings that are set by name.
 * These take a subtransaction.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"

#include "compat.h"
#include "format/builtin.h"
#include "format/guard.h"

/* Bytes of an error that are kept. */
#define MAX_DESCRIPTION 1000

/*
 * Classes of SQLSTATE, and single ones, that tell of what a record holds.  A cancel, a
 * shutdown, a lost lock, a lack of memory, a missing table are none of them.
 */
static const char *const record_faults[] = {
	"22",						/* data exception */
	"23",						/* integrity constraint violation */
	"44",						/* WITH CHECK OPTION violation */
	"54",						/* program limit exceeded: too long, too deep */
	"P0001",					/* RAISE, in the check of a domain or a trigger */
};

/* True for an error that tells of what a record holds, not of the server's state or of what somebody did. */
static bool
blames_record(const ErrorData *error)
{
	const char *state = unpack_sql_state(error->sqlerrcode);

	if (error->elevel != ERROR)
		return false;
	for (int i = 0; i < lengthof(record_faults); i++)
		if (strncmp(state, record_faults[i], strlen(record_faults[i])) == 0)
			return true;
	return false;
}

/* An input function shows all of what it got. */
char *
kfdw_guard_describe(const ErrorData *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, error->message);
	if (error->detail != NULL)
		appendStringInfo(&text, ": %s", error->detail);
	if (text.len > MAX_DESCRIPTION)
	{
		text.len = pg_mbcliplen(text.data, text.len, MAX_DESCRIPTION);
		text.data[text.len] = '\0';
		appendStringInfoString(&text, "...");
	}
	return text.data;
}

/* What a type needs that is not made of others. */
static KafkaGuard
base_guard(Oid type)
{
	Oid			function;
	Oid			typioparam;

	if (type == REGTYPEOID || type == REGPROCEDUREOID || type == REGOPERATOROID)
		return KAFKA_GUARD_SUBTRANSACTION;
	getTypeInputInfo(type, &function, &typioparam);
	return kfdw_builtin_function(function) ? KAFKA_GUARD_PLAIN : KAFKA_GUARD_SUBTRANSACTION;
}

KafkaGuard
kfdw_guard_for_input(Oid type)
{
	Oid			element = get_element_type(type);

	if (OidIsValid(element))
		return kfdw_guard_for_input(element);
	switch (get_typtype(type))
	{
		case TYPTYPE_DOMAIN:
			return kfdw_checks_call_only(type, kfdw_builtin_function) ? kfdw_guard_for_input(getBaseType(type)) : KAFKA_GUARD_SUBTRANSACTION;
		case TYPTYPE_RANGE:
			return kfdw_range_calls_only(type, kfdw_builtin_function) ? kfdw_guard_for_input(get_range_subtype(type)) : KAFKA_GUARD_SUBTRANSACTION;
		case TYPTYPE_MULTIRANGE:
			return kfdw_guard_for_input(get_multirange_range(type));
		case TYPTYPE_ENUM:
			return KAFKA_GUARD_PLAIN;
		case TYPTYPE_BASE:
			return base_guard(type);
		default:
			return KAFKA_GUARD_SUBTRANSACTION;
	}
}

/* The function holds nothing when it fails, and its memory goes with the row. */
static ErrorData *
call_plainly(void (*function) (void *argument), void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		function(argument);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (!blames_record(error))
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return error;
}

/* Whatever the function did is undone when it fails. */
static ErrorData *
call_in_subtransaction(void (*function) (void *argument), void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	if (!kfdw_may_begin_subtransaction())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot catch the errors of records in a parallel query"),
				 errdetail("The table has columns whose types need a subtransaction for it."),
				 errhint("Set \"max_parallel_workers_per_gather\" to 0, or \"on_error\" to \"stop\".")));

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		function(argument);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL && !blames_record(error))
		ReThrowError(error);
	return error;
}

ErrorData *
kfdw_guard_call(KafkaGuard guard, void (*function) (void *argument), void *argument)
{
	if (guard == KAFKA_GUARD_PLAIN)
		return call_plainly(function, argument);
	return call_in_subtransaction(function, argument);
}
