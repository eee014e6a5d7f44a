/*
 * xact.h
 *	  The only transaction callbacks.
 *
 * Who takes part in transactions registers here once, when the library is loaded.
 * Each step before a commit is taken by all participants, in the order in which they
 * registered, before the next one begins.
 */
#ifndef KFDW_XACT_H
#define KFDW_XACT_H

/* What a participant does; each may be NULL. */
typedef struct KafkaParticipant
{
	/* before PREPARE TRANSACTION, which it may refuse */
	void		(*check_prepare) (void);

	/* first before a commit: writes the last rows of the transaction */
	void		(*write) (void);

	/* true when send() will do what a rollback cannot undo; nothing of that can be prepared */
	bool		(*holds) (void);

	/* last before a commit: sends what is held, and closes what must not outlive a commit */
	void		(*send) (void);

	/* the transaction is over; must not fail */
	void		(*end) (bool committed);

	/* a subtransaction has begun, also in place of one that was rolled back to its savepoint */
	void		(*begin_subtransaction) (void);

	/* a subtransaction of this nest level is over; must not fail */
	void		(*end_subtransaction) (int level, bool committed);
} KafkaParticipant;

/*
 * Between these two, what statements have done may be written, although the transaction was made read
 * only since then.  After an error PostgreSQL itself restores what it was.
 */
extern bool kfdw_xact_allow_writes(void);
extern void kfdw_xact_restore_writes(bool was_read_only);

extern void kfdw_xact_init(void);
extern void kfdw_xact_register(const KafkaParticipant *participant);

#endif							/* KFDW_XACT_H */
