/*
 * groups.h
 *	  The rows of kafka.groups: whose consumer groups are.
 *
 * A group of consuming tables belongs to the owner of the table that placed its
 * first position; a group of a stream is the stream's, and has no row.
 */
#ifndef KFDW_GROUPS_H
#define KFDW_GROUPS_H

typedef struct KafkaGroup
{
	bool		is_stream;		/* a stream has this name */
	bool		exists;			/* there is a row */
	Oid			owner;			/* InvalidOid: the role does not exist any more */
} KafkaGroup;

extern KafkaGroup kfdw_groups_get(const char *server, const char *group_id);

/* Until the end of the transaction nobody else makes the row of a group. */
extern void kfdw_groups_lock_to_place(const char *server, const char *group_id);

extern void kfdw_groups_insert(const char *server, const char *group_id, Oid owner);

/* Until the end of the transaction nobody else changes it. */
extern void kfdw_groups_lock_to_change(const char *server, const char *group_id);

extern void kfdw_groups_set_owner(const char *server, const char *group_id, Oid owner);

/* All groups of a role get another owner, or are deleted with their positions and dead letters. */
extern void kfdw_groups_reassign(Oid old_owner, Oid new_owner);
extern void kfdw_groups_delete_owned(Oid owner);

/*
 * What a server that was dropped has left under the name that another gets stays for that one, but for the groups
 * that it has already: they are deleted, with their positions, dead letters and parked records.  Dead letters of a
 * stream that there is stay.
 */
extern void kfdw_groups_delete_namesakes(const char *old_name, const char *new_name);
extern void kfdw_groups_rename_server(const char *old_name, const char *new_name);

#endif							/* KFDW_GROUPS_H */
