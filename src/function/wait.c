/*
 * wait.c
 *	  kafka.wait(): returns when a consuming table has something to read.
 *
 * The transaction is ended, as COMMIT in a procedure does, before anything is waited for:
 * nothing is held meanwhile.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "function/rights.h"
#include "source/permit.h"
#include "source/waiter.h"
#include "stat/wait.h"

PG_FUNCTION_INFO_V1(kfdw_await);
PG_FUNCTION_INFO_V1(kfdw_await_ready);

/* The end of a wait that has none. */
#define FOR_EVER DT_NOEND

/* Inside a transaction that goes on there is nothing that could be let go of. */
static void
check_can_commit(FunctionCallInfo fcinfo)
{
	const CallContext *call = (CallContext *) fcinfo->context;

	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("kafka.wait() cannot run inside a transaction block"),
				 errdetail("It waits without holding anything, so it ends the transaction first."),
				 errhint("Call it before BEGIN, or in a procedure or DO block that may COMMIT.")));
}

/* When the wait is over, by kfdw_wait_now(). */
static TimestampTz
get_deadline(FunctionCallInfo fcinfo)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz deadline;

	if (PG_ARGISNULL(1))
		return FOR_EVER;
	deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
													   PG_GETARG_DATUM(1)));
	if (deadline < now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the timeout cannot be negative")));
	return TIMESTAMP_NOT_FINITE(deadline) ? FOR_EVER : kfdw_wait_now() + (deadline - now);
}

/* A consuming table that the user may read. */
static KafkaTableOptions *
get_options(Oid relid)
{
	KafkaTableOptions *options;

	kfdw_require_right(relid, ACL_SELECT);
	options = kfdw_options_table(relid, GetUserId());
	if (options->group_id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a topic table, which has no position", get_rel_name(relid)),
				 errhint("A table with the option \"group_id\" has one.")));
	(void) kfdw_permit_check(options);
	return options;
}

/* In a transaction of its own: looks where the group stands, by what the table's options are now. */
static KafkaWaiter *
look(KafkaWaiter *waiter, KafkaTableOptions **options, Oid relid)
{
	if (waiter != NULL && !kfdw_options_are_current(*options))
	{
		kfdw_waiter_close(waiter);
		waiter = NULL;
	}
	if (waiter == NULL)
	{
		*options = get_options(relid);
		waiter = kfdw_waiter_open(*options);
	}
	else
		kfdw_require_right(relid, ACL_SELECT);
	kfdw_waiter_look(waiter);
	SPI_commit();
	return waiter;
}

/* Waits; false when the time was up first. */
static bool
wait_for_records(Oid relid, TimestampTz deadline)
{
	KafkaTableOptions *options = NULL;
	KafkaWaiter *waiter = NULL;
	KafkaReadiness readiness;

	for (;;)
	{
		TimestampTz now;

		waiter = look(waiter, &options, relid);
		readiness = kfdw_waiter_ask(waiter);
		now = kfdw_wait_now();
		if (readiness == KAFKA_READY || (readiness == KAFKA_NOT_READY && now >= deadline))
			break;
		if (readiness == KAFKA_NOT_READY)
			kfdw_waiter_wait(waiter, TimestampDifferenceMilliseconds(now, deadline));
	}
	kfdw_waiter_close(waiter);
	return readiness == KAFKA_READY;
}

/* The same for a procedure; what follows it begins a transaction of now. */
static bool
run_procedure(FunctionCallInfo fcinfo)
{
	TimestampTz deadline = get_deadline(fcinfo);
	bool		is_ready;

	check_can_commit(fcinfo);
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the table cannot be null")));
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	is_ready = wait_for_records(PG_GETARG_OID(0), deadline);
	SPI_commit();
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	return is_ready;
}

Datum
kfdw_await(PG_FUNCTION_ARGS)
{
	if (!run_procedure(fcinfo))
		ereport(NOTICE,
				(errmsg("there was nothing to read until the timeout")));
	PG_RETURN_VOID();
}

/* The same, telling by its last argument whether there is something to read. */
Datum
kfdw_await_ready(PG_FUNCTION_ARGS)
{
	bool		is_ready = run_procedure(fcinfo);
	bool		isnull = false;
	Datum		value = BoolGetDatum(is_ready);
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), &value, &isnull)));
}
