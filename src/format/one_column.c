/*
 * one_column.c
 *	  The formats "text", "raw" and "kafka": one column is the whole value, or the
 *	  whole key.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "format/convert.h"
#include "format/format.h"

/* What one of Java's serializers writes. */
typedef struct KafkaSerialized
{
	Oid			type;
	int			size;			/* bytes, the most significant first; 0: text,
								 * or the bytes themselves */
} KafkaSerialized;

typedef struct OneColumnState
{
	KafkaColumns *columns;
	KafkaField *field;			/* the only one */
	KafkaColumn *column;
	bool		is_key;
	int			size;			/* in the format "kafka" */
} OneColumnState;

/* Boolean, Short, Integer, Long, Float, Double, UUID, String and ByteArray. */
static const KafkaSerialized serialized[] = {
	{BOOLOID, 1}, {INT2OID, 2}, {INT4OID, 4}, {INT8OID, 8}, {FLOAT4OID, 4}, {FLOAT8OID, 8},
	{UUIDOID}, {TEXTOID}, {VARCHAROID}, {BYTEAOID},
};

/* Fails for a type that the format does not take. */
static void
report_type(const OneColumnState *state, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
			 errmsg("column \"%s\" of foreign table \"%s\" cannot have the type %s",
					state->column->name, get_rel_name(state->columns->relid),
					format_type_be(state->column->type)),
			 errdetail("%s", detail)));
}

/* Finds the column, which has to be the only one. */
static OneColumnState *
start_one_column(KafkaFields *fields, const char *format)
{
	OneColumnState *state = palloc0(sizeof(OneColumnState));

	if (fields->count != 1 || (!fields->is_key && fields->field[0].column->kind != KAFKA_COLUMN_PAYLOAD))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_COLUMN_NUMBER),
				 errmsg("foreign table \"%s\" does not suit the format \"%s\"",
						get_rel_name(fields->columns->relid), format),
				 errdetail("The format takes exactly one column without the option \"metadata\", which is the value; the table has %d.",
						   fields->count)));
	state->columns = fields->columns;
	state->field = &fields->field[0];
	state->column = state->field->column;
	state->is_key = fields->is_key;
	return state;
}

/* Text: any type, by its input and output functions. */
static void *
start_text(KafkaFields *fields, const KafkaFormatOptions *options)
{
	return start_one_column(fields, "text");
}

/* Raw: the bytes as they are. */
static void *
start_raw(KafkaFields *fields, const KafkaFormatOptions *options)
{
	OneColumnState *state = start_one_column(fields, "raw");

	if (state->column->base_type != BYTEAOID)
		report_type(state, "The format \"raw\" takes a column of type bytea.");
	return state;
}

/* Kafka: the column's type chooses one of Java's serializers. */
static void *
start_kafka(KafkaFields *fields, const KafkaFormatOptions *options)
{
	OneColumnState *state = start_one_column(fields, "kafka");

	for (int i = 0; i < lengthof(serialized); i++)
	{
		if (serialized[i].type != state->column->base_type)
			continue;
		state->size = serialized[i].size;
		return state;
	}
	report_type(state, "The format \"kafka\" takes a column of type boolean, smallint, integer, bigint, real, double precision, uuid, text, varchar or bytea.");
	return NULL;				/* not reached */
}

/* Converts the value as text. */
static void
decode_text(void *arg, const char *bytes, size_t len, Datum *values, bool *nulls)
{
	OneColumnState *state = arg;
	int			i = state->column->attnum - 1;
	const char *string;

	state->field->found = true;
	state->columns->current = state->column;
	string = kfdw_text_from_utf8(bytes, &len);
	values[i] = kfdw_column_from_text(state->column, string, len);
	nulls[i] = false;
	state->columns->current = NULL;
}

/* Takes the value as it is. */
static void
decode_raw(void *arg, const char *bytes, size_t len, Datum *values, bool *nulls)
{
	OneColumnState *state = arg;
	int			i = state->column->attnum - 1;

	state->field->found = true;
	state->columns->current = state->column;
	values[i] = kfdw_column_from_bytes(state->column, bytes, len);
	nulls[i] = false;
	state->columns->current = NULL;
}

