/*
 * decimal.c
 *	  Decimal numbers as Kafka Connect writes them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "format/decimal.h"

/* About 9,800 digits; nothing is quadratic in more. */
#define MAX_BYTES	4096
#define MAX_SCALE	1000

/* Digits in groups of nine. */
#define GROUP		1000000000

/* An integer of up to 64 bits. */
static int64
read_integer(const unsigned char *bytes, size_t len)
{
	uint64		integer = bytes[0] & 0x80 ? PG_UINT64_MAX : 0;

	for (size_t i = 0; i < len; i++)
		integer = integer << 8 | bytes[i];
	return (int64) integer;
}

/* Multiplies groups of digits, the least significant first, and adds to them; returns how many they are then. */
static int
multiply_add(uint32 *groups, int ngroups, uint32 factor, uint32 summand)
{
	uint64		carry = summand;

	for (int i = 0; i < ngroups; i++)
	{
		carry += (uint64) groups[i] * factor;
		groups[i] = (uint32) (carry % GROUP);
		carry /= GROUP;
	}
	if (carry > 0)
		groups[ngroups++] = (uint32) carry;
	return ngroups;
}

/* The digits of an integer of any length. */
static char *
print_integer(const unsigned char *bytes, size_t len)
{
	bool		negative = (bytes[0] & 0x80) != 0;
	uint32	   *groups = palloc((len / 3 + 2) * sizeof(uint32));
	int			ngroups = 0;
	StringInfoData digits;

	for (size_t i = 0; i < len; i++)
		ngroups = multiply_add(groups, ngroups, 256, negative ? (unsigned char) ~bytes[i] : bytes[i]);
	if (negative)
		ngroups = multiply_add(groups, ngroups, 1, 1);

	initStringInfo(&digits);
	appendStringInfo(&digits, "%s%u", negative ? "-" : "", ngroups > 0 ? groups[ngroups - 1] : 0);
	for (int i = ngroups - 2; i >= 0; i--)
		appendStringInfo(&digits, "%09u", groups[i]);
	return digits.data;
}

Numeric
kfdw_decimal_from_bytes(const unsigned char *bytes, size_t len, int scale)
{
	char	   *text;

	if (len == 0 || len > MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid decimal of %zu bytes", len),
				 errdetail("Kafka Connect writes an integer of at least one byte; at most %d are read.", MAX_BYTES)));
	if (scale < -MAX_SCALE || scale > MAX_SCALE)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("scale of a decimal out of range: %d", scale),
				 errdetail("It is from %d to %d.", -MAX_SCALE, MAX_SCALE)));

	if (len <= sizeof(int64) && scale >= 0)
		return int64_div_fast_to_numeric(read_integer(bytes, len), scale);
	text = psprintf("%se%d", print_integer(bytes, len), -scale);
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}
