/*
 * batch.h
 *	  The batch that a stream's statement reads.
 *
 * A worker binds its source table to records in a buffer for a transaction; scans of
 * that table then read these and nothing else, and cannot go on when others are bound,
 * or none.  Everywhere else the same table is a plain topic table.
 */
#ifndef KFDW_BATCH_H
#define KFDW_BATCH_H

#include "kafka/buffer.h"
#include "nodes/bitmapset.h"
#include "option/options.h"
#include "utils/elog.h"

/* Some of the records of a buffer, one after the other. */
typedef struct KafkaBatch
{
	KafkaBuffer *buffer;
	int			first;
	int			count;
	const bool *passed_over;	/* by index in the buffer: no rows of these; NULL: of all */

	/*
	 * Sets a record of the buffer aside that cannot be decoded, unless the table's options
	 * get over it; NULL: it is an error.
	 */
	void		(*set_aside) (void *argument, int index, const ErrorData *error);
	void	   *argument;
} KafkaBatch;

/* Until the end of the transaction, or before. */
extern void kfdw_batch_bind(Oid relid, KafkaBatch batch);
extern void kfdw_batch_unbind(void);

/* There is one at a time. */
extern bool kfdw_batch_is_bound(void);

/* The batch bound to a table, NULL where it is to be read from the broker. */
extern const KafkaBatch *kfdw_batch_bound(Oid relid);

/* What becomes of a record of it that cannot be decoded, where the table says this. */
extern KafkaOnError kfdw_batch_on_error(const KafkaBatch *batch, KafkaOnError of_table);

/* What no scan of the batch that is bound has decoded. */
typedef struct KafkaBatchRest
{
	int			first;			/* so many records were, from the batch's first */
	bool		all;			/* all columns count; else: */
	Bitmapset  *attributes;		/* the numbers of those that scans use */
} KafkaBatchRest;

extern KafkaBatchRest kfdw_batch_rest(void);

/* Called once in a backend. */
extern void kfdw_batch_init(void);

#endif							/* KFDW_BATCH_H */
