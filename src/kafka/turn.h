/*
 * turn.h
 *	  Whose turn it is to send to a topic; for this folder only.
 *
 * What is under way to a topic is one sender's, so that the records of the next one come
 * behind it in every partition.
 */
#ifndef KFDW_TURN_H
#define KFDW_TURN_H

struct KafkaSender;

/* A topic at some brokers, for all senders of the process that know it. */
typedef struct KafkaTurn
{
	char	   *servers;		/* bootstrap_servers */
	char	   *topic;
	struct KafkaSender *sender; /* whose turn it is; NULL: nobody's */
	int64		outstanding;	/* its records: sent, but no delivery report yet */
	int			users;
	struct KafkaTurn *next;
} KafkaTurn;

/* It stays until all who got it have left. */
extern KafkaTurn *kfdw_turn_get(const char *servers, const char *topic);

/* A sender leaves, and forgets so many of its records. */
extern void kfdw_turn_leave(KafkaTurn *turn, const struct KafkaSender *sender, int64 outstanding);

#endif							/* KFDW_TURN_H */
