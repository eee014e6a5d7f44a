/*
 * publisher.c
 *	  Makes records of a topic table of the rows of another table.
 *
 * A row becomes one of the target by an expression for each of the target's columns,
 * which is coerced as in an INSERT, and then a record by the target's format.  The
 * target's triggers, defaults and constraints have no part in it; its partitioner and the
 * types of its columns do.  What others wrote of these runs as the owner of the table that
 * was named, whoever changes its rows.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "catalog/role_scope.h"
#include "delivery/delivery.h"
#include "delivery/publisher.h"
#include "format/builtin.h"
#include "format/codec.h"
#include "format/generated.h"
#include "format/settings.h"

struct KafkaPublisher
{
	const char *source;			/* its name */
	Oid			named;			/* the source, or the table that it is a partition of */
	Oid			owner;			/* of the named table */
	const KafkaTableOptions *options;
	KafkaRowCodec *codec;
	KafkaWriter *writer;		/* NULL until it begins */

	int			nkeys;
	AttrNumber *keys;			/* the key columns of the source */
	bool		computes_key;	/* one of them may not be in new rows */

	ExprContext *context;		/* its memory is reset with each record */
	KafkaGenerated *generated;	/* completes rows of the source; NULL: they are complete */
	ProjectionInfo *row;		/* the source's row as the target's */
	ProjectionInfo *tombstone;	/* and what a tombstone has of it */
	ProjectionInfo *projection; /* the one that makes the next record */
	KafkaSettingsUse settings;	/* what the projections need */
	bool		runs_others;	/* functions that are not PostgreSQL's own may run for a row */
};

/* While a publisher is made. */
typedef struct KafkaMapping
{
	Relation	source;
	Relation	target;
	KafkaColumns *columns;		/* of the target */
	List	   *keys;			/* attribute numbers in the source */
	bool		key_fields;		/* they are those of the target's key, which has fields */
	List	   *row;			/* the target list that makes a row of the target */
	List	   *tombstone;		/* and a row with its key only */
	bool		whole_row;		/* the one column that is the value takes all of the row */
} KafkaMapping;

/* A column of the source; InvalidAttrNumber: there is none. */
static AttrNumber
find_column(Relation source, const char *name)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(source), name);

	return attnum > 0 ? attnum : InvalidAttrNumber;
}

/* The columns of the primary key in their order. */
static List *
primary_key(Relation source)
{
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(source))
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index index;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for index %u", lfirst_oid(lc));
		index = (Form_pg_index) GETSTRUCT(tuple);
		for (int i = 0; index->indisprimary && i < index->indnkeyatts; i++)
			keys = lappend_int(keys, index->indkey.values[i]);
		ReleaseSysCache(tuple);
	}
	if (keys == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("table \"%s\" has no primary key to be the key of its records", RelationGetRelationName(source)),
				 errhint("Name the key's columns.")));
	return keys;
}

/* The names of the target's columns that are fields of its key. */
static List *
key_field_names(const KafkaColumns *columns)
{
	List	   *names = NIL;

	for (int i = 0; i < columns->natts; i++)
		if (columns->column[i].attnum != 0 && columns->column[i].key_field != NULL)
			names = lappend(names, makeString(unconstify(char *, columns->column[i].name)));
	return names;
}

/* Keys of rows are compared as they are stored. */
static void
check_key_column(Relation source, AttrNumber attnum)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(source), attnum - 1);

	if (kfdw_generated_is_virtual(attribute))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("key column \"%s\" of table \"%s\" is a virtual generated column", NameStr(attribute->attname),
						RelationGetRelationName(source)),
				 errhint("Make it STORED.")));
}

/* The columns of the key: those of the target's fields, else those that are named, else the primary key. */
static void
find_keys(KafkaMapping *mapping, List *names)
{
	List	   *fields = key_field_names(mapping->columns);
	ListCell   *lc;

	mapping->key_fields = fields != NIL;
	if (fields != NIL && names != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("the key of foreign table \"%s\" has columns of its own", RelationGetRelationName(mapping->target)),
				 errhint("Name no key columns: its columns with the option \"key_field\" say what the key is made of.")));
	if (fields == NIL && names == NIL)
		mapping->keys = primary_key(mapping->source);
	foreach(lc, fields != NIL ? fields : names)
	{
		AttrNumber	attnum = find_column(mapping->source, strVal(lfirst(lc)));

		if (attnum == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("key column \"%s\" of table \"%s\" does not exist", strVal(lfirst(lc)),
							RelationGetRelationName(mapping->source))));
		check_key_column(mapping->source, attnum);
		mapping->keys = lappend_int(mapping->keys, attnum);
	}
}

