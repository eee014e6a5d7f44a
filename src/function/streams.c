/*
 * streams.c
 *	  The SQL functions of streams: create, pause, resume, drop.
 *
 * They change rows; a ping after the commit has the launcher look at them.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "catalog/instance.h"
#include "catalog/offsets.h"
#include "catalog/outbox.h"
#include "catalog/streams.h"
#include "compat.h"
#include "function/streams.h"
#include "option/options.h"
#include "stream/statement.h"
#include "worker/shared.h"
#include "worker/slots.h"

PG_FUNCTION_INFO_V1(kfdw_create_stream);
PG_FUNCTION_INFO_V1(kfdw_drop_stream);
PG_FUNCTION_INFO_V1(kfdw_pause_stream);
PG_FUNCTION_INFO_V1(kfdw_resume_stream);
PG_FUNCTION_INFO_V1(kfdw_alter_stream_owner);
PG_FUNCTION_INFO_V1(kfdw_adopt_instance);

/* The arguments of kafka.create_stream(). */
enum
{
	ARG_NAME,
	ARG_STATEMENT,
	ARG_WORKERS,
	ARG_MAX_POLL_RECORDS,
	ARG_SOURCE,
	ARG_ON_ERROR,
	ARG_REJECT_LIMIT
};

static void read_arguments(FunctionCallInfo fcinfo, KafkaStream *stream);
static void read_on_error(FunctionCallInfo fcinfo, KafkaStream *stream);
static void check_preloaded(void);
static void check_name(const char *name);
static void check_group_is_new(const char *name);
static void check_range(const char *setting, int value, int max);
static void check_can_log_in(Oid role);
static void check_may_create_streams(Oid role);
static void check_source_exists(Oid source);
static void check_source_options(Oid source);
static char *current_search_path(void);
static void give_notices(const KafkaStatementInfo *info);
static void set_enabled(const char *name, bool enabled);

Datum
kfdw_create_stream(PG_FUNCTION_ARGS)
{
	KafkaStream stream = {0};
	KafkaStatementInfo info;

	read_arguments(fcinfo, &stream);
	check_preloaded();
	check_name(stream.name);
	check_range("workers", stream.workers, kfdw_max_workers);
	check_range("max_poll_records", stream.max_poll_records, INT_MAX / 2);
	check_can_log_in(stream.owner);
	check_source_exists(stream.source);
	kfdw_statement_check(stream.statement, stream.source, &info);
	check_source_options(info.source);
	stream.source = info.source;
	stream.search_path = current_search_path();

	kfdw_instance_ensure();
	kfdw_streams_lock_to_change(stream.name);
	kfdw_streams_insert(&stream);
	check_group_is_new(stream.name);
	kfdw_shared_ping_at_end();
	give_notices(&info);
	PG_RETURN_VOID();
}

Datum
kfdw_drop_stream(PG_FUNCTION_ARGS)
{
	KafkaStream *stream = kfdw_stream_lock_own(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	kfdw_streams_delete(stream->name);
	kfdw_shared_ping_at_end();
	PG_RETURN_VOID();
}

Datum
kfdw_pause_stream(PG_FUNCTION_ARGS)
{
	set_enabled(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	PG_RETURN_VOID();
}

/* Resumes a paused stream, or has one that failed try again. */
Datum
kfdw_resume_stream(PG_FUNCTION_ARGS)
{
	set_enabled(text_to_cstring(PG_GETARG_TEXT_PP(0)), true);
	PG_RETURN_VOID();
}

void
kfdw_stream_set_owner(const KafkaStream *stream, Oid role)
{
	check_can_log_in(role);
	kfdw_streams_set_owner(stream->name, role);
	kfdw_shared_ping_at_end();
}

/* Gives a stream to another role, as ALTER ... OWNER TO does. */
Datum
kfdw_alter_stream_owner(PG_FUNCTION_ARGS)
{
	KafkaStream *stream = kfdw_stream_lock_own(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	Oid			role = PG_GETARG_OID(1);

	(void) GetUserNameFromId(role, false);	/* a number can be given as a regrole */
	if (!superuser())
	{
		kfdw_check_can_set_role(GetUserId(), role);
		check_may_create_streams(role);
	}
	kfdw_stream_set_owner(stream, role);
	PG_RETURN_VOID();
}

/* Makes this database the one whose workers run. */
Datum
kfdw_adopt_instance(PG_FUNCTION_ARGS)
{
	char	   *mode = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (strcmp(mode, "keep") != 0 && strcmp(mode, "new") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown mode \"%s\"", mode),
				 errhint("Valid modes are \"keep\", in place of the other database, and \"new\", beside it.")));
	if (strcmp(mode, "new") == 0)
		kfdw_outbox_forget();
	kfdw_instance_adopt(strcmp(mode, "new") == 0);
	kfdw_shared_ping_at_end();
	PG_RETURN_VOID();
}

static void
set_enabled(const char *name, bool enabled)
{
	check_preloaded();
	kfdw_streams_set_enabled(kfdw_stream_lock_own(name)->name, enabled);
	kfdw_shared_ping_at_end();
}

/* The arguments of kafka.create_stream(). */
static void
read_arguments(FunctionCallInfo fcinfo, KafkaStream *stream)
{
	for (int i = ARG_NAME; i < ARG_REJECT_LIMIT; i++)
		if (i != ARG_SOURCE && PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("only the arguments \"source\" and \"reject_limit\" can be null")));
	stream->name = text_to_cstring(PG_GETARG_TEXT_PP(ARG_NAME));
	stream->owner = GetUserId();
	stream->statement = text_to_cstring(PG_GETARG_TEXT_PP(ARG_STATEMENT));
	stream->workers = PG_GETARG_INT32(ARG_WORKERS);
	stream->max_poll_records = PG_GETARG_INT32(ARG_MAX_POLL_RECORDS);
	stream->source = PG_ARGISNULL(ARG_SOURCE) ? InvalidOid : PG_GETARG_OID(ARG_SOURCE);
	read_on_error(fcinfo, stream);
}

