/*
 * loop.h
 *	  Refuses to end a transaction in a loop that consumes.
 */
#ifndef KFDW_LOOP_H
#define KFDW_LOOP_H

/*
 * A scan begins to consume a table.  Raises an error where a query of which it is a part is run for
 * the rows that are to be kept beyond the transaction.
 */
extern void kfdw_loop_consume(const char *table);

extern void kfdw_loop_init(void);

#endif							/* KFDW_LOOP_H */