static Expr *
make_var(Relation source, AttrNumber attnum)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(source), attnum - 1);

	return (Expr *) makeVar(1, attnum, attribute->atttypid, attribute->atttypmod, attribute->attcollation, 0);
}

/* The key: a column, or an object of several. */
static Expr *
make_key(const KafkaMapping *mapping)
{
	List	   *arguments = NIL;
	ListCell   *lc;

	if (list_length(mapping->keys) == 1)
		return make_var(mapping->source, linitial_int(mapping->keys));
	foreach(lc, mapping->keys)
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(mapping->source), lfirst_int(lc) - 1);

		arguments = lappend(arguments, makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1,
												 CStringGetTextDatum(NameStr(attribute->attname)), false, false));
		arguments = lappend(arguments, make_var(mapping->source, lfirst_int(lc)));
	}
	return (Expr *) makeFuncExpr(F_JSONB_BUILD_OBJECT_ANY, JSONBOID, arguments, InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* All of the row, as a column of json or jsonb takes it. */
static Expr *
make_whole_row(const KafkaMapping *mapping, Oid type)
{
	Expr	   *row = (Expr *) makeVar(1, InvalidAttrNumber, mapping->source->rd_rel->reltype, -1, InvalidOid, 0);

	return (Expr *) makeFuncExpr(type == JSONOID ? F_TO_JSON : F_TO_JSONB, type, list_make1(row),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* The same column of the source, by its name. */
static Expr *
make_same(const KafkaMapping *mapping, const KafkaColumn *column)
{
	AttrNumber	attnum = find_column(mapping->source, column->name);

	if (attnum == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table \"%s\" has no column \"%s\" to be published", RelationGetRelationName(mapping->source), column->name),
				 errdetail("Foreign table \"%s\" has it.", RelationGetRelationName(mapping->target)),
				 errhint("Rename or drop one of the columns: each column of the foreign table takes the one of its name.")));
	return make_var(mapping->source, attnum);
}

/* The time of a record may be a column of the source. */
static Expr *
make_record_time(const KafkaMapping *mapping, const KafkaColumn *column)
{
	return find_column(mapping->source, column->name) == InvalidAttrNumber ? NULL : make_same(mapping, column);
}

/* What else a record has is the publisher's: a column that would be left out silently is refused. */
static void
check_not_meant(const KafkaMapping *mapping, const KafkaColumn *column)
{
	if (find_column(mapping->source, column->name) != InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of table \"%s\" cannot be published", column->name,
						RelationGetRelationName(mapping->source)),
				 errdetail("Foreign table \"%s\" has it as metadata that kafka.publish() takes from no column.",
						   RelationGetRelationName(mapping->target)),
				 errhint("Rename or drop one of the columns: only those for key, value and timestamp take the one of their name.")));
}

/* What a column of the target is to be; NULL: nothing. */
static Expr *
choose_expression(const KafkaMapping *mapping, const KafkaColumn *column)
{
	switch (column->kind)
	{
		case KAFKA_COLUMN_KEY:
			if (column->key_field != NULL)
				return make_same(mapping, column);
			return mapping->key_fields ? NULL : make_key(mapping);
		case KAFKA_COLUMN_PAYLOAD:
			return mapping->whole_row ? make_whole_row(mapping, column->base_type) : make_same(mapping, column);
		case KAFKA_COLUMN_VALUE:
			return mapping->whole_row ? make_whole_row(mapping, column->base_type) : NULL;
		case KAFKA_COLUMN_TIMESTAMP:
			return make_record_time(mapping, column);
		case KAFKA_COLUMN_PARTITION:
		case KAFKA_COLUMN_HEADERS:
		case KAFKA_COLUMN_TOMBSTONE:
			check_not_meant(mapping, column);
			return NULL;
		default:
			return NULL;
	}
}

