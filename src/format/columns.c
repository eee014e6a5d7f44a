/*
 * columns.c
 *	  What each column of a topic table holds: its options, read and checked.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "datatype/timestamp.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "format/columns.h"
#include "format/generated.h"

#define MAX_TYPES 5

/* A kind of metadata column: its name in the option and the types it may have. */
typedef struct KafkaMetadata
{
	const char *name;
	KafkaColumnKind kind;
	const char *allowed;		/* NULL: any type */
	Oid			types[MAX_TYPES];
} KafkaMetadata;

static const KafkaMetadata metadata_kinds[] = {
	{"topic", KAFKA_COLUMN_TOPIC, "text, varchar and name", {TEXTOID, VARCHAROID, NAMEOID}},
	{"partition", KAFKA_COLUMN_PARTITION, "integer and bigint", {INT4OID, INT8OID}},
	{"offset", KAFKA_COLUMN_OFFSET, "bigint", {INT8OID}},
	{"timestamp", KAFKA_COLUMN_TIMESTAMP,
	"timestamp with time zone and bigint (milliseconds since 1970)", {TIMESTAMPTZOID, INT8OID}},
	{"timestamp_type", KAFKA_COLUMN_TIMESTAMP_TYPE, "text", {TEXTOID}},
	{"key", KAFKA_COLUMN_KEY, NULL, {InvalidOid}},
	{"value", KAFKA_COLUMN_VALUE, "text, varchar, bytea, json and jsonb",
	{TEXTOID, VARCHAROID, BYTEAOID, JSONOID, JSONBOID}},
	{"headers", KAFKA_COLUMN_HEADERS, "kafka.header[]", {InvalidOid}},
	{"tombstone", KAFKA_COLUMN_TOMBSTONE, "boolean", {BOOLOID}},
	{"error", KAFKA_COLUMN_ERROR, "text", {TEXTOID}},
};

static const KafkaEpoch epochs[] = {
	{"iso"},
	{"epoch_s", "seconds", USECS_PER_SEC, 6},
	{"epoch_ms", "milliseconds", 1000, 3},
	{"epoch_us", "microseconds", 1, 0},
	{"epoch_days", "days", USECS_PER_DAY, 0},
};

/* The kind of a metadata column by its name in the option. */
bool
kfdw_columns_metadata_kind(const char *name, KafkaColumnKind *kind)
{
	for (int i = 0; i < lengthof(metadata_kinds); i++)
	{
		if (strcmp(name, metadata_kinds[i].name) == 0)
		{
			*kind = metadata_kinds[i].kind;
			return true;
		}
	}
	return false;
}

/* The names of the option "metadata", for a hint. */
const char *
kfdw_columns_metadata_names(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(metadata_kinds); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", metadata_kinds[i].name);
	return names.data;
}

/* Fails for options that the kind of a column makes useless. */
static void
check_options(const KafkaColumn *column)
{
	if (column->field != NULL && column->kind != KAFKA_COLUMN_PAYLOAD && column->kind != KAFKA_COLUMN_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("column \"%s\" cannot have the option \"field\"", column->name),
				 errdetail("Only the key and columns without the option \"metadata\" are fields of the value.")));
	if (column->key_field != NULL && column->kind != KAFKA_COLUMN_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("column \"%s\" cannot have the option \"key_field\"", column->name),
				 errdetail("Only columns with the option metadata 'key' are fields of the key.")));
}

/* The numbers that a value of "timestamp_format" means; NULL for text. */
static const KafkaEpoch *
lookup_epoch(const char *name)
{
	for (int i = 0; i < lengthof(epochs); i++)
	{
		if (pg_strcasecmp(epochs[i].name, name) == 0)
			return epochs[i].microseconds > 0 ? &epochs[i] : NULL;
	}
	elog(ERROR, "timestamp format \"%s\" is missing", name);
}

