/*
 * xact.h
 *	  The only transaction callbacks.
 *
 * Who takes part in transactions registers here once, when the library is loaded;
 * participants are called in the order in which they registered.
 */
#ifndef KFDW_XACT_H
#define KFDW_XACT_H

/* What a participant does; each may be NULL. */
typedef struct KafkaParticipant
{
	/* before a commit: everything that can fail */
	void		(*pre_commit) (void);

	/* before PREPARE TRANSACTION, which it may refuse */
	void		(*pre_prepare) (void);

	/* the transaction is over; must not fail */
	void		(*end) (bool committed);

	/* a subtransaction of this nest level is over; must not fail */
	void		(*end_subtransaction) (int level, bool committed);
} KafkaParticipant;

extern void kfdw_xact_init(void);
extern void kfdw_xact_register(const KafkaParticipant *participant);

#endif							/* KFDW_XACT_H */