/* The expression for a column of the target, in its type. */
static Expr *
make_expression(const KafkaMapping *mapping, const KafkaColumn *column, Form_pg_attribute attribute)
{
	Expr	   *expression = column->attnum == 0 ? NULL : choose_expression(mapping, column);
	Node	   *coerced;

	if (expression == NULL)
		return (Expr *) makeNullConst(INT4OID, -1, InvalidOid);
	coerced = coerce_to_target_type(NULL, (Node *) expression, exprType((Node *) expression), attribute->atttypid,
									attribute->atttypmod, COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (coerced == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of foreign table \"%s\" is of type %s, but what is to be published in it is of type %s",
						column->name, RelationGetRelationName(mapping->target), format_type_be(attribute->atttypid),
						format_type_be(exprType((Node *) expression)))));
	return (Expr *) coerced;
}

/* True when the only column that the value is made of takes JSON, and has no counterpart in the source. */
static bool
takes_whole_row(const KafkaMapping *mapping)
{
	const KafkaColumn *value = NULL;

	for (int i = 0; i < mapping->columns->natts; i++)
	{
		const KafkaColumn *column = &mapping->columns->column[i];

		if (column->attnum == 0 || (!column->in_value && column->kind != KAFKA_COLUMN_VALUE))
			continue;
		if (value != NULL && column->in_value && value->in_value)
			return false;
		if (value == NULL || column->in_value)
			value = column;
	}
	return value != NULL && value->kind != KAFKA_COLUMN_KEY &&
		(value->base_type == JSONOID || value->base_type == JSONBOID) &&
		find_column(mapping->source, value->name) == InvalidAttrNumber;
}

/* The target's columns and what they are made of. */
static void
map_columns(KafkaMapping *mapping)
{
	TupleDesc	desc = RelationGetDescr(mapping->target);
	bool		has_value = false;

	if (!mapping->key_fields && kfdw_columns_find(mapping->columns, KAFKA_COLUMN_KEY) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("foreign table \"%s\" has no column for the key of published rows", RelationGetRelationName(mapping->target)),
				 errhint("Add a column with the option metadata 'key'.")));
	mapping->whole_row = takes_whole_row(mapping);
	for (int i = 0; i < desc->natts; i++)
	{
		const KafkaColumn *column = &mapping->columns->column[i];
		Expr	   *expression = make_expression(mapping, column, TupleDescAttr(desc, i));

		has_value |= column->attnum != 0 && !IsA(expression, Const) && (column->in_value || column->kind == KAFKA_COLUMN_VALUE);
		mapping->row = lappend(mapping->row, makeTargetEntry(expression, i + 1, NULL, false));
		if (column->attnum == 0 || column->kind != KAFKA_COLUMN_KEY)
			expression = (Expr *) makeNullConst(INT4OID, -1, InvalidOid);
		mapping->tombstone = lappend(mapping->tombstone, makeTargetEntry(expression, i + 1, NULL, false));
	}
	if (!has_value)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("foreign table \"%s\" has no column for the values of published rows", RelationGetRelationName(mapping->target)),
				 errhint("Add columns with the names of those that are to be published, or a single one of type jsonb for the whole row.")));
}

/* What triggers of the target would do is not done; that of a table on itself would be one. */
static void
check_target(Relation source, Relation target)
{
	if (RelationGetRelid(source) == RelationGetRelid(target))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot publish foreign table \"%s\" to itself", RelationGetRelationName(target))));
	if (target->trigdesc != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot publish to foreign table \"%s\", which has triggers", RelationGetRelationName(target)),
				 errhint("INSERT into it by a trigger function of your own.")));
}

/* The owner of a table answers for what is published of it. */
static void
check_right(const KafkaPublisher *publisher, Oid target)
{
	if (pg_class_aclcheck(target, publisher->owner, ACL_INSERT) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for foreign table %s", get_rel_name(target)),
				 errdetail("Rows of table \"%s\" are published with the rights of its owner \"%s\".",
						   get_rel_name(publisher->named), GetUserNameFromId(publisher->owner, false))));
}

