/*
 * stream_waits.c
 *	  Which streams a stream waits for.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "utils/varlena.h"

#include "function/stream_waits.h"
#include "stream/target.h"

/* The stream of a name among all; NULL: there is none. */
static const KafkaStream *
find_stream(const List *streams, const char *name)
{
	ListCell   *lc;

	foreach(lc, streams)
		if (strcmp(((const KafkaStream *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

/* A table; InvalidOid where the name is that of none, or no name. */
static Oid
find_table(const char *name)
{
	List	   *parts;
	List	   *strings = NIL;
	ListCell   *lc;

	if (!SplitIdentifierString(pstrdup(name), '.', &parts) || list_length(parts) < 1 || list_length(parts) > 2)
		return InvalidOid;
	foreach(lc, parts)
		strings = lappend(strings, makeString(lfirst(lc)));
	return RangeVarGetRelid(makeRangeVarFromNameList(strings), NoLock, true);
}

/* The names of the streams that write a table. */
static List *
find_writers(const List *streams, const char *table)
{
	Oid			relid = find_table(table);
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, OidIsValid(relid) ? streams : NIL)
	{
		const KafkaStream *stream = lfirst(lc);

		if (kfdw_target_of(stream->statement, stream->search_path) == relid)
			names = lappend(names, makeString(stream->name));
	}
	return names;
}

/* Refuses a stream that waits, perhaps by way of others, for one that is being defined. */
static void
check_circle(const List *streams, const List *waits, const char *name)
{
	ListCell   *lc;

	check_stack_depth();
	foreach(lc, waits)
	{
		const KafkaStream *other = find_stream(streams, strVal(lfirst(lc)));

		if (strcmp(strVal(lfirst(lc)), name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("stream \"%s\" would wait for itself", name),
					 errdetail("What its \"wait_for\" names waits for it in turn, or is the stream itself.")));
		if (other != NULL)
			check_circle(streams, other->settings.wait_for, name);
	}
}

void
kfdw_stream_resolve_waits(KafkaStream *stream)
{
	List	   *streams;
	List	   *waits = NIL;
	ListCell   *lc;

	if (stream->settings.wait_for == NIL)
		return;
	streams = kfdw_streams_list();
	foreach(lc, stream->settings.wait_for)
	{
		const char *name = strVal(lfirst(lc));
		bool		is_stream = find_stream(streams, name) != NULL || strcmp(name, stream->name) == 0;
		List	   *found = is_stream ? list_make1(lfirst(lc)) : find_writers(streams, name);

		if (found == NIL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("there is no stream \"%s\" to wait for, and none that writes a table of that name", name)));
		waits = list_concat(waits, found);
	}
	check_circle(streams, waits, stream->name);
	stream->settings.wait_for = waits;
}
