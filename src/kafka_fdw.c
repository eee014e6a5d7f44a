/*
 * kafka_fdw.c
 *	  The module: what PostgreSQL finds when it loads the library.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "delivery/delivery.h"
#include "delivery/relay.h"
#include "fdw/fdw.h"
#include "format/needs.h"
#include "function/owned.h"
#include "option/options.h"
#include "source/batch.h"
#include "source/consumed.h"
#include "source/consumption.h"
#include "source/report.h"
#include "stat/activity.h"
#include "stat/counts.h"
#include "stream/sentry.h"
#include "stream/stream.h"
#include "worker/worker.h"
#include "xact.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(kafka_fdw_handler);

void		_PG_init(void);

void
_PG_init(void)
{
	kfdw_xact_init();
	kfdw_option_init();
	kfdw_needs_init();
	kfdw_counts_init();
	kfdw_activity_init();

	kfdw_consumption_init();
	kfdw_report_init();
	kfdw_consumed_init();
	kfdw_batch_init();
	kfdw_delivery_init();
	kfdw_relay_init();
	kfdw_stream_init();
	kfdw_sentry_init();
	kfdw_worker_init();
	kfdw_owned_init();
	if (process_shared_preload_libraries_in_progress)
		MarkGUCPrefixReserved("kafka_fdw");
}

Datum
kafka_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = kafkaGetForeignRelSize;
	routine->GetForeignPaths = kafkaGetForeignPaths;
	routine->GetForeignPlan = kafkaGetForeignPlan;

	routine->BeginForeignScan = kafkaBeginForeignScan;
	routine->IterateForeignScan = kafkaIterateForeignScan;
	routine->ReScanForeignScan = kafkaReScanForeignScan;
	routine->EndForeignScan = kafkaEndForeignScan;

	routine->IsForeignScanParallelSafe = kafkaIsForeignScanParallelSafe;
	routine->EstimateDSMForeignScan = kafkaEstimateDSMForeignScan;
	routine->InitializeDSMForeignScan = kafkaInitializeDSMForeignScan;
	routine->ReInitializeDSMForeignScan = kafkaReInitializeDSMForeignScan;
	routine->InitializeWorkerForeignScan = kafkaInitializeWorkerForeignScan;
	routine->ShutdownForeignScan = kafkaShutdownForeignScan;

	routine->AnalyzeForeignTable = kafkaAnalyzeForeignTable;

	routine->IsForeignRelUpdatable = kafkaIsForeignRelUpdatable;
	routine->PlanForeignModify = kafkaPlanForeignModify;
	routine->BeginForeignModify = kafkaBeginForeignModify;
	routine->BeginForeignInsert = kafkaBeginForeignInsert;
	routine->ExecForeignInsert = kafkaExecForeignInsert;

	routine->ExplainForeignScan = kafkaExplainForeignScan;
	routine->ExplainForeignModify = kafkaExplainForeignModify;

	routine->ImportForeignSchema = kafkaImportForeignSchema;

	PG_RETURN_POINTER(routine);
}
