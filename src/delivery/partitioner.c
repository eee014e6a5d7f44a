/*
 * partitioner.c
 *	  Chooses partitions where the client library does not: round robin, sticky, or by
 *	  a function.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "delivery/partitioner.h"
#include "option/read.h"
#include "option/table.h"

/* Where a table's records of this session went last. */
typedef struct KafkaPlace
{
	Oid			relid;			/* the key */
	int32		partition;
	size_t		bytes;			/* that this partition got in a row */
	TimestampTz transaction;	/* the start of the one that sent them */
} KafkaPlace;

struct KafkaPartitioner
{
	KafkaPartitionerKind kind;
	int			batch_size;
	KafkaPlace *place;
	const char *name;			/* of the function */
	FmgrInfo	function;
};

static HTAB *places = NULL;

/* The place of a table; a new one is random, so that sessions do not go together. */
static KafkaPlace *
get_place(Oid relid)
{
	KafkaPlace *place;
	bool		found;

	if (places == NULL)
	{
		HASHCTL		info = {.keysize = sizeof(Oid),.entrysize = sizeof(KafkaPlace)};

		places = hash_create("kafka_fdw partitions", 16, &info, HASH_ELEM | HASH_BLOBS);
	}
	place = hash_search(places, &relid, HASH_ENTER, &found);
	if (!found)
	{
		place->partition = (int32) pg_prng_uint64_range(&pg_global_prng_state, 0, PG_INT32_MAX / 2);
		place->bytes = 0;
		place->transaction = 0;
	}
	return place;
}

/* Finds the function, which must be there, fit, and be one that the user may call. */
static void
find_function(KafkaPartitioner *partitioner, const char *name)
{
	Oid			types[] = {BYTEAOID, INT4OID};
	Oid			function = LookupFuncName(kfdw_qualified_name(name), lengthof(types), types, true);

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("partitioner function %s(key bytea, partition_count integer) does not exist", name)));
	if (get_func_prokind(function) != PROKIND_FUNCTION || get_func_retset(function) ||
		get_func_rettype(function) != INT4OID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("partitioner function %s(key bytea, partition_count integer) must return an integer", name)));
	if (!kfdw_procedure_may_run(function, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, name);
	fmgr_info(function, &partitioner->function);
	partitioner->name = name;
}

KafkaPartitioner *
kfdw_partitioner_begin(const KafkaTableOptions *options)
{
	KafkaPartitioner *partitioner;

	if (options->partitioner == KAFKA_PARTITIONER_CLIENT)
		return NULL;
	partitioner = palloc0(sizeof(KafkaPartitioner));
	partitioner->kind = options->partitioner;
	partitioner->batch_size = options->batch_size;
	if (options->partitioner == KAFKA_PARTITIONER_FUNCTION)
		find_function(partitioner, options->partitioner_name);
	else
		partitioner->place = get_place(options->relid);
	return partitioner;
}

/* What a function answers for a record; an answer that is no partition is an error. */
static int32
call_function(KafkaPartitioner *partitioner, const KafkaRecord *record, int npartitions)
{
	LOCAL_FCINFO(fcinfo, 2);
	struct varlena *key = NULL;
	int32		partition;

	InitFunctionCallInfoData(*fcinfo, &partitioner->function, 2, InvalidOid, NULL, NULL);
	if (record->key != NULL)
	{
		key = palloc(VARHDRSZ + record->key_len);
		SET_VARSIZE(key, VARHDRSZ + record->key_len);
		memcpy(VARDATA(key), record->key, record->key_len);
	}
	fcinfo->args[0].value = PointerGetDatum(key);
	fcinfo->args[0].isnull = key == NULL;
	fcinfo->args[1].value = Int32GetDatum(npartitions);
	fcinfo->args[1].isnull = false;
	fcinfo->isnull = key == NULL && partitioner->function.fn_strict;
	partition = fcinfo->isnull ? 0 : DatumGetInt32(FunctionCallInvoke(fcinfo));

	if (fcinfo->isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("partitioner function %s returned null", partitioner->name),
				 key == NULL ? errdetail("The record has no key.") : 0));
	if (partition < 0 || partition >= npartitions)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("partitioner function %s returned %d, which is no partition", partitioner->name, partition),
				 errdetail("There are partitions 0 to %d.", npartitions - 1)));
	return partition;
}

/* One partition after the other. */
static int32
go_round(KafkaPlace *place, int npartitions)
{
	place->partition = (int32) (((int64) place->partition + 1) % npartitions);
	return place->partition;
}

/* The same partition until a batch is full, or the next transaction begins; then any other. */
static int32
stick(KafkaPartitioner *partitioner, const KafkaRecord *record, int npartitions)
{
	KafkaPlace *place = partitioner->place;
	size_t		size = record->key_len + record->value_len;
	TimestampTz transaction = GetCurrentTransactionStartTimestamp();

	if (place->partition >= npartitions || place->transaction != transaction ||
		place->bytes + size > (size_t) partitioner->batch_size)
	{
		int32		step = npartitions > 1 ? (int32) pg_prng_uint64_range(&pg_global_prng_state, 1, npartitions - 1) : 0;

		place->partition = (int32) (((int64) place->partition + step) % npartitions);
		place->transaction = transaction;
		place->bytes = 0;
	}
	place->bytes += size;
	return place->partition;
}

int32
kfdw_partitioner_choose(KafkaPartitioner *partitioner, const KafkaRecord *record, int npartitions)
{
	if (npartitions == 0)
		return KAFKA_PARTITION_ANY;
	switch (partitioner->kind)
	{
		case KAFKA_PARTITIONER_ROUND_ROBIN:
			return go_round(partitioner->place, npartitions);
		case KAFKA_PARTITIONER_UNIFORM_STICKY:
			return stick(partitioner, record, npartitions);
		case KAFKA_PARTITIONER_FUNCTION:
			return call_function(partitioner, record, npartitions);
		case KAFKA_PARTITIONER_CLIENT:
			break;
	}
	return KAFKA_PARTITION_ANY;
}

/* Some of the client's partitioners only differ where there is no key. */
KafkaKeyPartitioner
kfdw_partitioner_of_keys(Oid relid)
{
	KafkaOptionSetting settings[KAFKA_OPTION_COUNT] = {{0}};
	const KafkaOptionSetting *setting = &settings[KAFKA_OPT_PARTITIONER];
	KafkaKeyPartitioner partitioner = {0};
	char	   *suffix;

	kfdw_option_read_table(relid, GetUserId(), settings);
	partitioner.name = setting->value;
	if (setting->number == KAFKA_PARTITIONER_FUNCTION)
		partitioner.placement = pstrdup(setting->value);
	else if (setting->number == KAFKA_PARTITIONER_CLIENT && strcmp(setting->text, "random") != 0)
	{
		partitioner.placement = pstrdup(setting->text);
		suffix = strstr(partitioner.placement, "_random");
		if (suffix != NULL)
			*suffix = '\0';
	}
	return partitioner;
}