/* What the expressions need of the settings: texts of rows and keys are the same whatever the session's are. */
static KafkaSettingsUse
settings_use(const KafkaMapping *mapping)
{
	KafkaSettingsUse use = KAFKA_SETTINGS_NONE;
	ListCell   *lc;

	if (mapping->whole_row)
		use = kfdw_settings_use(mapping->source->rd_rel->reltype, KAFKA_TO_TEXT);
	foreach(lc, mapping->keys)
		use = Max(use, kfdw_settings_use(TupleDescAttr(RelationGetDescr(mapping->source), lfirst_int(lc) - 1)->atttypid,
										 KAFKA_TO_TEXT));
	return use;
}

/* A target list of rows of the source, which makes rows of the target. */
static ProjectionInfo *
build_projection(const KafkaPublisher *publisher, TupleDesc target, List *targetlist)
{
	return ExecBuildProjectionInfo(targetlist, publisher->context, MakeSingleTupleTableSlot(target, &TTSOpsVirtual), NULL, NULL);
}

static bool
has_foreign_type(Relation relation)
{
	TupleDesc	desc = RelationGetDescr(relation);

	for (int i = 0; i < desc->natts; i++)
		if (TupleDescAttr(desc, i)->atttypid >= FirstNormalObjectId)
			return true;
	return false;
}

/* Types that are not PostgreSQL's own may have functions anywhere: for input and output, in CHECKs, as a cast to JSON. */
static bool
may_run_others(const KafkaPublisher *publisher, const KafkaMapping *mapping)
{
	return publisher->options->partitioner == KAFKA_PARTITIONER_FUNCTION || publisher->generated != NULL ||
		has_foreign_type(mapping->source) || has_foreign_type(mapping->target) ||
		!kfdw_expressions_call_only(mapping->row, kfdw_builtin_function);
}

/* The session's search_path is the choice of who changes the table: names are not looked up there with the owner's rights. */
static void
begin_as_owner(const KafkaPublisher *publisher, KafkaRoleScope *scope)
{
	kfdw_role_begin(scope, publisher->owner);
	kfdw_role_set_search_path("pg_catalog, pg_temp");
}

KafkaPublisher *
kfdw_publisher_create(Relation source, Oid named, Oid target, List *key_columns)
{
	KafkaPublisher *publisher = palloc0(sizeof(KafkaPublisher));
	KafkaMapping mapping = {.source = source};
	TupleDesc	desc;
	KafkaRoleScope scope;

	publisher->source = pstrdup(RelationGetRelationName(source));
	publisher->named = named;
	publisher->owner = kfdw_options_table_owner(named);
	kfdw_options_require_topic_table(target);
	check_right(publisher, target);
	mapping.target = kfdw_options_open_topic_table(target, RowExclusiveLock);
	check_target(source, mapping.target);
	begin_as_owner(publisher, &scope);

	desc = CreateTupleDescCopyConstr(RelationGetDescr(mapping.target));
	publisher->options = kfdw_options_written_table(target, publisher->owner);
	mapping.columns = kfdw_columns_create(target, desc, true, NULL);
	find_keys(&mapping, key_columns);
	map_columns(&mapping);

	publisher->codec = kfdw_codec_create(mapping.columns, &publisher->options->format);
	publisher->nkeys = list_length(mapping.keys);
	publisher->keys = palloc(publisher->nkeys * sizeof(AttrNumber));
	publisher->generated = kfdw_generated_create(source);
	for (int i = 0; i < publisher->nkeys; i++)
	{
		publisher->keys[i] = list_nth_int(mapping.keys, i);
		publisher->computes_key |= publisher->generated != NULL &&
			TupleDescAttr(RelationGetDescr(source), publisher->keys[i] - 1)->attgenerated != '\0';
	}
	publisher->settings = settings_use(&mapping);
	publisher->runs_others = may_run_others(publisher, &mapping);
	publisher->context = CreateStandaloneExprContext();
	publisher->row = build_projection(publisher, desc, mapping.row);
	publisher->tombstone = build_projection(publisher, desc, mapping.tombstone);
	kfdw_role_end(&scope);
	table_close(mapping.target, NoLock);
	return publisher;
}

