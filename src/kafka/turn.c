/*
 * turn.c
 *	  Whose turn it is to send to a topic.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kafka/turn.h"

static KafkaTurn *turns = NULL;

KafkaTurn *
kfdw_turn_get(const char *servers, const char *topic)
{
	KafkaTurn  *turn;

	for (turn = turns; turn != NULL; turn = turn->next)
		if (strcmp(turn->topic, topic) == 0 && strcmp(turn->servers, servers) == 0)
			break;
	if (turn == NULL)
	{
		turn = MemoryContextAllocZero(TopMemoryContext, sizeof(KafkaTurn));
		turn->servers = MemoryContextStrdup(TopMemoryContext, servers);
		turn->topic = MemoryContextStrdup(TopMemoryContext, topic);
		turn->next = turns;
		turns = turn;
	}
	turn->users++;
	return turn;
}

void
kfdw_turn_leave(KafkaTurn *turn, const struct KafkaSender *sender, int64 outstanding)
{
	KafkaTurn **place = &turns;

	turn->outstanding -= outstanding;
	if (turn->sender == sender)
		turn->sender = NULL;
	if (--turn->users > 0)
		return;
	while (*place != turn)
		place = &(*place)->next;
	*place = turn->next;
	pfree(turn->servers);
	pfree(turn->topic);
	pfree(turn);
}
