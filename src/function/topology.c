/*
 * topology.c
 *	  What streams read and write, for kafka.topology().
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"

#include "catalog/streams.h"
#include "function/column.h"
#include "function/rights.h"
#include "option/options.h"
#include "stream/owner.h"
#include "stream/statement.h"

PG_FUNCTION_INFO_V1(kfdw_stream_tables);

/* A table that somebody has locked is not waited for any longer. */
#define LOCK_TIMEOUT "1s"

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
look_at_tables(StreamLook *look)
{
	const KafkaStream *stream = look->stream;
	KafkaQueryTables tables = {0};
	KafkaOwnerScope scope;
	ListCell   *lc;

	if (!OidIsValid(stream->owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("its owner does not exist")));
	kfdw_owner_begin(&scope, stream);
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
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
	kfdw_owner_end(&scope);
}

/*
 * The same with what is in the way as a note.  The subtransaction gives back the locks,
 * which others need not have a right to.
 */
static void
look_at_stream(StreamLook *look)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	put_waits(look);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		look_at_tables(look);
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
	if (error != NULL && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	if (error != NULL)
		put_row(look, "note", InvalidOid, NULL, NULL,
				kfdw_may_see_work_of(look->stream->owner) ? error->message : "its owner, and pg_read_all_stats, may see why");
	else if (look->is_call)
		put_row(look, "note", InvalidOid, NULL, NULL, "what its procedure reads and writes shows only when it runs");
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
