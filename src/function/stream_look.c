/*
 * stream_look.c
 *	  Looking at the tables of any stream, whoever it is of.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/guc.h"
#include "utils/resowner.h"

#include "function/rights.h"
#include "function/stream_look.h"
#include "stream/owner.h"

/* A table that somebody has locked is not waited for any longer. */
#define LOCK_TIMEOUT "1s"

typedef struct OwnerLook
{
	const KafkaStream *stream;
	void		(*function) (void *);
	void	   *argument;
} OwnerLook;

static void
look_as_owner(const OwnerLook *look)
{
	KafkaOwnerScope scope;

	if (!OidIsValid(look->stream->owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("its owner does not exist")));
	kfdw_owner_begin(&scope, look->stream);
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	look->function(look->argument);
	kfdw_owner_end(&scope);
}

/* In a subtransaction, which gives back the locks: others need not have a right to them. */
static ErrorData *
try_to_look(const OwnerLook *look)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		look_as_owner(look);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

const char *
kfdw_stream_look(const KafkaStream *stream, void (*look) (void *), void *argument)
{
	ErrorData  *error = try_to_look(&(OwnerLook) {stream, look, argument});

	if (error == NULL)
		return NULL;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	return kfdw_may_see_work_of(stream->owner) ? error->message : "its owner, and pg_read_all_stats, may see why";
}
