/*
 * produce.c
 *	  kafka.produce(): sends one record to a table's topic, and returns where it is.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "delivery/delivery.h"
#include "format/columns.h"
#include "format/convert.h"
#include "format/metadata.h"
#include "function/rights.h"
#include "option/options.h"

PG_FUNCTION_INFO_V1(kfdw_produce);

/* The arguments of kafka.produce(). */
enum
{
	PRODUCE_TABLE,
	PRODUCE_VALUE,
	PRODUCE_KEY,
	PRODUCE_HEADERS,
	PRODUCE_PARTITION,
	PRODUCE_TIMESTAMP
};

/* Who may insert into a topic table may produce to its topic. */
static void
check_table(Oid relid)
{
	PreventCommandIfReadOnly("kafka.produce()");
	kfdw_require_right(relid, ACL_INSERT);
}

/* The bytes of an argument: a bytea's own, a text's in UTF-8; NULL for NULL. */
static const char *
get_bytes(FunctionCallInfo fcinfo, int argument, size_t *len)
{
	struct varlena *datum;
	const char *bytes;

	*len = 0;
	if (PG_ARGISNULL(argument))
		return NULL;
	datum = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(argument));
	bytes = VARDATA_ANY(datum);
	*len = VARSIZE_ANY_EXHDR(datum);
	if (get_fn_expr_argtype(fcinfo->flinfo, argument) == TEXTOID)
		bytes = kfdw_text_to_utf8(bytes, len);
	return bytes;
}

/* Sets what stands outside the value as the metadata column of that kind would. */
static void
set_metadata(FunctionCallInfo fcinfo, int argument, KafkaColumnKind kind, KafkaRecord *record)
{
	KafkaColumn column = {.kind = kind};
	TupleDesc	header = NULL;

	if (PG_ARGISNULL(argument))
		return;
	column.base_type = get_fn_expr_argtype(fcinfo->flinfo, argument);
	if (kind == KAFKA_COLUMN_HEADERS)
		header = lookup_rowtype_tupdesc_copy(get_element_type(column.base_type), -1);
	kfdw_metadata_encode(&column, header, PG_GETARG_DATUM(argument), record);
}

/* The record that the arguments describe. */
static KafkaRecord
get_record(FunctionCallInfo fcinfo)
{
	KafkaRecord record = {.partition = KAFKA_PARTITION_ANY, .timestamp = KAFKA_NO_TIMESTAMP};

	record.value = get_bytes(fcinfo, PRODUCE_VALUE, &record.value_len);
	record.key = get_bytes(fcinfo, PRODUCE_KEY, &record.key_len);
	set_metadata(fcinfo, PRODUCE_HEADERS, KAFKA_COLUMN_HEADERS, &record);
	set_metadata(fcinfo, PRODUCE_PARTITION, KAFKA_COLUMN_PARTITION, &record);
	set_metadata(fcinfo, PRODUCE_TIMESTAMP, KAFKA_COLUMN_TIMESTAMP, &record);
	if (record.value == NULL && record.key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a tombstone needs a key"),
				 errdetail("A record without a value is one.")));
	return record;
}

/* A row of topic, partition, offset and timestamp. */
static Datum
make_row(FunctionCallInfo fcinfo, KafkaRecord *record)
{
	static const struct
	{
		KafkaColumnKind kind;
		Oid			type;
	}			returned[] = {
		{KAFKA_COLUMN_TOPIC, TEXTOID},
		{KAFKA_COLUMN_PARTITION, INT4OID},
		{KAFKA_COLUMN_OFFSET, INT8OID},
		{KAFKA_COLUMN_TIMESTAMP, TIMESTAMPTZOID},
	};
	Datum		values[lengthof(returned)] = {0};
	bool		nulls[lengthof(returned)];
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	for (size_t i = 0; i < lengthof(returned); i++)
	{
		KafkaColumn column = {.kind = returned[i].kind,.type = returned[i].type,.base_type = returned[i].type,
		.typmod = -1,.base_typmod = -1};

		nulls[i] = !kfdw_metadata_decode(&column, NULL, record, &values[i]);
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* At once, so it stays in the topic if the transaction rolls back. */
Datum
kfdw_produce(PG_FUNCTION_ARGS)
{
	KafkaTableOptions *options;
	KafkaRecord record;
	Relation	relation;

	if (PG_ARGISNULL(PRODUCE_TABLE))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the table cannot be null")));
	check_table(PG_GETARG_OID(PRODUCE_TABLE));
	relation = kfdw_options_open_topic_table(PG_GETARG_OID(PRODUCE_TABLE), RowExclusiveLock);
	options = kfdw_options_written_table(RelationGetRelid(relation), GetUserId());
	record = get_record(fcinfo);
	kfdw_delivery_send_now(kfdw_delivery_begin(options, GetUserId()), &record);
	table_close(relation, NoLock);
	PG_RETURN_DATUM(make_row(fcinfo, &record));
}
