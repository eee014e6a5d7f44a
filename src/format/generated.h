/*
 * generated.h
 *	  Generated columns that are not in rows as triggers get them.
 *
 * Virtual ones (PostgreSQL 18 and later) are in no tuple: plans have their expressions in
 * place of them.  Stored ones are computed after a row was routed to its partition, but in
 * the transition tables of a partitioned table it is as it was before, where the partition's
 * columns have another order.
 */
#ifndef KFDW_GENERATED_H
#define KFDW_GENERATED_H

#include "executor/tuptable.h"
#include "utils/rel.h"

typedef struct KafkaGenerated KafkaGenerated;

extern bool kfdw_generated_is_virtual(Form_pg_attribute attribute);

/* In the current memory context; NULL for a relation that has none. */
extern KafkaGenerated *kfdw_generated_create(Relation relation);

/* A row with them, until the next one; values are in the current memory context. */
extern TupleTableSlot *kfdw_generated_compute(KafkaGenerated *generated, const Datum *values, const bool *nulls);

#endif							/* KFDW_GENERATED_H */
