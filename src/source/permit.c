/*
 * permit.c
 *	  Whether a table may be consumed: whose its group is, and whose the database.
 *
 * It is the table's owner who must have the right to a group, as with other things
 * that a table stands on: who may read and update the table consumes for the owner.
 */
#include "postgres.h"

#include "access/xact.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/memutils.h"

#include "catalog/groups.h"
#include "catalog/instance.h"
#include "catalog/relays.h"
#include "catalog/spi.h"
#include "catalog/streams.h"
#include "source/permit.h"
#include "xact.h"

/* A group whose first position this transaction has written. */
typedef struct NewGroup
{
	Oid			serverid;
	const char *server;
	const char *group_id;
	Oid			owner;
	int			level;			/* of the subtransaction that did */
} NewGroup;

static List *new_groups = NIL;	/* in the transaction's memory */

static const NewGroup *
find_new_group(Oid serverid, const char *group_id, Oid owner)
{
	ListCell   *lc;

	foreach(lc, new_groups)
	{
		const NewGroup *group = lfirst(lc);

		if (group->owner == owner && group->serverid == serverid && strcmp(group->group_id, group_id) == 0)
			return group;
	}
	return NULL;
}

/* Groups that the table's owner has no right to. */
static void
check_group(const char *group_id, const KafkaGroup *group, Oid owner)
{
	if (group->is_stream)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("consumer group \"%s\" belongs to the stream of that name", group_id),
				 errhint("Use another \"group_id\", or drop the stream.")));
	if (group->exists && !has_privs_of_role(owner, group->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for consumer group \"%s\"", group_id),
				 OidIsValid(group->owner) ?
				 errdetail("It belongs to role \"%s\", for which the owner of the table, \"%s\", may not act.",
						   GetUserNameFromId(group->owner, true), GetUserNameFromId(owner, true)) :
				 errdetail("The role that it belonged to does not exist."),
				 errhint("Use another \"group_id\", or have the group given to the table's owner with kafka.alter_group_owner().")));
}

KafkaPermit
kfdw_permit_check(const KafkaTableOptions *options)
{
	KafkaPermit permit = {options->serverid, kfdw_options_table_owner(options->relid), kfdw_instance_check()};
	KafkaGroup	group;

	kfdw_relays_check_group(options->group_id);

	/* nobody creates a stream of that name any more */
	kfdw_streams_lock_to_consume(options->group_id);
	group = kfdw_groups_get(options->server, options->group_id);
	check_group(options->group_id, &group, permit.owner);
	permit.recorded &= group.exists;
	return permit;
}

void
kfdw_permit_use(const KafkaPermit *permit, const char *server, const char *group_id)
{
	MemoryContext old;
	NewGroup   *group;

	if (permit->recorded || find_new_group(permit->serverid, group_id, permit->owner) != NULL)
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	group = palloc(sizeof(NewGroup));
	group->serverid = permit->serverid;
	group->server = pstrdup(server);
	group->group_id = pstrdup(group_id);
	group->owner = permit->owner;
	group->level = GetCurrentTransactionNestLevel();
	new_groups = lappend(new_groups, group);
	MemoryContextSwitchTo(old);
}

/* Records whose a group is, unless somebody else has. */
static void
record_group(const NewGroup *new)
{
	KafkaGroup	group;

	kfdw_groups_lock_to_place(new->server, new->group_id);
	group = kfdw_groups_get(new->server, new->group_id);
	check_group(new->group_id, &group, new->owner);
	if (!group.exists)
		kfdw_groups_insert(new->server, new->group_id, new->owner);
}

/* The order in which all transactions lock. */
static int
compare_groups(const ListCell *a, const ListCell *b)
{
	const NewGroup *x = lfirst(a);
	const NewGroup *y = lfirst(b);
	int			order = strcmp(x->server, y->server);

	return order != 0 ? order : strcmp(x->group_id, y->group_id);
}

/* This transaction may have renamed a server after it used a group; one that it has dropped keeps its name. */
static void
take_server_name(NewGroup *new)
{
	ForeignServer *server = GetForeignServerExtended(new->serverid, FSV_MISSING_OK);

	if (server != NULL)
		new->server = server->servername;
}

/* Before the commit: from here on others that are about to commit wait, and those that read do not. */
static void
record_groups(void)
{
	ListCell   *lc;

	/* with the extension they are gone */
	if (new_groups == NIL || !OidIsValid(kfdw_catalog_table("groups")))
		return;
	kfdw_instance_ensure();
	foreach(lc, new_groups)
		take_server_name(lfirst(lc));
	list_sort(new_groups, compare_groups);
	foreach(lc, new_groups)
		record_group(lfirst(lc));
}

static void
forget_groups(bool committed)
{
	new_groups = NIL;
}

/* What a subtransaction did is its parent's, or never was. */
static void
end_subtransaction(int level, bool committed)
{
	ListCell   *lc;

	foreach(lc, new_groups)
	{
		NewGroup   *group = lfirst(lc);

		if (group->level < level)
			continue;
		if (committed)
			group->level = level - 1;
		else
			new_groups = foreach_delete_current(new_groups, lc);
	}
}

static const KafkaParticipant participant = {
	.write = record_groups,
	.end = forget_groups,
	.end_subtransaction = end_subtransaction,
};

void
kfdw_permit_init(void)
{
	kfdw_xact_register(&participant);
}
