/*
 * watch.c
 *	  Tells holders of what was made from catalog entries that these may have changed.
 */
#include "postgres.h"

#include "kafka/watch.h"

static dlist_head watches = DLIST_STATIC_INIT(watches);

void
kfdw_watch_begin(KafkaWatch *watch, const KafkaOrigins *origins)
{
	watch->origins = *origins;
	watch->changed = false;
	watch->in_doubt = false;
	dlist_push_tail(&watches, &watch->node);
}

void
kfdw_watch_end(KafkaWatch *watch)
{
	dlist_delete(&watch->node);
}

/* The memory context of a watch goes away. */
static void
end_watch(void *watch)
{
	kfdw_watch_end(watch);
}

void
kfdw_watch_begin_in(MemoryContext context, KafkaWatch *watch, const KafkaOrigins *origins)
{
	kfdw_watch_begin(watch, origins);
	watch->callback.func = end_watch;
	watch->callback.arg = watch;
	MemoryContextRegisterResetCallback(context, &watch->callback);
}

void
kfdw_watch_notify(uint32 hash)
{
	dlist_iter	iter;

	dlist_foreach(iter, &watches)
	{
		KafkaWatch *watch = dlist_container(KafkaWatch, node, iter.cur);
		const KafkaOrigins *origins = &watch->origins;

		if (hash == 0)
			watch->in_doubt = true;
		else if (hash == origins->server || hash == origins->user_mapping ||
				 hash == origins->public_mapping || hash == origins->table)
			watch->changed = true;
	}
}
