/*
 * status.c
 *	  What kafka.status says of the server as a whole; the rest of it is SQL.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "function/absence.h"
#include "worker/slots.h"

PG_FUNCTION_INFO_V1(kfdw_hindrance);

/* Why no worker of this database runs, or no more of them: a row, or none. */
Datum
kfdw_hindrance(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	KafkaAbsence absence = kfdw_absence_explain();

	InitMaterializedSRF(fcinfo, 0);
	if (absence.reason != NULL)
	{
		Datum		values[] = {
			CStringGetTextDatum(kfdw_slot_state_name(absence.state)),
			CStringGetTextDatum(absence.reason),
			CStringGetTextDatum(absence.hint),
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}
