/*
 * stream_definition.c
 *	  The definition of a stream, by whatever function it is given: checked, and stored.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "catalog/instance.h"
#include "catalog/offsets.h"
#include "catalog/parked.h"
#include "catalog/relays.h"
#include "catalog/role_scope.h"
#include "format/codec.h"
#include "function/stream_definition.h"
#include "function/stream_owner.h"
#include "function/stream_waits.h"
#include "option/options.h"
#include "stream/assignment.h"
#include "stream/statement.h"
#include "stream/wake.h"
#include "worker/shared.h"

/* Names are as long as other names of PostgreSQL. */
static void
check_name(const char *name)
{
	if (name[0] == '\0' || strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("a stream's name has 1 to %d bytes", NAMEDATALEN - 1)));
}

/* Else whoever may create a stream could move and drop the position of any group. */
static void
check_group_is_new(const char *name)
{
	if (kfdw_offsets_has_group(name))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("consumer group \"%s\" is used by consuming tables", name),
				 errdetail("The stream's name is its consumer group, and kafka.offsets has positions of it."),
				 errhint("Use another name, or have a superuser delete the group's rows of kafka.offsets.")));
}

/* Checks the settings by themselves. */
static void
check_settings(KafkaStream *stream)
{
	KafkaStreamSettings defaults;

	kfdw_stream_settings_reset(&defaults);
	if (stream->workers < 1 || stream->workers > kfdw_max_workers)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"workers\" must be between 1 and %d", kfdw_max_workers),
				 errdetail("The server has so many workers in all, by \"kafka_fdw.max_workers\".")));
	if (stream->settings.reject_limit > 0 && stream->settings.on_error != KAFKA_STREAM_SETS_ASIDE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"reject_limit\" has no use with on_error \"stop\"")));
	if (stream->settings.park_timeout != defaults.park_timeout && stream->parking == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"park_timeout\" has no use for a stream that does not park records"),
				 errhint("kafka.create_join() makes streams that do, with unmatched \"park\".")));
}

/* Checks the options of a table, and those of its columns beside them, as every scan does. */
void
kfdw_stream_check_source(Oid source)
{
	const KafkaTableOptions *options;
	Relation	table;

	kfdw_options_require_topic_table(source);
	kfdw_options_require_select(source, GetUserId());
	table = kfdw_options_open_topic_table(source, AccessShareLock);
	options = kfdw_options_table(source, GetUserId());
	kfdw_assignment_check_options(options);
	(void) kfdw_codec_create(kfdw_columns_create(source, RelationGetDescr(table), false, NULL), &options->format);
	table_close(table, NoLock);
}

/* The schemas that names are looked up in now, as a value of search_path. */
static char *
current_search_path(void)
{
	StringInfoData path;
	ListCell   *lc;

	initStringInfo(&path);
	foreach(lc, fetch_search_path(false))
	{
		const char *schema = get_namespace_name(lfirst_oid(lc));

		/* one of another session may just have been dropped */
		if (schema == NULL || isAnyTempNamespace(lfirst_oid(lc)))
			continue;
		if (path.len > 0)
			appendStringInfoString(&path, ", ");
		appendStringInfoString(&path, quote_identifier(schema));
	}
	return path.data;
}

/* What whoever creates the stream should know. */
static void
give_notices(const KafkaStatementInfo *info)
{
	if (!info->in_source_order)
		ereport(NOTICE,
				(errmsg("the order of the stream's results is that of its statement"),
				 errdetail("Results keep the order of the topic in a plain INSERT ... SELECT whose FROM has the topic table.")));
	if (info->writes_at_least_once)
		ereport(NOTICE,
				(errmsg("the stream's results reach the target topic at least once"),
				 errdetail("A fault between their delivery and the commit repeats a batch."),
				 errhint("With delivery \"outbox\" they reach it exactly once.")));
	if (info->missing_key != NULL)
		ereport(NOTICE,
				(errmsg("the stream's results have no key in the target topic"),
				 errdetail("That of the source's records is not inherited."),
				 errhint("Assign column \"%s\" where results belong together: those of a key keep their order.", info->missing_key)));
}

/*
 * In a role's scope: checks the statement as that would run it, under the stream's search
 * path where it has one, and fills in what it says of the stream.
 */
