/*
 * import_schema.c
 *	  IMPORT FOREIGN SCHEMA: topics become tables.
 *
 * PostgreSQL takes CREATE FOREIGN TABLE commands and nothing else.  What is to be said of
 * columns waits for the end of the command, where an event trigger makes comments of it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/comment.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat.h"
#include "fdw/fdw.h"
#include "fdw/infer.h"
#include "kafka/cluster.h"
#include "source/tail.h"

PG_FUNCTION_INFO_V1(kfdw_schema_imported);

/* The one schema that a server has. */
#define REMOTE_SCHEMA "topics"

/* Records of a topic that its columns are inferred from, unless the command says how many. */
#define SAMPLE_RECORDS 1000
#define MAX_SAMPLE_RECORDS 1000000

/* The options of the command. */
typedef struct ImportOptions
{
	bool		infer;			/* columns, from a sample */
	int			sample_records;
} ImportOptions;

/* A name that a column of a table has, or that is asked for. */
typedef struct ColumnName
{
	char		name[NAMEDATALEN];	/* the key */
	bool		taken;
	int			number;			/* all names that begin so and end in a number up to this one are taken */
} ColumnName;

/* What is to be said of a column of a table that the command makes. */
typedef struct PendingComment
{
	const char *schema;
	const char *table;
	const char *column;
	const char *comment;
} PendingComment;

/* Of the subtransaction that the command runs in, in its memory context. */
static List *pending_comments = NIL;

/* The columns that every table has, besides those of the value. */
static const struct
{
	const char *name;
	const char *type;
	const char *metadata;
}			metadata_columns[] = {
	{"_key", "pg_catalog.text", "key"},
	{"_topic", "pg_catalog.text", "topic"},
	{"_partition", "pg_catalog.int4", "partition"},
	{"_offset", "pg_catalog.int8", "offset"},
	{"_timestamp", "pg_catalog.timestamptz", "timestamp"},
	{"_timestamp_type", "pg_catalog.text", "timestamp_type"},
	{"_headers", "kafka.header[]", "headers"},
	{"_tombstone", "pg_catalog.bool", "tombstone"},
};

/* The subtransaction was rolled back, or the transaction is over. */
static void
forget_comments(void *argument)
{
	pending_comments = NIL;
}

/* Reads the options of the command. */
static ImportOptions
read_options(List *list)
{
	ImportOptions options = {.sample_records = SAMPLE_RECORDS};
	ListCell   *lc;

	foreach(lc, list)
	{
		DefElem    *def = lfirst_node(DefElem, lc);
		const char *value = defGetString(def);

		if (strcmp(def->defname, "columns") == 0)
		{
			options.infer = strcmp(value, "inferred") == 0;
			if (!options.infer && strcmp(value, "value") != 0)
				ereport(ERROR,
						(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						 errmsg("invalid value for option \"columns\": \"%s\"", value),
						 errhint("Valid values are \"value\" (one column of type jsonb) and \"inferred\".")));
		}
		else if (strcmp(def->defname, "sample_records") == 0)
		{
			options.sample_records = pg_strtoint32(value);
			if (options.sample_records < 1 || options.sample_records > MAX_SAMPLE_RECORDS)
				ereport(ERROR,
						(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
						 errmsg("\"sample_records\" must be between 1 and %d", MAX_SAMPLE_RECORDS)));
		}
		else
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("invalid option \"%s\" of IMPORT FOREIGN SCHEMA", def->defname),
					 errhint("Valid options in this context are: columns, sample_records.")));
	}
	return options;
}

/* Infers the fields of the values of a topic's newest records, so many of all partitions together. */
static List *
infer_fields(const KafkaConfig *config, const char *topic, int records, int *objects)
{
	KafkaInference *inference = kfdw_infer_begin();
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw sample", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KafkaTableOptions options = {.consumer = *config};
	KafkaTail  *tail;
	KafkaRecord *record;

	(void) kfdw_selection_set_topics(&options.selection, topic);
	tail = kfdw_tail_open_together(&options, records, kfdw_activity_create(KAFKA_ACTIVITY_SCAN, InvalidOid));
	while ((record = kfdw_tail_next(tail)) != NULL)
		kfdw_infer_look(inference, record->value, record->value_len);
	kfdw_tail_close(tail);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return kfdw_infer_end(inference, objects);
}

/* Adds a name in quotes as a value of an option. */
static void
append_literal(StringInfo command, const char *value)
{
	appendStringInfoString(command, quote_literal_cstr(value));
}

/* A name of a list, cut to what names may have. */
static char *
cut_name(const char *name, int reserve)
{
	return pnstrdup(name, pg_mbcliplen(name, (int) strlen(name), NAMEDATALEN - 1 - reserve));
}

/* True for the names of columns that every table has: ours, and those that PostgreSQL adds. */
static bool
is_everywhere(const char *name)
{
	for (size_t i = 0; i < lengthof(metadata_columns); i++)
		if (strcmp(metadata_columns[i].name, name) == 0)
			return true;
	return SystemAttributeByName(name) != NULL;
}

