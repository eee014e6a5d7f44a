/*
 * order.h
 *	  The order of the source in the results of a stream's statement.
 */
#ifndef KFDW_ORDER_H
#define KFDW_ORDER_H

#include "nodes/parsenodes.h"

/*
 * Sorts the rows of a plain INSERT ... SELECT as the records of its source are, which
 * without a given one is any topic table.  False when the statement is not such a one:
 * the order is then its own.
 */
extern bool kfdw_order_by_source(Query *query, Oid source);

#endif							/* KFDW_ORDER_H */
