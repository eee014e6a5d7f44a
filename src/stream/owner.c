/*
 * owner.c
 *	  Looking at a stream's statement as its owner sees it, in a session of somebody else.
 */
#include "postgres.h"

#include "stream/owner.h"

/* A name is not that of a temporary table of this session, unless there is no other. */
static const char *
search_path(const KafkaStream *stream)
{
	return stream->search_path[0] == '\0' ? "pg_temp" : psprintf("%s, pg_temp", stream->search_path);
}

void
kfdw_owner_begin(KafkaRoleScope *scope, const KafkaStream *stream)
{
	kfdw_role_begin(scope, stream->owner);
	kfdw_role_set_search_path(search_path(stream));
}
