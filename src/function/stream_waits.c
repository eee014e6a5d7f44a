/*
 * stream_waits.c
 *	  Which streams a stream waits for.
 */
#include "postgres.h"

#include "catalog/namespace.h"
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

/* All that streams wait for, also by way of others. */
static List *
follow(const List *streams, const List *waits)
{
	List	   *reached = list_copy(waits);

	/* the list grows */
	for (int i = 0; i < list_length(reached); i++)
	{
		const KafkaStream *stream = find_stream(streams, strVal(list_nth(reached, i)));

		if (stream != NULL)
			reached = list_concat_unique(reached, stream->settings.wait_for);
	}
	return reached;
}

/* Refuses a stream that would wait for itself. */
static void
check_circle(const List *streams, const List *waits, char *name)
{
	if (list_member(follow(streams, waits), makeString(name)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("stream \"%s\" would wait for itself", name),
				 errdetail("What its \"wait_for\" names waits for it in turn, or is the stream itself.")));
}

/* True for a name that was resolved before: its stream may have been dropped since. */
static bool
is_known(const List *streams, const KafkaStream *stream, char *name)
{
	const KafkaStream *before = find_stream(streams, stream->name);

	return before != NULL && list_member(before->settings.wait_for, makeString(name));
}

/* The streams that a name stands for. */
static List *
resolve(const List *streams, const KafkaStream *stream, char *name)
{
	List	   *writers;

	if (find_stream(streams, name) != NULL || strcmp(name, stream->name) == 0 || is_known(streams, stream, name))
		return list_make1(makeString(name));
	writers = find_writers(streams, name);
	if (writers == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no stream \"%s\" to wait for, and none that writes a table of that name", name)));
	return writers;
}

void
kfdw_stream_resolve_waits(KafkaStream *stream)
{
	List	   *streams;
	List	   *waits = NIL;
	ListCell   *lc;

	if (stream->settings.wait_for == NIL)
		return;
	kfdw_streams_lock_waits();
	streams = kfdw_streams_list();
	foreach(lc, stream->settings.wait_for)
		waits = list_union(waits, resolve(streams, stream, strVal(lfirst(lc))));
	check_circle(streams, waits, stream->name);
	stream->settings.wait_for = waits;
}