/* The entry of a name. */
static ColumnName *
find_name(HTAB *names, const char *name)
{
	bool		found;
	ColumnName *entry = hash_search(names, name, HASH_ENTER, &found);

	if (!found)
	{
		entry->taken = is_everywhere(name);
		entry->number = 1;
	}
	return entry;
}

/*
 * A column's name that needs no quotes as far as that can be: in lower case, with an
 * underscore for what is no letter or digit, and a number where another one has it already.
 */
static char *
column_name(const char *field, HTAB *names)
{
	char	   *name = cut_name(field, 0);
	ColumnName *base;

	for (char *c = name; *c != '\0'; c++)
	{
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
		else if (!IS_HIGHBIT_SET(*c) && !(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9'))
			*c = '_';
	}
	if (name[0] == '\0')
		name = pstrdup("_");
	base = find_name(names, cut_name(name, 8));
	while (find_name(names, name)->taken)
		name = psprintf("%s_%d", base->name, ++base->number);
	find_name(names, name)->taken = true;
	return name;
}

/* A field's name as the option "field" has it. */
static char *
field_path(const char *field)
{
	StringInfoData path;

	initStringInfo(&path);
	for (const char *c = field; *c != '\0'; c++)
	{
		if (*c == '.')
			appendStringInfoChar(&path, '\\');
		appendStringInfoChar(&path, *c);
	}
	return path.data;
}

/* Keeps a comment for the end of the command. */
static void
say_later(const ImportForeignSchemaStmt *statement, const char *table, const char *column, char *comment)
{
	MemoryContext old = MemoryContextSwitchTo(CurTransactionContext);
	PendingComment *pending = palloc(sizeof(PendingComment));

	if (pending_comments == NIL)
	{
		MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

		callback->func = forget_comments;
		MemoryContextRegisterResetCallback(CurTransactionContext, callback);
	}
	pending->schema = pstrdup(statement->local_schema);
	pending->table = pstrdup(table);
	pending->column = pstrdup(column);
	pending->comment = pstrdup(comment);
	pending_comments = lappend(pending_comments, pending);
	MemoryContextSwitchTo(old);
}

/* Adds the columns that were inferred. */
static void
append_fields(StringInfo command, const ImportForeignSchemaStmt *statement, const char *table, List *fields, int objects)
{
	HASHCTL		control = {.keysize = NAMEDATALEN,.entrysize = sizeof(ColumnName),.hcxt = CurrentMemoryContext};
	HTAB	   *names = hash_create("kafka_fdw column names", list_length(fields), &control,
									HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	ListCell   *lc;

	foreach(lc, fields)
	{
		const KafkaInferredField *field = lfirst(lc);
		char	   *name = column_name(field->name, names);

		appendStringInfo(command, "%s %s", quote_identifier(name), field->type);
		if (strcmp(name, field->name) != 0)
		{
			appendStringInfoString(command, " OPTIONS (field ");
			append_literal(command, field_path(field->name));
			appendStringInfoChar(command, ')');
		}
		appendStringInfoString(command, ", ");
		say_later(statement, table, name,
				  field->values == objects ?
				  psprintf("never null in %d records", objects) :
				  psprintf("null or missing in %d of %d records", objects - field->values, objects));
	}
}

/* Adds the columns of the value: those that a sample shows, or one for all of it. */
static void
append_value(StringInfo command, const ImportForeignSchemaStmt *statement, const KafkaConfig *config,
			 const char *topic, const char *table, const ImportOptions *options)
{
	List	   *fields = NIL;
	int			objects = 0;

	if (options->infer)
		fields = infer_fields(config, topic, options->sample_records, &objects);
	if (fields == NIL && options->infer)
		ereport(NOTICE,
				(errmsg("no columns could be inferred for topic \"%s\"", topic),
				 objects > 0 ?
				 errdetail("Its records have no fields, or more than %d.", KAFKA_MAX_INFERRED) :
				 errdetail("None of its newest records is a JSON object."),
				 errhint("Its table has a column \"value\" instead.")));
	if (fields == NIL)
		appendStringInfoString(command, "value pg_catalog.jsonb OPTIONS (metadata 'value'), ");
	else
		append_fields(command, statement, table, fields, objects);
}

/* The command that makes a topic's table. */
static char *
make_command(const ImportForeignSchemaStmt *statement, const KafkaConfig *config, const char *topic, const char *table,
			 const ImportOptions *options)
{
	StringInfoData command;

	initStringInfo(&command);
	appendStringInfo(&command, "CREATE FOREIGN TABLE %s (", quote_identifier(table));
	append_value(&command, statement, config, topic, table, options);
	for (size_t i = 0; i < lengthof(metadata_columns); i++)
		appendStringInfo(&command, "%s%s %s OPTIONS (metadata '%s')", i > 0 ? ", " : "", metadata_columns[i].name,
						 metadata_columns[i].type, metadata_columns[i].metadata);
	appendStringInfo(&command, ") SERVER %s OPTIONS (topic ", quote_identifier(statement->server_name));
	append_literal(&command, topic);
	appendStringInfoChar(&command, ')');
	return command.data;
}

/* True when one of the tables has a name. */
static bool
is_table(char **tables, int count, const char *name)
{
	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < count; i++)
		if (tables[i] != NULL && strcmp(tables[i], name) == 0)
			return true;
	return false;
}

/* The order of topics by their names. */
static int
compare_topics(const void *a, const void *b)
{
	return strcmp(((const KafkaClusterTopic *) a)->name, ((const KafkaClusterTopic *) b)->name);
}

/*
 * The names of the topics' tables: those of the topics as far as names go, with a number
 * where others that are as long begin alike.
 */
static char **
name_tables(const KafkaCluster *cluster)
{
	char	  **tables = palloc0(cluster->ntopics * sizeof(char *));
	const char *base = NULL;
	int			number = 2;

	for (int i = 0; i < cluster->ntopics; i++)
		if (strlen(cluster->topics[i].name) < NAMEDATALEN)
			tables[i] = pstrdup(cluster->topics[i].name);
	for (int i = 0; i < cluster->ntopics; i++)
	{
		char	   *name = cut_name(cluster->topics[i].name, 0);

		if (tables[i] != NULL)
			continue;

		/* they are sorted: who begins alike goes on where the one before has ended */
		if (base == NULL || strncmp(name, base, strlen(base)) != 0)
		{
			base = cut_name(cluster->topics[i].name, 8);
			number = 2;
		}
		for (; is_table(tables, cluster->ntopics, name); number++)
			name = psprintf("%s_%d", base, number);
		tables[i] = name;
	}
	return tables;
}

/* True when the command wants a topic; Kafka's own only where it names them. */
static bool
is_wanted(ImportForeignSchemaStmt *statement, const char *topic, const char *table)
{
	if (strncmp(topic, "__", 2) == 0 && statement->list_type != FDW_IMPORT_SCHEMA_LIMIT_TO)
		return false;
	return IsImportableForeignTable(table, statement);
}

/* A topic that LIMIT TO names and that is not there. */
static void
check_limits(const ImportForeignSchemaStmt *statement, char **tables, int count)
{
	ListCell   *lc;

	if (statement->list_type != FDW_IMPORT_SCHEMA_LIMIT_TO)
		return;
	foreach(lc, statement->table_list)
	{
		const char *name = lfirst_node(RangeVar, lc)->relname;

		if (!is_table(tables, count, name))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
					 errmsg("topic \"%s\" does not exist", name),
					 errhint("Names with capitals, dots or hyphens need double quotes.")));
	}
}

