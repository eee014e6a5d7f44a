/*
 * utility.h
 *	  Ends workers before the commands that they are in the way of.
 */
#ifndef KFDW_UTILITY_H
#define KFDW_UTILITY_H

extern void kfdw_utility_init(void);

#endif							/* KFDW_UTILITY_H */