/* What becomes of records that fail. */
static void
read_on_error(FunctionCallInfo fcinfo, KafkaStream *stream)
{
	const char *on_error = text_to_cstring(PG_GETARG_TEXT_PP(ARG_ON_ERROR));

	stream->sets_aside = strcmp(on_error, "dead_letter") == 0;
	if (!stream->sets_aside && strcmp(on_error, "stop") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for \"on_error\": \"%s\"", on_error),
				 errhint("Valid values are: stop, dead_letter. What \"set_null\" and \"ignore\" do is an option of the topic table.")));
	if (PG_ARGISNULL(ARG_REJECT_LIMIT))
		return;
	stream->reject_limit = PG_GETARG_INT32(ARG_REJECT_LIMIT);
	check_range("reject_limit", stream->reject_limit, PG_INT32_MAX);
	if (!stream->sets_aside)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"reject_limit\" has no use with on_error \"stop\"")));
}

KafkaStream *
kfdw_stream_get_own(const char *name)
{
	KafkaStream *stream = kfdw_streams_get(name);

	if (stream == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("stream \"%s\" does not exist", name)));
	if (!has_privs_of_role(GetUserId(), stream->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of stream \"%s\"", name)));
	return stream;
}

/*
 * A batch that waits for a lock of ours, which we hold on a table that it uses, would
 * wait for us, and we for it.
 */
void
kfdw_stream_lock_to_change(const char *name)
{
	if (kfdw_shared != NULL)
		kfdw_slot_step_back(MyDatabaseId, KAFKA_JOB_STREAM, name);
	kfdw_streams_lock_to_change(name);
}

KafkaStream *
kfdw_stream_lock_own(const char *name)
{
	/* only who owns it may lock it; until it is locked it may change */
	(void) kfdw_stream_get_own(name);
	kfdw_stream_lock_to_change(name);
	return kfdw_stream_get_own(name);
}

/* Without shared memory there is no launcher. */
static void
check_preloaded(void)
{
	if (kfdw_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("streams need kafka_fdw to be preloaded"),
				 errhint("Add kafka_fdw to \"shared_preload_libraries\" and restart the server.")));
}

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
				 errhint("Use another name, or delete the group's rows of kafka.offsets.")));
}

static void
check_range(const char *setting, int value, int max)
{
	if (value < 1 || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be between 1 and %d", setting, max)));
}

/* Workers log in as the owner. */
static void
check_can_log_in(Oid role)
{
	if (!kfdw_job_can_run_as(role))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("role \"%s\" cannot own a stream, as it may not log in", GetUserNameFromId(role, false)),
				 errhint("Give it the LOGIN attribute; workers run as the stream's owner.")));
}

/* Who is given a stream must be one who could have created it. */
static void
check_may_create_streams(Oid role)
{
	List	   *name = list_make2(makeString("kafka"), makeString("create_stream"));
	Oid			function = LookupFuncName(name, -1, NULL, false);

	if (!kfdw_procedure_may_run(function, role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not create streams", GetUserNameFromId(role, false)),
				 errhint("GRANT EXECUTE ON FUNCTION kafka.create_stream.")));
}

/* A number can be given as a regclass, whether there is such a relation or not. */
static void
check_source_exists(Oid source)
{
	if (OidIsValid(source) && get_rel_name(source) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", source)));
}

/* The source is a plain topic table whose options can be used. */
static void
check_source_options(Oid source)
{
	KafkaTableOptions *options;

	if (!kfdw_options_is_topic_table(source))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a topic table", get_rel_name(source))));
	options = kfdw_options_table(source, GetUserId());
	if (options->group_id != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a consuming table, which cannot be the source of a stream",
						get_rel_name(source)),
				 errhint("Use a table of the same topic without \"group_id\": the stream's name is its group.")));
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
		if (isAnyTempNamespace(lfirst_oid(lc)))
			continue;
		if (path.len > 0)
			appendStringInfoString(&path, ", ");
		appendStringInfoString(&path, quote_identifier(get_namespace_name(lfirst_oid(lc))));
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
}
