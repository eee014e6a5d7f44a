/*
 * bounds.h
 *	  Conditions on the topic, partition, offset and timestamp columns decide what is fetched.
 *
 * They only ever leave out records that the conditions, which the executor checks
 * as well, would filter.
 */
#ifndef KFDW_BOUNDS_H
#define KFDW_BOUNDS_H

#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"

#include "kafka/consumer.h"

typedef struct KafkaBounds KafkaBounds;

/*
 * The usable conditions of a scan as a tree of plain nodes, for fdw_private; what
 * they compare with is appended to *exprs, for fdw_exprs.  NIL: none is usable.
 */
extern List *kfdw_bounds_plan(RelOptInfo *baserel, Oid relid, List **exprs);

/* Those of a scan's conditions, as the executor has them, that are usable; "index" is the table's in its range table. */
extern List *kfdw_bounds_list_used(List *conditions, Index index, Oid relid);

/* Prepares the tree for execution; NULL when there is none. */
extern KafkaBounds *kfdw_bounds_begin(List *tree, List *exprs, PlanState *parent);

/* Evaluates what is compared with. */
extern void kfdw_bounds_evaluate(KafkaBounds *bounds, ExprContext *context);

/* Narrows a slice to what its partition's records must have; false when no record can match. */
extern bool kfdw_bounds_narrow(const KafkaBounds *bounds, KafkaSlice *slice);

/* Whether a partition may have matching records, whatever their offsets. */
extern bool kfdw_bounds_admit(const KafkaBounds *bounds, const KafkaPartition *partition);

#endif							/* KFDW_BOUNDS_H */
