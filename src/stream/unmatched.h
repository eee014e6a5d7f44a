/*
 * unmatched.h
 *	  The records of a batch for which a join finds no row.
 */
#ifndef KFDW_UNMATCHED_H
#define KFDW_UNMATCHED_H

/* A query of the batch whose rows are the ctids of such records, and who is told of them. */
typedef struct KafkaUnmatched
{
	const char *query;
	void		(*found) (void *argument, int number);	/* the place of the record in the batch */
	void	   *argument;
} KafkaUnmatched;

/* Finds them under the active snapshot; only then it tells of them. */
extern void kfdw_unmatched_find(const KafkaUnmatched *unmatched);

#endif							/* KFDW_UNMATCHED_H */