List *
kafkaImportForeignSchema(ImportForeignSchemaStmt *statement, Oid serverid)
{
	ImportOptions options = read_options(statement->options);
	KafkaServerOptions *server = kfdw_options_server(serverid, GetUserId());
	KafkaCluster *cluster;
	char	  **tables;
	List	   *commands = NIL;

	pending_comments = NIL;
	if (strcmp(statement->remote_schema, REMOTE_SCHEMA) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("schema \"%s\" does not exist on server \"%s\"", statement->remote_schema, statement->server_name),
				 errhint("The schema of a Kafka server is \"%s\".", REMOTE_SCHEMA)));
	cluster = kfdw_cluster_ask(&server->consumer, NULL);
	qsort(cluster->topics, cluster->ntopics, sizeof(KafkaClusterTopic), compare_topics);
	tables = name_tables(cluster);
	check_limits(statement, tables, cluster->ntopics);
	for (int i = 0; i < cluster->ntopics; i++)
		if (is_wanted(statement, cluster->topics[i].name, tables[i]))
			commands = lappend(commands, make_command(statement, &server->consumer, cluster->topics[i].name, tables[i], &options));
	return commands;
}

/* Comments on a column, where it is there, and the user's: other event triggers may have changed that. */
static void
comment_on(const PendingComment *pending)
{
	Oid			relid = get_relname_relid(pending->table, get_namespace_oid(pending->schema, true));
	AttrNumber	column = OidIsValid(relid) ? get_attnum(relid, pending->column) : InvalidAttrNumber;

	if (column != InvalidAttrNumber && kfdw_relation_ownercheck(relid, GetUserId()))
		CreateComments(relid, RelationRelationId, column, pending->comment);
}

/* Called at the end of IMPORT FOREIGN SCHEMA. */
Datum
kfdw_schema_imported(PG_FUNCTION_ARGS)
{
	List	   *comments = pending_comments;
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("not called by an event trigger")));
	pending_comments = NIL;
	foreach(lc, comments)
		comment_on(lfirst(lc));
	PG_RETURN_NULL();
}
