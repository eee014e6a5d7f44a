/*
 * owner.h
 *	  Looking at a stream's statement as its owner sees it, in a session of somebody else.
 */
#ifndef KFDW_OWNER_H
#define KFDW_OWNER_H

#include "catalog/streams.h"

typedef struct KafkaOwnerScope
{
	Oid			userid;
	int			sec_context;
	int			guc_level;
} KafkaOwnerScope;

/*
 * From here on names mean what they mean to the stream's workers, and code of its owner's
 * cannot do anything to the session.  An error ends it, as the end of the (sub)transaction.
 */
extern void kfdw_owner_begin(KafkaOwnerScope *scope, const KafkaStream *stream);
extern void kfdw_owner_end(const KafkaOwnerScope *scope);

#endif							/* KFDW_OWNER_H */
