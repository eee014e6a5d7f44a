/*
 * topology.c
 *	  What streams read and write, for kafka.topology().
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "catalog/streams.h"
#include "function/column.h"
#include "function/stream_look.h"
#include "option/options.h"
#include "stream/statement.h"

PG_FUNCTION_INFO_V1(kfdw_stream_tables);

/* The columns of kafka.stream_tables(). */
enum
{
	TABLES_STREAM,
	TABLES_PART,
	TABLES_TABLE,
	TABLES_SERVER,
	TABLES_TOPIC,
	TABLES_NOTE,
	TABLES_COLUMNS
};

/* A stream that is looked at. */
typedef struct StreamLook
{
	ReturnSetInfo *result;
	const KafkaStream *stream;
	bool		is_call;
} StreamLook;

/* What is NULL is not known, or has no part in it. */
static void
put_row(const StreamLook *look, const char *part, Oid table, const char *server, const char *topic, const char *note)
{
	Datum		values[TABLES_COLUMNS];
	bool		nulls[TABLES_COLUMNS];

	kfdw_set_column(values, nulls, TABLES_STREAM, CStringGetTextDatum(look->stream->name), true);
	kfdw_set_column(values, nulls, TABLES_PART, CStringGetTextDatum(part), true);
	kfdw_set_column(values, nulls, TABLES_TABLE, ObjectIdGetDatum(table), OidIsValid(table));
	kfdw_set_column(values, nulls, TABLES_SERVER, server ? CStringGetTextDatum(server) : (Datum) 0, server != NULL);
	kfdw_set_column(values, nulls, TABLES_TOPIC, topic ? CStringGetTextDatum(topic) : (Datum) 0, topic != NULL);
	kfdw_set_column(values, nulls, TABLES_NOTE, note ? CStringGetTextDatum(note) : (Datum) 0, note != NULL);
	tuplestore_putvalues(look->result->setResult, look->result->setDesc, values, nulls);
}

/* A table, with each of its topics if it has some. */
static void
put_table(const StreamLook *look, const char *part, Oid table)
{
	const KafkaTableOptions *options;

	/* one of this session that has the name of what is not there any more */
	if (get_rel_persistence(table) == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist", get_rel_name(table))));
	if (!kfdw_options_is_topic_table(table))
	{
		put_row(look, part, table, NULL, NULL, NULL);
		return;
	}
	options = kfdw_options_table(table, look->stream->owner);
	for (int i = 0; i < options->selection.ntopics; i++)
		put_row(look, part, table, options->server, options->selection.topics[i], NULL);
}

/* The streams that it waits for, their names as notes. */
static void
put_waits(const StreamLook *look)
{
	ListCell   *lc;

	foreach(lc, look->stream->settings.wait_for)
		put_row(look, "wait", InvalidOid, NULL, NULL, strVal(lfirst(lc)));
}

/* What the stream's workers would read and write now; an error where they could not. */
static void
look_at_tables(void *argument)
{
	StreamLook *look = argument;
	const KafkaStream *stream = look->stream;
	KafkaQueryTables tables = {0};
	ListCell   *lc;

	if (!kfdw_options_is_topic_table(stream->source))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("its source does not exist")));
	put_table(look, "source", stream->source);
	look->is_call = !kfdw_statement_tables(stream->statement, &tables);
	foreach(lc, tables.read)
		if (lfirst_oid(lc) != stream->source)
			put_table(look, "read", lfirst_oid(lc));
	foreach(lc, tables.written)
		put_table(look, "write", lfirst_oid(lc));
}

/* The same with what is in the way as a note. */
static void
look_at_stream(StreamLook *look)
{
	const char *problem;

	put_waits(look);
	problem = kfdw_stream_look(look->stream, look_at_tables, look);
	if (problem == NULL && look->is_call)
		problem = "what its procedure reads and writes shows only when it runs";
	if (problem != NULL)
		put_row(look, "note", InvalidOid, NULL, NULL, problem);
}

/* The tables of a stream, or of all: a row for each topic of one, and for what is to be said. */
Datum
kfdw_stream_tables(PG_FUNCTION_ARGS)
{
	char	   *name = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	List	   *streams;
	ListCell   *lc;

	streams = name == NULL ? kfdw_streams_list() : list_make1(kfdw_streams_get(name));
	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, streams)
	{
		StreamLook	look = {(ReturnSetInfo *) fcinfo->resultinfo, lfirst(lc), false};

		if (look.stream == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("stream \"%s\" does not exist", name)));
		look_at_stream(&look);
	}
	PG_RETURN_VOID();
}
