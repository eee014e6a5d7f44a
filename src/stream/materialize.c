/*
 * materialize.c
 *	  The statement of a stream that keeps a table of the newest record of each key.
 *
 * Of the records of a batch that have the same key, the one with the highest offset is
 * merged into the table.  Where the rows tell which record they are of, they refuse an
 * older one, also of another batch.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/value.h"
#include "miscadmin.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "compat.h"
#include "format/columns.h"
#include "option/options.h"
#include "stream/materialize.h"
#include "stream/naming.h"

/* The tables of the statement. */
#define ROW "t"
#define RECORD "n"

typedef struct Materialization
{
	Relation	source;
	KafkaColumns *columns;		/* of the source */
	const char *envelope;		/* what stands before the fields of a change event; NULL: records are rows */
	const char *op;				/* its operation */
	const char *offset;
	const char *tombstone;
	List	   *identity;		/* what tells one record from all others, the offset last; NIL: not all of it */

	Oid			target;
	List	   *keys;			/* names, as all that follow */
	List	   *values;			/* that are assigned besides the key */
	bool		guarded;		/* the identity is among them */
} Materialization;


/* The source --------------------------------------------------------------- */

/* The names of fields that a row of a change event has, without and with a schema around it. */
static const char *const envelopes[] = {"", "payload."};

/* The field of a column in the value. */
static const char *
field_of(const KafkaColumn *column)
{
	return column->field != NULL ? column->field : column->name;
}

/* True for what a change event says of the row as it is now. */
static bool
is_after(const KafkaColumn *column, const char *envelope)
{
	return column->attnum != 0 && column->field != NULL &&
		strncmp(column->field, psprintf("%safter.", envelope), strlen(envelope) + strlen("after.")) == 0;
}

/* The name of the source's column of a kind; NULL: there is none. */
static const char *
find_metadata(const Materialization *work, KafkaColumnKind kind)
{
	const KafkaColumn *column = kfdw_columns_find(work->columns, kind);

	return column != NULL ? column->name : NULL;
}

/* Finds out whether the records are change events. */
static void
find_envelope(Materialization *work)
{
	for (int e = 0; e < lengthof(envelopes) && work->envelope == NULL; e++)
		for (int i = 0; i < work->columns->natts; i++)
			if (is_after(&work->columns->column[i], envelopes[e]))
				work->envelope = envelopes[e];
	for (int i = 0; i < work->columns->natts && work->envelope != NULL; i++)
	{
		const KafkaColumn *column = &work->columns->column[i];

		if (column->attnum != 0 && column->kind == KAFKA_COLUMN_PAYLOAD &&
			strcmp(field_of(column), psprintf("%sop", work->envelope)) == 0)
			work->op = column->name;
	}
}

/* Refuses a source that does not tell what it takes; says how it would. */
static void
check_source(const Materialization *work)
{
	StringInfoData missing;

	initStringInfo(&missing);
	if (work->offset == NULL)
		appendStringInfoString(&missing, ", ADD _offset bigint OPTIONS (metadata 'offset')");
	if (work->tombstone == NULL)
		appendStringInfoString(&missing, ", ADD _tombstone boolean OPTIONS (metadata 'tombstone')");
	if (work->envelope != NULL && work->op == NULL)
		appendStringInfo(&missing, ", ADD op text OPTIONS (field '%sop')", work->envelope);
	if (missing.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("topic table \"%s\" does not tell all that it takes to materialize it",
						RelationGetRelationName(work->source)),
				 errdetail("The newest record of a key is known by its offset, and a deletion by a tombstone%s.",
						   work->envelope != NULL ? " or its operation" : ""),
				 errhint("ALTER FOREIGN TABLE %s %s", kfdw_name_relation(work->columns->relid), missing.data + 2)));
}

