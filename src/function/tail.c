/*
 * tail.c
 *	  kafka.tail(): the newest records of each partition as rows of a topic table.
 */
#include "postgres.h"

#include "access/table.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "format/codec.h"
#include "format/columns.h"
#include "format/generated.h"
#include "option/options.h"
#include "source/tail.h"
#include "stat/activity.h"

PG_FUNCTION_INFO_V1(kfdw_tail);

/* The topic table whose row the first argument is. */
static Oid
get_table(FunctionCallInfo fcinfo)
{
	Oid			relid = get_typ_typrelid(get_fn_expr_argtype(fcinfo->flinfo, 0));

	if (!OidIsValid(relid) || !kfdw_options_is_topic_table(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the first argument of kafka.tail() is not a row of a topic table"),
				 errhint("Name the table by a NULL of its type: kafka.tail(NULL::orders, 10).")));
	return relid;
}

/* It reads all columns; of a consuming table too, as it moves nothing. */
static void
check_may_select(Oid relid)
{
	AclResult	result = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);

	if (result != ACLCHECK_OK)
		result = pg_attribute_aclcheck_all(relid, GetUserId(), ACL_SELECT, ACLMASK_ALL);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_TABLE, get_rel_name(relid));
}

static int
get_count(FunctionCallInfo fcinfo)
{
	int			count = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT32(1);

	if (count < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the number of records must be at least 0, and not null")));
	return count;
}

/* Decodes a record as on_error says; false for one that is left out, which nobody sets aside here. */
static bool
decode(KafkaRowCodec *codec, KafkaOnError on_error, KafkaRecord *record, Datum *values, bool *nulls)
{
	ErrorData  *error;

	if (on_error == KAFKA_ON_ERROR_STOP)
	{
		kfdw_codec_decode(codec, record, values, nulls);
		return true;
	}
	error = kfdw_codec_try_decode(codec, record, values, nulls);
	if (error != NULL && on_error == KAFKA_ON_ERROR_SET_NULL)
		kfdw_codec_decode_rejected(codec, record, error, values, nulls);
	return error == NULL || on_error == KAFKA_ON_ERROR_SET_NULL;
}

/* A row of the table has its virtual columns, too. */
static void
put_row(KafkaGenerated *generated, Datum *values, bool *nulls, ReturnSetInfo *result)
{
	if (generated != NULL)
		tuplestore_puttupleslot(result->setResult, kfdw_generated_compute(generated, values, nulls));
	else
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Decodes records into a tuple store. */
static void
put_rows(KafkaTail *tail, KafkaRowCodec *codec, KafkaOnError on_error, KafkaActivity *activity,
		 KafkaGenerated *generated, ReturnSetInfo *result)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw tail", ALLOCSET_DEFAULT_SIZES);
	int			natts = result->setDesc->natts;
	Datum	   *values = palloc0((natts + 1) * sizeof(Datum));
	bool	   *nulls = palloc((natts + 1) * sizeof(bool));
	KafkaRecord *record;

	while ((record = kfdw_tail_next(tail)) != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		memset(nulls, true, natts * sizeof(bool));
		if (decode(codec, on_error, record, values, nulls))
			put_row(generated, values, nulls, result);
		kfdw_activity_add(activity, KAFKA_PROGRESS_RECORDS, 1);
		kfdw_activity_add(activity, KAFKA_PROGRESS_BYTES, record->key_len + record->value_len);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}

Datum
kfdw_tail(PG_FUNCTION_ARGS)
{
	Oid			relid = get_table(fcinfo);
	int			count = get_count(fcinfo);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	relation;
	KafkaTableOptions *options;
	KafkaRowCodec *codec;
	KafkaActivity *activity;
	KafkaTail  *tail;

	check_may_select(relid);

	/* first, so that the rows are those of the table as it is now */
	relation = kfdw_options_open_topic_table(relid, AccessShareLock);
	InitMaterializedSRF(fcinfo, 0);
	options = kfdw_options_table(relid, GetUserId());
	codec = kfdw_codec_create(kfdw_columns_create(relid, RelationGetDescr(relation), true, NULL), &options->format);
	activity = kfdw_activity_create(KAFKA_ACTIVITY_SCAN, relid);
	kfdw_activity_begin(activity);
	tail = kfdw_tail_open(options, count, activity);
	put_rows(tail, codec, options->on_error, activity, kfdw_generated_create(relation), result);
	kfdw_tail_close(tail);
	kfdw_activity_end(activity);
	table_close(relation, NoLock);
	PG_RETURN_VOID();
}
