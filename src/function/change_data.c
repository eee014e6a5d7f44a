/*
 * change_data.c
 *	  kafka.change_deletes(): what a change event of Debezium does to its row.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(kfdw_change_deletes);

/* An operation that is none is an error: such a record says nothing of a row. */
static bool
deletes(const char *op)
{
	if (strcmp(op, "d") == 0)
		return true;
	if (strcmp(op, "t") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the change event says that all rows were deleted by TRUNCATE"),
				 errhint("TRUNCATE the table, and have kafka.reset_stream() go on behind the record, in one transaction.")));
	if (strcmp(op, "c") != 0 && strcmp(op, "u") != 0 && strcmp(op, "r") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown operation of a change event: \"%s\"", op),
				 errhint("Operations are \"c\", \"r\", \"u\", \"d\" and \"t\".")));
	return false;
}

/* Its arguments are the operation, and whether the record is a tombstone, which has none. */
Datum
kfdw_change_deletes(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(1) && PG_GETARG_BOOL(1))
		PG_RETURN_BOOL(true);
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the record is no change event: it has no operation"),
				 errhint("Fields of an event begin with \"payload.\" where its schema is written, too, and else do not.")));
	PG_RETURN_BOOL(deletes(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}
