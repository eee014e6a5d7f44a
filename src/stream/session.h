/*
 * session.h
 *	  Each batch starts from the same state of its worker's session.
 */
#ifndef KFDW_SESSION_H
#define KFDW_SESSION_H

/* Before the statement of a batch, in its transaction; tells what the end is to take back. */
extern int	kfdw_session_begin(void);

/* After it, in the same transaction: forgets what the statement left behind. */
extern void kfdw_session_end(int level);

/*
 * After the transaction, however it ended: forgets what outlives also a rollback.  Among
 * that are all advisory locks of the session.
 */
extern void kfdw_session_forget(void);

#endif							/* KFDW_SESSION_H */
