/*
 * relays.h
 *	  The rows of kafka.outbox_relays: one for each server and role that publish by the
 *	  outbox.
 */
#ifndef KFDW_RELAYS_H
#define KFDW_RELAYS_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef struct KafkaRelay
{
	int			id;
	char	   *server;
	Oid			owner;			/* InvalidOid: the role does not exist */
	char	   *resolution;		/* what to do about records in doubt; NULL: nobody has said */
	TimestampTz created;
	TransactionId revision;		/* differs after each change of the row */
} KafkaRelay;

/*
 * The id of a relay, which is not deleted before the transaction ends; *created: there was
 * no row yet, and there is one now.
 */
extern int	kfdw_relays_ensure(const char *server, Oid owner, bool *created);

/* NULL: there is none; in the current memory context. */
extern KafkaRelay *kfdw_relays_get(int id);
extern KafkaRelay *kfdw_relays_find(const char *server, Oid owner);
extern List *kfdw_relays_list(void);

/* Says, or has said, what is to be done; NULL: it has been. */
extern void kfdw_relays_resolve(int id, const char *resolution);

/* Waits until no transaction writes rows for the relay any more; none does until this one ends. */
extern void kfdw_relays_lock_to_delete(const KafkaRelay *relay);

/* Deletes a relay that has nothing to publish any more. */
extern void kfdw_relays_delete(int id);

/* Refuses the group in which Kafka keeps a relay's position: whoever moved it would say what was published. */
extern void kfdw_relays_check_group(const char *group_id);

extern void kfdw_relays_rename_server(const char *old_name, const char *new_name);

#endif							/* KFDW_RELAYS_H */
