/*
 * stream_look.c
 *	  Looking at the tables of any stream, whoever it is of.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "function/rights.h"
#include "function/stream_look.h"
#include "stream/owner.h"
#include "stream/session.h"

/* A table that somebody has locked is not waited for any longer. */
#define LOCK_TIMEOUT "1s"

typedef struct OwnerLook
{
	const KafkaStream *stream;
	void		(*function) (void *);
	void	   *argument;
} OwnerLook;

static void
look_as_owner(void *argument)
{
	const OwnerLook *look = argument;
	KafkaRoleScope scope;

	if (!OidIsValid(look->stream->owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("its owner does not exist")));
	kfdw_owner_begin(&scope, look->stream);
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	look->function(look->argument);
	kfdw_role_end(&scope);
}

/* What was locked is given back: others need not have a right to it. */
const char *
kfdw_stream_look(const KafkaStream *stream, void (*look) (void *), void *argument)
{
	OwnerLook	as_owner = {stream, look, argument};
	ErrorData  *error = kfdw_session_look(look_as_owner, &as_owner);

	if (error == NULL)
		return NULL;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	return kfdw_may_see_work_of(stream->owner) ? error->message : "its owner, and pg_read_all_stats, may see why";
}
