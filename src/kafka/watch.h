/*
 * watch.h
 *	  Tells holders of what was made from catalog entries that these may have changed.
 */
#ifndef KFDW_WATCH_H
#define KFDW_WATCH_H

#include "lib/ilist.h"

/* Catalog entries, by the hash values that PostgreSQL's caches tell of changes with. */
typedef struct KafkaOrigins
{
	uint32		server;
	uint32		user_mapping;
	uint32		public_mapping;
	uint32		table;			/* 0: of no table */
} KafkaOrigins;

typedef struct KafkaWatch
{
	dlist_node	node;
	KafkaOrigins origins;
	bool		changed;		/* one of them, since the watch began */
	bool		in_doubt;		/* the caches were reset: any may have changed */
	MemoryContextCallback callback;
} KafkaWatch;

extern void kfdw_watch_begin(KafkaWatch *watch, const KafkaOrigins *origins);
extern void kfdw_watch_end(KafkaWatch *watch);

/* Begins one that ends with the memory context that it lives in. */
extern void kfdw_watch_begin_in(MemoryContext context, KafkaWatch *watch, const KafkaOrigins *origins);

/* A catalog entry changed; 0: perhaps all of them.  Never fails. */
extern void kfdw_watch_notify(uint32 hash);

#endif							/* KFDW_WATCH_H */