/* Fails for an option "timestamp_format" that does not suit the column's type. */
static void
check_time_type(Oid relid, const KafkaColumn *column, const char *format)
{
	bool		days = column->epoch != NULL && column->epoch->microseconds == USECS_PER_DAY;

	if (column->base_type == DATEOID ||
		(!days && (column->base_type == TIMESTAMPOID || column->base_type == TIMESTAMPTZOID ||
				   column->base_type == TIMEOID)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
			 errmsg("column \"%s\" of foreign table \"%s\" cannot have the type %s",
					column->name, get_rel_name(relid), format_type_be(column->type)),
			 errdetail("It has the option timestamp_format '%s', which is for %s.", format,
					   days ? "date" : "timestamp with and without time zone, date and time")));
}

/* Reads the options of a column. */
static void
read_options(Oid relid, KafkaColumn *column)
{
	ListCell   *lc;

	foreach(lc, GetForeignColumnOptions(relid, column->attnum))
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "field") == 0)
			column->field = defGetString(option);
		else if (strcmp(option->defname, "key_field") == 0)
			column->key_field = defGetString(option);
		else if (strcmp(option->defname, "timestamp_format") == 0)
		{
			column->epoch = lookup_epoch(defGetString(option));
			check_time_type(relid, column, defGetString(option));
		}
		else if (strcmp(option->defname, "metadata") == 0 &&
				 !kfdw_columns_metadata_kind(defGetString(option), &column->kind))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid value for option \"metadata\" of column \"%s\": \"%s\"",
							column->name, defGetString(option)),
					 errhint("Valid values are: %s.", kfdw_columns_metadata_names())));
	}

	check_options(column);
	column->in_value = column->kind == KAFKA_COLUMN_PAYLOAD || column->field != NULL;
}

/* True for an array of the extension's composite type kafka.header, and of no other one that has this name. */
static bool
is_header_array(Oid type)
{
	Oid			element = get_element_type(type);
	Oid			schema = get_namespace_oid("kafka", true);
	Oid			extension = get_extension_oid("kafka_fdw", true);

	return OidIsValid(element) && OidIsValid(schema) && OidIsValid(extension) &&
		element == GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
								   CStringGetDatum("header"), ObjectIdGetDatum(schema)) &&
		getExtensionOfObject(TypeRelationId, element) == extension;
}

/* True when a column of this kind may have this type. */
static bool
type_is_allowed(const KafkaMetadata *metadata, Oid type)
{
	if (metadata->allowed == NULL)
		return true;
	if (metadata->kind == KAFKA_COLUMN_HEADERS)
		return is_header_array(type);
	for (int i = 0; i < MAX_TYPES && OidIsValid(metadata->types[i]); i++)
	{
		if (metadata->types[i] == type)
			return true;
	}
	return false;
}

/* Fails when a metadata column has a type that cannot hold what it stands for. */
static void
check_type(Oid relid, const KafkaColumn *column)
{
	const KafkaMetadata *metadata = NULL;

	for (int i = 0; i < lengthof(metadata_kinds); i++)
	{
		if (metadata_kinds[i].kind == column->kind)
			metadata = &metadata_kinds[i];
	}
	if (metadata == NULL || type_is_allowed(metadata, column->base_type))
		return;

	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
			 errmsg("column \"%s\" of foreign table \"%s\" cannot have the type %s",
					column->name, get_rel_name(relid),
					format_type_with_typemod(column->type, column->typmod)),
			 errdetail("It has the option metadata '%s'.", metadata->name),
			 errhint("Allowed types: %s.", metadata->allowed)));
}

/* Fails when the table has two columns of one metadata kind, but for fields of the key. */
static void
check_unique(KafkaColumns *columns)
{
	for (int i = 0; i < columns->natts; i++)
	{
		KafkaColumn *column = &columns->column[i];
		KafkaColumn *first;

		if (column->attnum == 0 || column->kind == KAFKA_COLUMN_PAYLOAD || column->key_field != NULL)
			continue;
		first = kfdw_columns_find(columns, column->kind);
		if (first != column)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("columns \"%s\" and \"%s\" of foreign table \"%s\" have the same option \"metadata\"",
							first->name, column->name, get_rel_name(columns->relid))));
	}
}