/* Looks at the source's columns and options. */
static void
look_at_source(Materialization *work, Oid relid)
{
	const char *topic;
	const char *partition;
	bool		has_topics;

	work->source = kfdw_options_open_topic_table(relid, AccessShareLock);
	has_topics = kfdw_options_table(relid, GetUserId())->selection.ntopics > 1;
	work->columns = kfdw_columns_create(relid, RelationGetDescr(work->source), true, NULL);
	work->offset = find_metadata(work, KAFKA_COLUMN_OFFSET);
	work->tombstone = find_metadata(work, KAFKA_COLUMN_TOMBSTONE);
	find_envelope(work);
	check_source(work);
	topic = find_metadata(work, KAFKA_COLUMN_TOPIC);
	partition = find_metadata(work, KAFKA_COLUMN_PARTITION);
	if (partition == NULL || (has_topics && topic == NULL))
		return;
	if (has_topics)
		work->identity = list_make1(makeString(pstrdup(topic)));
	work->identity = lappend(work->identity, makeString(pstrdup(partition)));
	work->identity = lappend(work->identity, makeString(pstrdup(work->offset)));
}

/* True for the name of a column of the source. */
static bool
has_column(const Materialization *work, const char *name)
{
	return get_attnum(work->columns->relid, name) > 0;
}

/* The columns that are the key of the records: fields of it, or all of it. */
static List *
list_record_key(const Materialization *work)
{
	const char *whole = find_metadata(work, KAFKA_COLUMN_KEY);
	List	   *keys = NIL;

	for (int i = 0; i < work->columns->natts; i++)
	{
		const KafkaColumn *column = &work->columns->column[i];

		if (column->attnum != 0 && column->key_field != NULL)
			keys = lappend(keys, makeString(pstrdup(column->name)));
	}
	if (keys == NIL && whole != NULL)
		keys = list_make1(makeString(pstrdup(whole)));
	if (keys == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("no column of topic table \"%s\" is the key of its records", RelationGetRelationName(work->source)),
				 errhint("Name columns in \"key_columns\", or add one with OPTIONS (metadata 'key').")));
	return keys;
}

/* The key's columns, given or not. */
static void
find_keys(Materialization *work, List *given)
{
	ListCell   *lc;

	work->keys = given != NIL ? given : list_record_key(work);
	foreach(lc, work->keys)
		if (!has_column(work, strVal(lfirst(lc))))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("key column \"%s\" is not a column of topic table \"%s\"", strVal(lfirst(lc)),
							RelationGetRelationName(work->source))));
}


/* A new table -------------------------------------------------------------- */

/* True when a list of strings has a name. */
static bool
has_name(const List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(strVal(lfirst(lc)), name) == 0)
			return true;
	return false;
}

/* True when the records are more than their key. */
static bool
has_payload(const Materialization *work)
{
	for (int i = 0; i < work->columns->natts; i++)
		if (work->columns->column[i].attnum != 0 && work->columns->column[i].kind == KAFKA_COLUMN_PAYLOAD)
			return true;
	return false;
}

/* True for columns of the source that a new table gets: the key, the row, and which record it is of. */
static bool
is_kept(const Materialization *work, const KafkaColumn *column)
{
	if (column->attnum == 0)
		return false;
	if (has_name(work->keys, column->name) || has_name(work->identity, column->name))
		return true;
	if (work->envelope != NULL)
		return is_after(column, work->envelope);
	return column->kind == (has_payload(work) ? KAFKA_COLUMN_PAYLOAD : KAFKA_COLUMN_VALUE);
}

