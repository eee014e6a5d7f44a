/*
 * stream_waits.c
 *	  Which streams a stream waits for.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "nodes/value.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "function/stream_look.h"
#include "function/stream_waits.h"
#include "stream/naming.h"
#include "stream/statement.h"

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

/* The relations with all that have rows of theirs: partitions and children. */
static List *
add_parts(const List *relids)
{
	List	   *parts = NIL;
	ListCell   *lc;

	foreach(lc, relids)
		parts = list_concat_unique_oid(parts, find_all_inheritors(lfirst_oid(lc), NoLock, NULL));
	return parts;
}

/* What a name of a table stands for: of a view, also the tables behind it. */
static List *
list_meant(Oid relid)
{
	KafkaQueryTables tables = {.read = list_make1_oid(relid)};
	char	   *query;

	if (get_rel_relkind(relid) == RELKIND_VIEW)
	{
		query = psprintf("TABLE %s", kfdw_name_relation(relid));
		kfdw_query_tables_add(pg_analyze_and_rewrite_fixedparams(linitial_node(RawStmt, pg_parse_query(query)), query,
																 NULL, 0, NULL), &tables);
	}
	return add_parts(tables.read);
}

/* A stream of which is asked whether it writes a table. */
typedef struct WriterLook
{
	const KafkaStream *stream;
	const List *meant;
	bool		is_call;
	bool		writes;
} WriterLook;

static void
look_at_written(void *argument)
{
	WriterLook *look = argument;
	KafkaQueryTables tables = {0};
	ListCell   *lc;

	look->is_call = !kfdw_statement_tables(look->stream->statement, &tables);
	foreach(lc, add_parts(tables.written))
		look->writes |= list_member_oid(look->meant, lfirst_oid(lc));
}

/* A stream that is named beside the table is waited for anyway, and none is for itself. */
static bool
decide_unknown(const KafkaStream *writer, const KafkaStream *stream, const char *table, const char *problem)
{
	if (strcmp(writer->name, stream->name) == 0)
		return false;
	if (list_member(stream->settings.wait_for, makeString(writer->name)))
		return true;
	ereport(NOTICE,
			(errmsg("stream \"%s\" is not waited for, as it is not known whether it writes \"%s\"", writer->name, table),
			 errdetail("kafka.topology() says of it: %s.", problem),
			 errhint("Name it in \"wait_for\" if it does.")));
	return false;
}

/* The names of the streams that write a table, for a stream that is to wait for them. */
static List *
find_writers(const List *streams, const KafkaStream *stream, const char *table)
{
	Oid			relid = find_table(table);
	List	   *meant;
	List	   *names = NIL;
	ListCell   *lc;

	if (!OidIsValid(relid))
		return NIL;
	meant = list_meant(relid);
	foreach(lc, streams)
	{
		WriterLook	look = {.stream = lfirst(lc),.meant = meant};
		const char *problem = kfdw_stream_look(look.stream, look_at_written, &look);

		if (problem == NULL && look.is_call)
			problem = "what its procedure writes shows only when it runs";
		if (problem != NULL)
			look.writes = decide_unknown(look.stream, stream, table, problem);
		if (look.writes)
			names = lappend(names, makeString(look.stream->name));
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
	writers = find_writers(streams, stream, name);
	if (writers == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no stream \"%s\" to wait for, and none that writes a table of that name", name)));
	return writers;
}

bool
kfdw_stream_lock_waits(const KafkaStream *stream)
{
	if (stream->settings.wait_for == NIL || kfdw_streams_try_waits())
		return true;
	kfdw_streams_unlock(stream->name);
	kfdw_streams_await_waits();
	return false;
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
		waits = list_union(waits, resolve(streams, stream, strVal(lfirst(lc))));
	check_circle(streams, waits, stream->name);
	stream->settings.wait_for = waits;
}
