/*
 * decimal.c
 *	  kafka.connect_decimal(): a decimal number as Kafka Connect writes it in JSON.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "compat.h"
#include "format/decimal.h"

PG_FUNCTION_INFO_V1(kfdw_connect_decimal);

/* The bytes are in base64. */
Datum
kfdw_connect_decimal(PG_FUNCTION_ARGS)
{
	Datum		decoded = DirectFunctionCall2(binary_decode, PG_GETARG_DATUM(0), CStringGetTextDatum("base64"));
	bytea	   *bytes = DatumGetByteaPP(decoded);

	PG_RETURN_NUMERIC(kfdw_decimal_from_bytes((const unsigned char *) VARDATA_ANY(bytes),
											  VARSIZE_ANY_EXHDR(bytes), PG_GETARG_INT32(1)));
}
