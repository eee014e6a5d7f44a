/*
 * fdw.h
 *	  What the planner and the executor call, and what the callbacks share.
 */
#ifndef KFDW_FDW_H
#define KFDW_FDW_H

#include "foreign/fdwapi.h"

#include "kafka/consumer.h"
#include "option/options.h"

/* fdw_private of a ForeignScan */
typedef enum KafkaScanPrivate
{
	KAFKA_SCAN_ATTRIBUTES,		/* integer list: the attributes that the query uses */
	KAFKA_SCAN_BOUNDS,			/* what kfdw_bounds_plan() made of the conditions */
	KAFKA_SCAN_LIMITED			/* Boolean: the query may stop before the end of the scan */
} KafkaScanPrivate;

/* plan.c */
extern void kafkaGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel, Oid relid);
extern void kafkaGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel, Oid relid);
extern ForeignScan *kafkaGetForeignPlan(PlannerInfo *root, RelOptInfo *baserel, Oid relid,
										ForeignPath *path, List *tlist, List *clauses, Plan *outer);
extern bool kafkaIsForeignScanParallelSafe(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte);

/* scan.c */
extern void kafkaBeginForeignScan(ForeignScanState *node, int eflags);
extern TupleTableSlot *kafkaIterateForeignScan(ForeignScanState *node);
extern void kafkaReScanForeignScan(ForeignScanState *node);
extern void kafkaEndForeignScan(ForeignScanState *node);

/* analyze.c */
extern bool kafkaAnalyzeForeignTable(Relation relation, AcquireSampleRowsFunc *function, BlockNumber *pages);

/* parallel.c */
extern Size kafkaEstimateDSMForeignScan(ForeignScanState *node, ParallelContext *pcxt);
extern void kafkaInitializeDSMForeignScan(ForeignScanState *node, ParallelContext *pcxt, void *coordinate);
extern void kafkaReInitializeDSMForeignScan(ForeignScanState *node, ParallelContext *pcxt, void *coordinate);
extern void kafkaInitializeWorkerForeignScan(ForeignScanState *node, shm_toc *toc, void *coordinate);
extern void kafkaShutdownForeignScan(ForeignScanState *node);

/* modify.c */
extern List *kafkaPlanForeignModify(PlannerInfo *root, ModifyTable *plan, Index relation, int subplan);
extern void kafkaBeginForeignModify(ModifyTableState *mtstate, ResultRelInfo *relinfo,
									List *fdw_private, int subplan, int eflags);
extern void kafkaBeginForeignInsert(ModifyTableState *mtstate, ResultRelInfo *relinfo);
extern TupleTableSlot *kafkaExecForeignInsert(EState *estate, ResultRelInfo *relinfo,
											  TupleTableSlot *slot, TupleTableSlot *plan_slot);
extern int	kafkaIsForeignRelUpdatable(Relation relation);

/* explain.c */
extern void kafkaExplainForeignScan(ForeignScanState *node, struct ExplainState *es);
extern void kafkaExplainForeignModify(ModifyTableState *mtstate, ResultRelInfo *relinfo,
									  List *fdw_private, int subplan, struct ExplainState *es);

/* import_schema.c */
extern List *kafkaImportForeignSchema(ImportForeignSchemaStmt *statement, Oid serverid);

#endif							/* KFDW_FDW_H */
