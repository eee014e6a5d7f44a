/*
 * stream_owner.c
 *	  Whose a stream is: who may change it, and how he locks it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "compat.h"
#include "function/rights.h"
#include "function/stream_owner.h"
#include "worker/frame.h"
#include "worker/shared.h"
#include "worker/slots.h"

PG_FUNCTION_INFO_V1(kfdw_alter_stream_owner);

/* The stream whose statement this session is running on dead letters. */
static char retried[NAMEDATALEN] = "";

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

void
kfdw_stream_require_owner(const KafkaStream *stream)
{
	if (!OidIsValid(stream->owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the owner of stream \"%s\" does not exist", stream->name),
				 errhint("Give it to another role: kafka.alter_stream_owner().")));
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

void
kfdw_stream_check_writable(void)
{
	PreventCommandIfReadOnly("a change of a stream");
}

void
kfdw_stream_set_retried(const char *name)
{
	strlcpy(retried, name, NAMEDATALEN);
}

void
kfdw_stream_check_own_statement(const char *name, const char *what)
{
	if (kfdw_frame_is_of_stream(name) || strcmp(retried, name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot %s stream \"%s\" in its own statement", what, name),
				 errdetail("When it is over its position is written, or what has failed of it.")));
}

KafkaStream *
kfdw_stream_lock_own(const char *name)
{
	kfdw_stream_check_writable();

	/* only who owns it may lock it; until it is locked it may change */
	(void) kfdw_stream_get_own(name);
	kfdw_stream_lock_to_change(name);
	return kfdw_stream_get_own(name);
}

/* Without shared memory there is no launcher. */
void
kfdw_stream_check_preloaded(void)
{
	if (kfdw_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("streams need kafka_fdw to be preloaded"),
				 errhint("Add kafka_fdw to \"shared_preload_libraries\" and restart the server.")));
}

/* Workers log in as the owner. */
void
kfdw_stream_check_can_log_in(Oid role)
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
	if (!kfdw_may_call(role, "create_stream"))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not create streams", GetUserNameFromId(role, false)),
				 errhint("GRANT EXECUTE ON FUNCTION kafka.create_stream.")));
}

void
kfdw_stream_set_owner(const KafkaStream *stream, Oid role)
{
	kfdw_stream_check_can_log_in(role);
	if (!superuser())
		check_may_create_streams(role);
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
		kfdw_check_can_set_role(GetUserId(), role);
	kfdw_stream_set_owner(stream, role);
	PG_RETURN_VOID();
}