/* A value of fixed size from its bytes, which need not be aligned. */
static Datum
read_fixed(Oid type, const char *bytes)
{
	uint16		two;
	uint32		four;
	uint64		eight;

	switch (type)
	{
		case BOOLOID:
			if (*bytes != 0 && *bytes != 1)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						 errmsg("a boolean is a byte of 0 or 1, not %d", (unsigned char) *bytes)));
			return BoolGetDatum(*bytes != 0);
		case INT2OID:
			memcpy(&two, bytes, sizeof(two));
			return Int16GetDatum((int16) pg_ntoh16(two));
		case INT4OID:
		case FLOAT4OID:
			memcpy(&four, bytes, sizeof(four));
			return Int32GetDatum((int32) pg_ntoh32(four));
		default:
			memcpy(&eight, bytes, sizeof(eight));
			return Int64GetDatum((int64) pg_ntoh64(eight));
	}
}

/* Appends the bytes of a value of fixed size. */
static void
write_fixed(Oid type, Datum value, StringInfo out)
{
	switch (type)
	{
		case BOOLOID:
			pq_sendint8(out, DatumGetBool(value));
			break;
		case INT2OID:
			pq_sendint16(out, (uint16) DatumGetInt16(value));
			break;
		case INT4OID:
		case FLOAT4OID:
			pq_sendint32(out, (uint32) DatumGetInt32(value));
			break;
		default:
			pq_sendint64(out, (uint64) DatumGetInt64(value));
			break;
	}
}

/* Converts the bytes as Java's deserializers do. */
static void
decode_kafka(void *arg, const char *bytes, size_t len, Datum *values, bool *nulls)
{
	OneColumnState *state = arg;
	KafkaColumn *column = state->column;
	int			i = column->attnum - 1;

	if (state->size == 0)
	{
		decode_raw(arg, bytes, len, values, nulls);
		return;
	}
	state->field->found = true;
	state->columns->current = column;
	if (len != state->size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("the record's %s has %zu bytes, but a value of type %s has %d",
						state->is_key ? "key" : "value", len, format_type_be(column->base_type), state->size)));
	values[i] = read_fixed(column->base_type, bytes);
	if (column->type != column->base_type)
		domain_check(values[i], false, column->type, NULL, CurrentMemoryContext);
	nulls[i] = false;
	state->columns->current = NULL;
}

/* Fails for NULL: an absent value is a tombstone, which is asked for by name. */
static void
check_not_null(const KafkaColumn *column, const bool *nulls)
{
	if (nulls[column->attnum - 1])
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("column \"%s\" is the record's value and cannot be null", column->name),
				 errhint("Set a column with the option metadata 'tombstone' to write a record without a value.")));
}

/* Appends the value as text. */
static void
encode_text(void *arg, const Datum *values, const bool *nulls, StringInfo out)
{
	OneColumnState *state = arg;
	char	   *string;
	size_t		len;

	check_not_null(state->column, nulls);
	state->columns->current = state->column;
	string = kfdw_column_to_string(state->column, values[state->column->attnum - 1]);
	len = strlen(string);
	string = unconstify(char *, kfdw_text_to_utf8(string, &len));
	appendBinaryStringInfo(out, string, (int) len);
	state->columns->current = NULL;
}

/* Appends the bytes. */
static void
encode_raw(void *arg, const Datum *values, const bool *nulls, StringInfo out)
{
	OneColumnState *state = arg;
	const char *bytes;
	size_t		len;

	check_not_null(state->column, nulls);
	bytes = kfdw_column_to_bytes(state->column, values[state->column->attnum - 1], &len);
	appendBinaryStringInfo(out, bytes, (int) len);
}

/* Appends the bytes that Java's serializers write. */
static void
encode_kafka(void *arg, const Datum *values, const bool *nulls, StringInfo out)
{
	OneColumnState *state = arg;

	if (state->size == 0)
	{
		encode_raw(arg, values, nulls, out);
		return;
	}
	check_not_null(state->column, nulls);
	write_fixed(state->column->base_type, values[state->column->attnum - 1], out);
}

const KafkaFormat kfdw_format_text = {
	.name = "text",
	.is_text = true,
	.start = start_text,
	.decode = decode_text,
	.encode = encode_text,
};

const KafkaFormat kfdw_format_raw = {
	.name = "raw",
	.start = start_raw,
	.decode = decode_raw,
	.encode = encode_raw,
};

const KafkaFormat kfdw_format_kafka = {
	.name = "kafka",
	.start = start_kafka,
	.decode = decode_kafka,
	.encode = encode_kafka,
};
