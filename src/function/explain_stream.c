/*
 * explain_stream.c
 *	  kafka.explain_stream(): the plan of a stream's last batch, with its rows and times.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "function/stream_owner.h"
#include "stream/assignment.h"
#include "stream/owner.h"
#include "stream/statement.h"
#include "worker/shared.h"
#include "worker/slots.h"

PG_FUNCTION_INFO_V1(kfdw_explain_stream);

/* The newest plan that a worker of the stream has shown; NULL when none has. */
static KafkaPlan *
find_plan(const KafkaStream *stream)
{
	KafkaPlan  *newest = NULL;
	KafkaSlot  *slot = palloc(sizeof(KafkaSlot));
	KafkaWorkerKey key = {.database = MyDatabaseId, .kind = KAFKA_JOB_STREAM};

	strlcpy(key.name, stream->name, NAMEDATALEN);
	for (key.worker = 0; kfdw_shared != NULL && key.worker < stream->workers; key.worker++)
	{
		if (!kfdw_slot_copy(&key, slot) || slot->created != stream->created || slot->plan.measured_at == 0)
			continue;
		if (newest != NULL && newest->measured_at >= slot->plan.measured_at)
			continue;
		newest = &slot->plan;
		slot = palloc(sizeof(KafkaSlot));
	}
	return newest;
}

/* A batch that was run. */
static void
show_plan(StringInfo text, const KafkaPlan *plan)
{
	appendStringInfo(text, "Batch  (records=%d time=%.3f ms done=%s)\n",
					 plan->records, plan->ms, timestamptz_to_str(plan->measured_at));
	if (plan->piece < plan->records)
		appendStringInfo(text, "Run in pieces, as records failed: this is the last one that did not  (records=%d)\n", plan->piece);
	appendStringInfoString(text, plan->text);
	if (strlen(plan->text) >= KAFKA_PLAN_LEN - MAX_MULTIBYTE_CHAR_LEN)
		appendStringInfoString(text, "...\n");
}

/* The plan as it would be now. */
static void
show_expected_plan(StringInfo text, const KafkaStream *stream)
{
	KafkaRoleScope scope;

	appendStringInfoString(text, "No batch was run yet: this is the plan as it would be now\n");
	kfdw_stream_require_owner(stream);
	kfdw_assignment_require_source(stream);
	kfdw_owner_begin(&scope, stream);
	kfdw_statement_explain(stream->statement, stream->source, text);
	kfdw_role_end(&scope);
}

/* A row for each line, as EXPLAIN has. */
static void
put_lines(ReturnSetInfo *result, char *text)
{
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
	{
		Datum		value = CStringGetTextDatum(line);
		bool		isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
	}
}

Datum
kfdw_explain_stream(PG_FUNCTION_ARGS)
{
	const KafkaStream *stream = kfdw_stream_get_own(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	const KafkaPlan *plan = find_plan(stream);
	StringInfoData text;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	initStringInfo(&text);
	if (plan != NULL)
		show_plan(&text, plan);
	else
		show_expected_plan(&text, stream);
	put_lines((ReturnSetInfo *) fcinfo->resultinfo, text.data);
	PG_RETURN_VOID();
}
