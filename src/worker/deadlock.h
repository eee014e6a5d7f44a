/*
 * deadlock.h
 *	  In a deadlock with a session the worker gives way, as it tries again by itself.
 */
#ifndef KFDW_DEADLOCK_H
#define KFDW_DEADLOCK_H

extern void kfdw_deadlock_init(void);

/* Once in a worker, after it has connected. */
extern void kfdw_deadlock_connect(void);

/* In a transaction that locks more than one thing: until it ends, the worker gives way. */
extern void kfdw_deadlock_give_way(void);

#endif							/* KFDW_DEADLOCK_H */
