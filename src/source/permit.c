/*
 * permit.c
 *	  Whether a table may be consumed: whose its group is, and whose the database.
 *
 * It is the table's owner who must have the right to a group, as with other things
 * that a table stands on: who may read and update the table consumes for the owner.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#include "catalog/groups.h"
#include "catalog/instance.h"
#include "catalog/streams.h"
#include "source/permit.h"

static Oid
get_table_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Groups that the table's owner has no right to. */
static void
check_group(const KafkaTableOptions *options, const KafkaGroup *group)
{
	if (group->is_stream)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("consumer group \"%s\" belongs to the stream of that name", options->group_id),
				 errhint("Use another \"group_id\", or drop the stream.")));
	if (group->exists && !has_privs_of_role(get_table_owner(options->relid), group->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for consumer group \"%s\"", options->group_id),
				 OidIsValid(group->owner) ?
				 errdetail("It belongs to role \"%s\", for which the owner of the table, \"%s\", may not act.",
						   GetUserNameFromId(group->owner, true),
						   GetUserNameFromId(get_table_owner(options->relid), true)) :
				 errdetail("The role that it belonged to does not exist."),
				 errhint("Use another \"group_id\", or have the group given to the table's owner with kafka.alter_group_owner().")));
}

bool
kfdw_permit_check(const KafkaTableOptions *options)
{
	KafkaGroup	group;
	bool		recorded = kfdw_instance_check();

	/* nobody creates a stream of that name any more */
	kfdw_streams_lock_to_consume(options->group_id);
	group = kfdw_groups_get(options->server, options->group_id);
	check_group(options, &group);
	return recorded && group.exists;
}

void
kfdw_permit_record(Oid relid, const char *server, const char *group_id)
{
	kfdw_instance_record();
	kfdw_groups_place(server, group_id, get_table_owner(relid));
}