/* Appends the definition of a column like one of the source. */
static void
append_definition(StringInfo command, const Materialization *work, const KafkaColumn *column)
{
	Oid			collation = TupleDescAttr(work->columns->tupdesc, column->attnum - 1)->attcollation;

	appendStringInfo(command, "%s %s", quote_identifier(column->name),
					 format_type_extended(column->type, column->typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	if (OidIsValid(collation) && collation != get_typcollation(column->type))
		appendStringInfo(command, " COLLATE %s", generate_collation_name(collation));
	appendStringInfoString(command, ", ");
}

/* Makes the table, as the current user. */
static Oid
create_table(const Materialization *work, const RangeVar *name)
{
	StringInfoData command;

	initStringInfo(&command);
	appendStringInfo(&command, "CREATE TABLE %s (", quote_qualified_identifier(name->schemaname, name->relname));
	for (int i = 0; i < work->columns->natts; i++)
		if (is_kept(work, &work->columns->column[i]))
			append_definition(&command, work, &work->columns->column[i]);
	appendStringInfo(&command, "PRIMARY KEY (%s))", kfdw_name_columns(NULL, work->keys));
	SPI_connect();
	if (SPI_execute(command.data, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not run \"%s\"", command.data);
	SPI_finish();
	return RangeVarGetRelid(name, AccessShareLock, false);
}


/* The table ---------------------------------------------------------------- */

/* True when an index makes the key's columns, and no others, unique and not NULL. */
static bool
is_index_of_key(const Materialization *work, Oid index, TupleDesc table)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	Form_pg_index form;
	bool		fits;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", index);
	form = (Form_pg_index) GETSTRUCT(tuple);
	fits = form->indisunique && form->indisvalid && form->indnkeyatts == list_length(work->keys) &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL);
	for (int i = 0; fits && i < form->indnkeyatts; i++)
	{
		AttrNumber	attnum = form->indkey.values[i];

		fits = attnum > 0 && TupleDescAttr(table, attnum - 1)->attnotnull &&
			has_name(work->keys, NameStr(TupleDescAttr(table, attnum - 1)->attname));
	}
	ReleaseSysCache(tuple);
	return fits;
}

/* Refuses a table in which a key could have several rows, or be searched for in all of them. */
static void
check_key(const Materialization *work, Relation table)
{
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(table))
		if (is_index_of_key(work, lfirst_oid(lc), RelationGetDescr(table)))
			return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("(%s) is not the primary key of table \"%s\"", kfdw_name_columns(NULL, work->keys), RelationGetRelationName(table)),
			 errdetail("A record replaces the row of its key."),
			 errhint("Add PRIMARY KEY (%s) to the table, or name other columns of topic table \"%s\" in \"key_columns\".",
					 kfdw_name_columns(NULL, work->keys), RelationGetRelationName(work->source))));
}

/* True for a domain that is NOT NULL, or one below it. */
static bool
is_not_null_domain(Oid type)
{
	bool		not_null = false;

	while (!not_null && get_typtype(type) == TYPTYPE_DOMAIN)
	{
		HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for type %u", type);
		not_null = ((Form_pg_type) GETSTRUCT(tuple))->typnotnull;
		type = ((Form_pg_type) GETSTRUCT(tuple))->typbasetype;
		ReleaseSysCache(tuple);
	}
	return not_null;
}

/* Notes a column of the table as one that is assigned, if it is. */
static void
look_at_column(Materialization *work, Relation table, Form_pg_attribute attribute)
{
	const char *name = NameStr(attribute->attname);

	if (attribute->attisdropped || attribute->attgenerated != '\0' || attribute->attidentity == ATTRIBUTE_IDENTITY_ALWAYS ||
		has_name(work->keys, name))
		return;
	if (has_column(work, name))
		work->values = lappend(work->values, makeString(pstrdup(name)));
	else if ((attribute->attnotnull || is_not_null_domain(attribute->atttypid)) &&
			 build_column_default(table, attribute->attnum) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("column \"%s\" of table \"%s\" would be null", name, RelationGetRelationName(table)),
				 errdetail("It is NOT NULL without a default, and topic table \"%s\" has no column of that name.",
						   RelationGetRelationName(work->source))));
}

