/*
 * unmatched.c
 *	  The records of a batch for which a join finds no row.
 */
#include "postgres.h"

#include "executor/spi.h"

#include "source/source.h"
#include "stream/unmatched.h"

/* Runs the query; its rows are in SPI_tuptable.  No parallel plan: the batch is in this process. */
static void
run_query(const char *query)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(query, 0, NULL, 0);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", query, SPI_result_code_string(SPI_result));

	/* read-only: under the active snapshot */
	if (SPI_execute_plan(plan, NULL, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "\"%s\" is not a query", query);
}

void
kfdw_unmatched_find(const KafkaUnmatched *unmatched)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	run_query(unmatched->query);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		tid = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		unmatched->found(unmatched->argument, (int) kfdw_source_tid_number((ItemPointer) DatumGetPointer(tid)));
	}
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
}