/* Looks up the type's input and output functions. */
static void
lookup_functions(KafkaColumn *column)
{
	Oid			function;
	bool		is_varlena;

	getTypeInputInfo(column->type, &function, &column->typioparam);
	fmgr_info(function, &column->input);
	getTypeOutputInfo(column->type, &function, &is_varlena);
	fmgr_info(function, &column->output);
}

/* A virtual column is neither read nor written: PostgreSQL has its expression in place of it. */
static void
check_virtual(Oid relid, Form_pg_attribute attribute)
{
	if (GetForeignColumnOptions(relid, attribute->attnum) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("column \"%s\" of foreign table \"%s\" cannot have options", NameStr(attribute->attname), get_rel_name(relid)),
				 errdetail("It is a virtual generated column, which no record has."),
				 errhint("Make it STORED, so that it is written into records.")));
}

/* Fills what is known of one attribute. */
static void
describe_column(Oid relid, Form_pg_attribute attribute, KafkaColumn *column)
{
	if (kfdw_generated_is_virtual(attribute))
		check_virtual(relid, attribute);
	if (attribute->attisdropped || kfdw_generated_is_virtual(attribute))
		return;

	column->attnum = attribute->attnum;
	column->kind = KAFKA_COLUMN_PAYLOAD;
	column->name = pstrdup(NameStr(attribute->attname));
	column->type = attribute->atttypid;
	column->typmod = column->base_typmod = attribute->atttypmod;
	column->base_type = getBaseTypeAndTypmod(attribute->atttypid, &column->base_typmod);
	read_options(relid, column);
	check_type(relid, column);
}

/* True when the query uses an attribute, by itself or in a whole row. */
static bool
is_needed(const Bitmapset *needed, AttrNumber attnum)
{
	return bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, needed) ||
		bms_is_member(InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber, needed);
}

/* Reads the columns of a table and the options of each. */
KafkaColumns *
kfdw_columns_create(Oid relid, TupleDesc tupdesc, bool all, const Bitmapset *needed)
{
	KafkaColumns *columns = palloc0(sizeof(KafkaColumns));

	columns->relid = relid;
	columns->tupdesc = tupdesc;
	columns->natts = tupdesc->natts;
	columns->column = palloc0(sizeof(KafkaColumn) * Max(tupdesc->natts, 1));

	for (int i = 0; i < tupdesc->natts; i++)
	{
		KafkaColumn *column = &columns->column[i];

		describe_column(relid, TupleDescAttr(tupdesc, i), column);
		column->needed = column->attnum != 0 && (all || is_needed(needed, column->attnum));
		if (column->needed)
			lookup_functions(column);
	}
	check_unique(columns);
	return columns;
}

void
kfdw_columns_need_all(KafkaColumns *columns)
{
	for (int i = 0; i < columns->natts; i++)
	{
		KafkaColumn *column = &columns->column[i];

		if (column->attnum == 0 || column->needed)
			continue;
		column->needed = true;
		lookup_functions(column);
	}
}

/* A partition and a timestamp may be given; where they are not, the broker or its client chooses. */
bool
kfdw_columns_set_by_broker(KafkaColumnKind kind)
{
	return kind == KAFKA_COLUMN_TOPIC || kind == KAFKA_COLUMN_PARTITION || kind == KAFKA_COLUMN_OFFSET ||
		kind == KAFKA_COLUMN_TIMESTAMP || kind == KAFKA_COLUMN_TIMESTAMP_TYPE;
}

/* There is at most one that is no field of the key. */
KafkaColumn *
kfdw_columns_find(KafkaColumns *columns, KafkaColumnKind kind)
{
	for (int i = 0; i < columns->natts; i++)
	{
		KafkaColumn *column = &columns->column[i];

		if (column->attnum != 0 && column->kind == kind && column->key_field == NULL)
			return column;
	}
	return NULL;
}
