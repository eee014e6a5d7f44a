/*
 * bound_tree.h
 *	  The tree of conditions that planning hands to execution, as plain nodes.
 */
#ifndef KFDW_BOUND_TREE_H
#define KFDW_BOUND_TREE_H

/* The kinds of nodes; a list's first member in the plan. */
typedef enum KafkaBoundKind
{
	BOUND_AND,					/* the conditions follow */
	BOUND_OR,
	BOUND_TOPIC,				/* strategy, position in fdw_exprs and slack follow */
	BOUND_PARTITION,
	BOUND_OFFSET,
	BOUND_TIME
} KafkaBoundKind;

#define NOT_EQUAL_STRATEGY 0	/* beyond btree's */

#endif							/* KFDW_BOUND_TREE_H */