static void
check_statement(KafkaStream *stream, KafkaStatementAuthor author)
{
	KafkaStatementInfo info;

	if (stream->search_path == NULL)
		stream->search_path = current_search_path();
	kfdw_role_set_search_path(stream->search_path);
	if (OidIsValid(stream->source))
		kfdw_options_require_relation(stream->source);
	kfdw_statement_check(stream->statement, stream->source, &info);
	if (stream->parking != NULL)
		kfdw_statement_check_query(stream->parking->query, info.source);
	kfdw_stream_check_source(info.source);
	stream->source = info.source;
	if (author == KAFKA_STATEMENT_GIVEN)
		give_notices(&info);
}

/*
 * The same as the owner, whose rights decide.  Whoever acts for him, by SET ROLE or not,
 * does not lend him his own: what is planned may run functions.
 */
static void
check_statement_as_owner(KafkaStream *stream, KafkaStatementAuthor author)
{
	KafkaRoleScope scope;

	kfdw_role_begin(&scope, stream->owner);
	check_statement(stream, author);
	kfdw_role_end(&scope);
}

/* Only who owns a stream may lock it: a name that another role's has is an error at once. */
static void
check_not_of_another(const char *name)
{
	const KafkaStream *stream = kfdw_streams_get(name);

	if (stream != NULL && !has_privs_of_role(GetUserId(), stream->owner))
		kfdw_streams_refuse_duplicate(name);
}

/* Stores a stream that there is none of yet; false: there is one now, which is to be replaced. */
static bool
insert_stream(KafkaStream *stream, bool replace, KafkaStatementAuthor author)
{
	check_not_of_another(stream->name);
	check_settings(stream);
	kfdw_stream_check_can_log_in(stream->owner);
	check_statement_as_owner(stream, author);
	do
	{
		kfdw_streams_lock_to_change(stream->name);
		check_not_of_another(stream->name);
	} while (!kfdw_stream_lock_waits(stream));
	if (replace && kfdw_streams_get(stream->name) != NULL)
		return false;
	kfdw_stream_resolve_waits(stream);

	/* after the lock, as consumers of a group of that name do */
	kfdw_instance_ensure();
	kfdw_streams_insert(stream);
	check_group_is_new(stream->name);
	kfdw_shared_ping_at_end();
	return true;
}

/* Locks the stream that is to be replaced; false where there is none, or none any more. */
static bool
lock_replaced(KafkaStream *stream)
{
	do
	{
		if (kfdw_streams_get(stream->name) == NULL)
			return false;
		(void) kfdw_stream_get_own(stream->name);
		kfdw_stream_lock_to_change(stream->name);
		if (kfdw_streams_get(stream->name) == NULL)
			return false;
		stream->owner = kfdw_stream_get_own(stream->name)->owner;
	} while (!kfdw_stream_lock_waits(stream));
	return true;
}

void
kfdw_stream_create(KafkaStream *stream, bool replace, KafkaStatementAuthor author)
{
	Oid			owner = stream->owner;

	kfdw_stream_check_preloaded();
	kfdw_stream_check_writable();
	check_name(stream->name);
	kfdw_relays_check_group(stream->name);
	do
	{
		if (replace && lock_replaced(stream))
		{
			kfdw_stream_redefine(stream, true, author);
			return;
		}
		stream->owner = owner;
	} while (!insert_stream(stream, replace, author));
}

/* What is parked would wait for nothing. */
static void
check_none_parked(const KafkaStream *stream)
{
	KafkaParkedShare all = {.stream = stream->name,.is_rest = true};

	if (kfdw_parked_count(&all) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream \"%s\" has records that are parked", stream->name),
				 errhint("Let them find their rows, delete them from kafka.parked, or replace the stream by kafka.create_join().")));
}

/* A table is not watched any more for a stream that was changed or dropped. */
static void
stop_watching(const KafkaStream *stream)
{
	if (stream->parking != NULL)
		kfdw_wake_drop_triggers(stream->parking->table);
}

void
kfdw_stream_redefine(KafkaStream *stream, bool restated, KafkaStatementAuthor author)
{
	const KafkaStream *before = kfdw_stream_get_own(stream->name);

	check_settings(stream);
	kfdw_stream_resolve_waits(stream);
	if (before->parking != NULL && stream->parking == NULL)
		check_none_parked(stream);
	kfdw_stream_require_owner(stream);
	if (restated)
		check_statement_as_owner(stream, author);
	kfdw_streams_redefine(stream);
	stop_watching(before);
	kfdw_shared_ping_at_end();
}

void
kfdw_stream_delete(const KafkaStream *stream)
{
	kfdw_stream_check_own_statement(stream->name, "drop");
	kfdw_streams_delete(stream->name);
	stop_watching(stream);
	kfdw_shared_ping_at_end();
}
