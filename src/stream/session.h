/*
 * session.h
 *	  Each batch starts from the same state of its worker's session.
 */
#ifndef KFDW_SESSION_H
#define KFDW_SESSION_H

#include "nodes/pg_list.h"

/* Before the statement, in its transaction; tells what is to be taken back. */
extern int	kfdw_session_begin(void);

/*
 * Where a transaction of the worker's own has left once before, and in no subtransaction: what
 * is deferred is done, and then constraints are deferred or not as when the transaction began.
 */
extern void kfdw_session_renew_constraints(void);

/* The same for somebody else's, whose beginning is gone: what can be deferred is, as the statement may need it to be. */
extern void kfdw_session_defer_constraints(void);

/* Calls a function in a subtransaction, and undoes whatever it did; returns its error, or NULL. */
extern ErrorData *kfdw_session_look(void (*function) (void *argument), void *argument);

/* Does what the transaction has deferred; from then on nothing is, unless it is deferred anew. */
extern void kfdw_session_do_deferred(void);

/* Checks what the transaction has deferred, which is done at its end all the same. */
extern void kfdw_session_check_deferred(void);

/* After it: what is deferred is done, and settings are as they were. */
extern void kfdw_session_leave(int level);

/* Then, in the same transaction, where the session is the worker's own: forgets what the statement left behind. */
extern void kfdw_session_clear(void);

/*
 * The names of all prepared statements, in the current memory context; and drops those with other
 * names: no rollback does.
 */
extern List *kfdw_session_list_prepared(void);
extern void kfdw_session_drop_prepared(List *kept);

/*
 * After the transaction, however it ended: forgets what outlives also a rollback.  Among
 * that are all advisory locks of the session.
 */
extern void kfdw_session_forget(void);

/* Rolls the transaction back, without an error; with the same. */
extern void kfdw_session_roll_back(void);

#endif							/* KFDW_SESSION_H */
