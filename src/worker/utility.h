/*
 * utility.h
 *	  Ends workers before the commands that they are in the way of.
 */
#ifndef KFDW_UTILITY_H
#define KFDW_UTILITY_H

extern void kfdw_utility_init(void);

/* True for a database that everybody may copy who may create databases: nothing runs there. */
extern bool kfdw_utility_is_template(Oid database);

#endif							/* KFDW_UTILITY_H */