void
kfdw_publisher_begin(KafkaPublisher *publisher)
{
	KafkaRoleScope scope;

	begin_as_owner(publisher, &scope);
	publisher->writer = kfdw_delivery_begin(publisher->options, publisher->owner);
	kfdw_role_end(&scope);
}

/* The row as the target's; under fixed settings. */
static void
project(void *argument)
{
	KafkaPublisher *publisher = argument;

	ExecProject(publisher->projection);
}

/* A key of which a part is NULL finds no row again. */
static void
check_key(const KafkaPublisher *publisher, TupleTableSlot *row)
{
	for (int i = 0; i < publisher->nkeys; i++)
	{
		if (!slot_attisnull(row, publisher->keys[i]))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("cannot publish a row of table \"%s\" whose key column \"%s\" is null", publisher->source,
						NameStr(TupleDescAttr(row->tts_tupleDescriptor, publisher->keys[i] - 1)->attname))));
	}
}

/* A new row as triggers get it, with what it does not have. */
static TupleTableSlot *
complete_row(const KafkaPublisher *publisher, TupleTableSlot *row)
{
	if (publisher->generated == NULL)
		return row;
	slot_getallattrs(row);
	return kfdw_generated_compute(publisher->generated, row->tts_values, row->tts_isnull);
}

/*
 * The record that a row becomes, or the tombstone; what it points to lives until the next one.  A tombstone is made of a
 * row as it was stored, and of its key, which is no virtual column.
 */
static KafkaRecord
make_record(KafkaPublisher *publisher, TupleTableSlot *row, bool tombstone)
{
	TupleTableSlot *slot;
	KafkaRecord record;

	if (!tombstone)
		row = complete_row(publisher, row);
	check_key(publisher, row);
	publisher->context->ecxt_scantuple = row;
	publisher->projection = tombstone ? publisher->tombstone : publisher->row;
	kfdw_settings_call(publisher->settings, project, publisher);
	slot = publisher->projection->pi_state.resultslot;
	kfdw_codec_encode(publisher->codec, slot->tts_values, slot->tts_isnull, tombstone, &record);
	return record;
}

void
kfdw_publisher_write(KafkaPublisher *publisher, TupleTableSlot *row, KafkaOperation operation)
{
	const char	value = (char) operation;
	KafkaHeader header = {.key = "op",.value = &value,.value_len = 1};
	MemoryContext old = MemoryContextSwitchTo(publisher->context->ecxt_per_tuple_memory);
	KafkaRoleScope scope;
	KafkaRecord record;

	if (publisher->runs_others)
		begin_as_owner(publisher, &scope);
	record = make_record(publisher, row, operation == KAFKA_ROW_DELETED);
	record.headers = &header;
	record.nheaders = 1;
	kfdw_delivery_add(publisher->writer, &record);
	if (publisher->runs_others)
		kfdw_role_end(&scope);
	MemoryContextSwitchTo(old);
	ResetExprContext(publisher->context);
}

/* True when two rows have the same key in them. */
static bool
same_key(const KafkaPublisher *publisher, TupleTableSlot *left, TupleTableSlot *right)
{
	for (int i = 0; i < publisher->nkeys; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(left->tts_tupleDescriptor, publisher->keys[i] - 1);
		bool		left_null;
		bool		right_null;
		Datum		one = slot_getattr(left, publisher->keys[i], &left_null);
		Datum		other = slot_getattr(right, publisher->keys[i], &right_null);

		if (left_null != right_null ||
			(!left_null && !datum_image_eq(one, other, attribute->attbyval, attribute->attlen)))
			return false;
	}
	return true;
}

bool
kfdw_publisher_same_key(KafkaPublisher *publisher, TupleTableSlot *old, TupleTableSlot *new)
{
	MemoryContext context;
	KafkaRoleScope scope;
	bool		same;

	if (!publisher->computes_key)
		return same_key(publisher, old, new);
	context = MemoryContextSwitchTo(publisher->context->ecxt_per_tuple_memory);
	begin_as_owner(publisher, &scope);
	same = same_key(publisher, old, complete_row(publisher, new));
	kfdw_role_end(&scope);
	MemoryContextSwitchTo(context);
	ResetExprContext(publisher->context);
	return same;
}
