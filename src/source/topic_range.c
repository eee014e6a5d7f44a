/*
 * topic_range.c
 *	  The range of a topic that all scans of a statement see.
 *
 * It is asked for once in a statement and topic, so that a self join, a nested loop
 * or a rescan meets the same records however the topic grows.
 */
#include "postgres.h"

#include "source/topic_range.h"

typedef struct KafkaEnds
{
	EState	   *estate;
	const KafkaTableOptions *options;
	KafkaTopicState *state;
	struct KafkaEnds *next;
	MemoryContextCallback callback;
} KafkaEnds;

static KafkaEnds *known_ends = NULL;

/* The statement is over. */
static void
forget_ends(void *argument)
{
	KafkaEnds **link = &known_ends;

	while (*link != argument)
		link = &(*link)->next;
	*link = (*link)->next;
}

KafkaTopicState *
kfdw_ends_get(EState *estate, const KafkaTableOptions *options, KafkaConsumer *consumer)
{
	MemoryContext old;
	KafkaEnds  *ends;

	for (ends = known_ends; ends != NULL; ends = ends->next)
		if (ends->estate == estate && strcmp(ends->options->topic, options->topic) == 0 &&
			kfdw_config_equal(&ends->options->consumer, &options->consumer))
			return ends->state;

	old = MemoryContextSwitchTo(estate->es_query_cxt);
	ends = palloc0(sizeof(KafkaEnds));
	ends->estate = estate;
	ends->options = options;
	ends->state = kfdw_consumer_topic_outlook(consumer);
	ends->next = known_ends;
	known_ends = ends;
	ends->callback.func = forget_ends;
	ends->callback.arg = ends;
	MemoryContextRegisterResetCallback(estate->es_query_cxt, &ends->callback);
	MemoryContextSwitchTo(old);
	return ends->state;
}