/* Looks at the table's columns: those that have a namesake in the source are assigned. */
static void
look_at_target(Materialization *work)
{
	Relation	table = kfdw_options_open_relation(work->target, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(table);
	ListCell   *lc;

	if (table->rd_rel->relkind != RELKIND_RELATION && table->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", RelationGetRelationName(table))));
	check_key(work, table);
	for (int i = 0; i < desc->natts; i++)
		look_at_column(work, table, TupleDescAttr(desc, i));
	work->guarded = work->identity != NIL;
	foreach(lc, work->identity)
		work->guarded &= has_name(work->values, strVal(lfirst(lc)));
	table_close(table, NoLock);
}

/* Finds the table, or makes it. */
static void
find_target(Materialization *work, const char *into_table)
{
	RangeVar   *name = makeRangeVarFromNameList(kfdw_qualified_name(into_table));

	work->target = RangeVarGetRelid(name, AccessShareLock, true);
	if (!OidIsValid(work->target))
		work->target = create_table(work, name);
	look_at_target(work);
}


/* The statement ------------------------------------------------------------ */

/* Appends a comparison of columns of a row and a record, all of which hold. */
static void
append_comparison(StringInfo text, const List *names, int count, const char *operator)
{
	for (int i = 0; i < count; i++)
	{
		const char *name = strVal(list_nth(names, i));

		appendStringInfo(text, "%s%s %s %s", i > 0 ? " AND " : "",
						 kfdw_name_column(ROW, name), operator, kfdw_name_column(RECORD, name));
	}
}

/* The condition that a record deletes its row. */
static char *
write_deletion(const Materialization *work)
{
	if (work->envelope == NULL)
		return kfdw_name_column(RECORD, work->tombstone);
	return psprintf("kafka.change_deletes(%s, %s)",
					kfdw_name_column(RECORD, work->op), kfdw_name_column(RECORD, work->tombstone));
}

/* Appends the newest record of each key. */
static void
append_records(StringInfo text, const Materialization *work)
{
	List	   *columns = list_concat_copy(work->keys, work->values);

	if (!has_name(columns, work->offset))
		columns = lappend(columns, makeString(pstrdup(work->offset)));
	if (!has_name(columns, work->tombstone))
		columns = lappend(columns, makeString(pstrdup(work->tombstone)));
	if (work->op != NULL && !has_name(columns, work->op))
		columns = lappend(columns, makeString(pstrdup(work->op)));
	appendStringInfo(text, "    SELECT DISTINCT ON (%s) %s\n    FROM %s\n    ORDER BY %s, %s DESC\n",
					 kfdw_name_columns(NULL, work->keys), kfdw_name_columns(NULL, columns),
					 kfdw_name_relation(work->columns->relid),
					 kfdw_name_columns(NULL, work->keys), kfdw_name_column(NULL, work->offset));
}

/* Appends what a record does to the row of its key. */
static void
append_matched(StringInfo text, const Materialization *work)
{
	ListCell   *lc;
	const char *before = "UPDATE SET ";

	if (work->guarded)
	{
		appendStringInfoString(text, "WHEN MATCHED AND ");
		append_comparison(text, work->identity, list_length(work->identity) - 1, "=");
		appendStringInfoString(text, " AND ");
		append_comparison(text, list_make1(llast(work->identity)), 1, ">");
		appendStringInfoString(text, " THEN DO NOTHING\n");
	}
	appendStringInfo(text, "WHEN MATCHED AND %s THEN DELETE\n", write_deletion(work));
	appendStringInfoString(text, "WHEN MATCHED THEN ");
	foreach(lc, work->values)
	{
		const char *name = strVal(lfirst(lc));

		appendStringInfo(text, "%s%s = %s", before, quote_identifier(name), kfdw_name_column(RECORD, name));
		before = ", ";
	}
	appendStringInfoString(text, work->values == NIL ? "DO NOTHING\n" : "\n");
}

/* Appends what a record does whose key has no row; one without a key is an error, also if it is a tombstone. */
static void
append_not_matched(StringInfo text, const Materialization *work)
{
	List	   *columns = list_concat_copy(work->keys, work->values);
	ListCell   *lc;

	appendStringInfo(text, "WHEN NOT MATCHED AND (NOT %s", write_deletion(work));
	foreach(lc, work->keys)
		appendStringInfo(text, " OR %s IS NULL", kfdw_name_column(RECORD, strVal(lfirst(lc))));
	appendStringInfo(text, ") THEN\n    INSERT (%s)\n    VALUES (%s)",
					 kfdw_name_columns(NULL, columns), kfdw_name_columns(RECORD, columns));
}

char *
kfdw_materialize_statement(Oid source, const char *into_table, List *key_columns, bool *guarded)
{
	Materialization work = {0};
	StringInfoData text;

	look_at_source(&work, source);
	find_keys(&work, key_columns);
	find_target(&work, into_table);
	*guarded = work.guarded;

	initStringInfo(&text);
	appendStringInfo(&text, "MERGE INTO %s " ROW "\nUSING (\n", kfdw_name_relation(work.target));
	append_records(&text, &work);
	appendStringInfoString(&text, ") " RECORD " ON ");
	append_comparison(&text, work.keys, list_length(work.keys), "=");
	appendStringInfoChar(&text, '\n');
	append_matched(&text, &work);
	append_not_matched(&text, &work);
	table_close(work.source, NoLock);
	return text.data;
}
