/*
 * flush.c
 *	  kafka.flush(): waits for records that were sent in the background, and returns
 *	  those that were not delivered.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "kafka/background.h"

PG_FUNCTION_INFO_V1(kfdw_flush);

/* The columns of kafka.flush(). */
enum
{
	FLUSH_TOPIC,
	FLUSH_PARTITION,
	FLUSH_KEY,
	FLUSH_ERROR,
	FLUSH_COLUMNS
};

/* Bytes as a bytea. */
static Datum
make_bytea(const char *bytes, size_t len)
{
	struct varlena *datum = palloc(VARHDRSZ + len);

	SET_VARSIZE(datum, VARHDRSZ + len);
	memcpy(VARDATA(datum), bytes, len);
	return PointerGetDatum(datum);
}

/* A row for a record that was not delivered. */
static void
put_failure(ReturnSetInfo *result, const KafkaFailure *failure)
{
	Datum		values[FLUSH_COLUMNS] = {0};
	bool		nulls[FLUSH_COLUMNS] = {0};

	values[FLUSH_TOPIC] = CStringGetTextDatum(failure->topic);
	values[FLUSH_PARTITION] = Int32GetDatum(failure->partition);
	nulls[FLUSH_PARTITION] = failure->partition < 0;
	if (failure->key != NULL)
		values[FLUSH_KEY] = make_bytea(failure->key, failure->key_len);
	nulls[FLUSH_KEY] = failure->key == NULL;
	values[FLUSH_ERROR] = CStringGetTextDatum(failure->error);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Failures are forgotten once all of them are in the result. */
Datum
kfdw_flush(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		not_kept;

	InitMaterializedSRF(fcinfo, 0);
	kfdw_background_flush();
	for (int i = 0; i < kfdw_background_failure_count(); i++)
	{
		KafkaFailure failure = kfdw_background_failure(i);

		put_failure(result, &failure);
	}
	not_kept = kfdw_background_failures_not_kept();
	kfdw_background_forget_failures();
	if (not_kept > 0)
		ereport(WARNING,
				(errmsg("%lld more records were not delivered", (long long) not_kept),
				 errdetail("What is kept of failures between two calls is limited.")));
	return (Datum) 0;
}
