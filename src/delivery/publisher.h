/*
 * publisher.h
 *	  Makes records of a topic table of the rows of another table.
 */
#ifndef KFDW_PUBLISHER_H
#define KFDW_PUBLISHER_H

#include "executor/tuptable.h"
#include "utils/rel.h"

/* What happened to a row, as the header "op" of its record says. */
typedef enum KafkaOperation
{
	KAFKA_ROW_INSERTED = 'I',
	KAFKA_ROW_UPDATED = 'U',
	KAFKA_ROW_DELETED = 'D'
} KafkaOperation;

typedef struct KafkaPublisher KafkaPublisher;

/*
 * A publisher for a statement, in the current memory context.  The source is the table that
 * was named to be published, or a partition of it.  The key is made of the columns that are
 * named, by default of the primary key.  What does not fit is an error.  The target is
 * locked until the end of the transaction.
 */
extern KafkaPublisher *kfdw_publisher_create(Relation source, Oid named, Oid target, List *key_columns);

/*
 * Begins to write, with the rights of the named table's owner and by the target's options;
 * before it, nothing but the definitions is looked at.
 */
extern void kfdw_publisher_begin(KafkaPublisher *publisher);

/* Writes a row's record; that of a deleted one is a tombstone. */
extern void kfdw_publisher_write(KafkaPublisher *publisher, TupleTableSlot *row, KafkaOperation operation);

/* True when a row has kept its key. */
extern bool kfdw_publisher_same_key(KafkaPublisher *publisher, TupleTableSlot *old, TupleTableSlot *new);

#endif							/* KFDW_PUBLISHER_H */
