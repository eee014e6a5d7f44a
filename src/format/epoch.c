/*
 * epoch.c
 *	  Points in time as numbers.  A number is split into whole units and the
 *	  microseconds behind them, as some timestamps have more microseconds since 1970
 *	  than 64 bits.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "format/epoch.h"

#define EPOCH_DAYS	(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)
#define DIGITS		"0123456789"

/* So many digits are a 64-bit integer, whatever they are. */
#define SAFE_DIGITS	18

/* A point in time. */
typedef struct KafkaEpochTime
{
	int64		units;			/* rounded down */
	int64		microseconds;	/* behind them, at most a unit */
} KafkaEpochTime;

/* Fails for a number that the column's type does not hold. */
static void
report_out_of_range(const KafkaColumn *column, const char *number)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("%s out of range: %s", format_type_be(column->base_type), number),
			 errdetail("The column's option \"timestamp_format\" is \"%s\".", column->epoch->name)));
}

/* True for a number as JSON has it. */
static bool
is_number(const char *p)
{
	if (*p == '-')
		p++;
	if (strspn(p, DIGITS) == 0)
		return false;
	p += strspn(p, DIGITS);
	if (*p == '.')
		p += 1 + strspn(p + 1, DIGITS);
	if (*p == 'e' || *p == 'E')
	{
		p++;
		if (*p == '-' || *p == '+')
			p++;
		if (strspn(p, DIGITS) == 0)
			return false;
		p += strspn(p, DIGITS);
	}
	return *p == '\0';
}

/* A number with a point, an exponent or many digits. */
static KafkaEpochTime
parse_decimal(const KafkaColumn *column, const char *text)
{
	KafkaEpochTime time;
	Datum		number;
	Datum		whole;
	Datum		rest;

	if (!is_number(text))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
				 errmsg("invalid number of %s: \"%s\"", column->epoch->unit, text),
				 errdetail("The column's option \"timestamp_format\" is \"%s\".", column->epoch->name)));
	if (fabs(strtod(text, NULL)) >= (double) PG_INT64_MAX)
		report_out_of_range(column, text);

	number = DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	whole = DirectFunctionCall1(numeric_floor, number);
	rest = DirectFunctionCall2(numeric_mul, DirectFunctionCall2(numeric_sub, number, whole),
							   NumericGetDatum(int64_to_numeric(column->epoch->microseconds)));
	time.units = DatumGetInt64(DirectFunctionCall1(numeric_int8, whole));
	time.microseconds = DatumGetInt64(DirectFunctionCall1(numeric_int8, rest));
	return time;
}

/* A number; most are integers. */
static KafkaEpochTime
parse_number(const KafkaColumn *column, const char *text, size_t len)
{
	KafkaEpochTime time = {0};
	size_t		start = len > 0 && text[0] == '-';

	if (len == start || len - start > SAFE_DIGITS)
		return parse_decimal(column, pnstrdup(text, len));
	for (size_t i = start; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return parse_decimal(column, pnstrdup(text, len));
		time.units = time.units * 10 + (text[i] - '0');
	}
	if (start > 0)
		time.units = -time.units;
	return time;
}

/* Microseconds since a day; false when there are too many. */
static bool
microseconds_since(const KafkaEpoch *epoch, int64 day, const KafkaEpochTime *time, int64 *result)
{
	int64		units;

	return !pg_sub_s64_overflow(time->units, day * (USECS_PER_DAY / epoch->microseconds), &units) &&
		!pg_mul_s64_overflow(units, epoch->microseconds, result) &&
		!pg_add_s64_overflow(*result, time->microseconds, result);
}

/* A timestamp with or without time zone; false for none. */
static bool
timestamp_from(const KafkaColumn *column, const KafkaEpochTime *time, Datum *value)
{
	int64		timestamp;

	if (!microseconds_since(column->epoch, EPOCH_DAYS, time, &timestamp) || !IS_VALID_TIMESTAMP(timestamp))
		return false;
	*value = TimestampTzGetDatum(timestamp);
	if (column->base_typmod >= 0)
		*value = DirectFunctionCall2(timestamp_scale, *value, Int32GetDatum(column->base_typmod));
	return true;
}

/* The date in UTC; false for none. */
static bool
date_from(const KafkaColumn *column, const KafkaEpochTime *time, Datum *value)
{
	int64		units = USECS_PER_DAY / column->epoch->microseconds;
	int64		day = time->units / units - (time->units % units < 0);

	if (day < PG_INT32_MIN || day > PG_INT32_MAX || !IS_VALID_DATE(day - EPOCH_DAYS))
		return false;
	*value = DateADTGetDatum((DateADT) (day - EPOCH_DAYS));
	return true;
}

/* A time of day, from midnight; false for none. */
static bool
time_from(const KafkaColumn *column, const KafkaEpochTime *time, Datum *value)
{
	int64		microseconds;

	if (!microseconds_since(column->epoch, 0, time, &microseconds) || microseconds < 0 || microseconds > USECS_PER_DAY)
		return false;
	*value = TimeADTGetDatum(microseconds);
	if (column->base_typmod >= 0)
		*value = DirectFunctionCall2(time_scale, *value, Int32GetDatum(column->base_typmod));
	return true;
}

/* A domain is checked as its input function would. */
Datum
kfdw_epoch_from_text(const KafkaColumn *column, const char *text, size_t len)
{
	KafkaEpochTime time = parse_number(column, text, len);
	Datum		value = (Datum) 0;
	bool		fits;

	switch (column->base_type)
	{
		case DATEOID:
			fits = date_from(column, &time, &value);
			break;
		case TIMEOID:
			fits = time_from(column, &time, &value);
			break;
		default:
			fits = timestamp_from(column, &time, &value);
			break;
	}
	if (!fits)
		report_out_of_range(column, pnstrdup(text, len));
	if (column->type != column->base_type)
		domain_check(value, false, column->type, NULL, CurrentMemoryContext);
	return value;
}

/* Whole units before a number of microseconds since a day; false when there are too many. */
static bool
split_microseconds(const KafkaEpoch *epoch, int64 day, int64 microseconds, KafkaEpochTime *time)
{
	int64		units = microseconds / epoch->microseconds;

	time->microseconds = microseconds % epoch->microseconds;
	if (time->microseconds < 0)
	{
		time->microseconds += epoch->microseconds;
		units--;
	}
	return !pg_add_s64_overflow(units, day * (USECS_PER_DAY / epoch->microseconds), &time->units);
}

/* The units of a column's value; false when it has none. */
static bool
from_value(const KafkaColumn *column, Datum value, KafkaEpochTime *time)
{
	const KafkaEpoch *epoch = column->epoch;
	Timestamp	timestamp;
	DateADT		date;

	switch (column->base_type)
	{
		case DATEOID:
			date = DatumGetDateADT(value);
			time->microseconds = 0;
			return !DATE_NOT_FINITE(date) &&
				!pg_mul_s64_overflow((int64) date + EPOCH_DAYS, USECS_PER_DAY / epoch->microseconds, &time->units);
		case TIMEOID:
			return split_microseconds(epoch, 0, DatumGetTimeADT(value), time);
		default:
			timestamp = DatumGetTimestamp(value);
			return !TIMESTAMP_NOT_FINITE(timestamp) && split_microseconds(epoch, EPOCH_DAYS, timestamp, time);
	}
}

/* A number with as many digits behind the point as it needs. */
static char *
print_number(const KafkaEpoch *epoch, KafkaEpochTime time)
{
	bool		negative = time.units < 0;
	char	   *text;
	int			len;

	if (time.microseconds == 0)
		return psprintf(INT64_FORMAT, time.units);
	if (negative)
	{
		time.units = -(time.units + 1);
		time.microseconds = epoch->microseconds - time.microseconds;
	}
	text = psprintf("%s" INT64_FORMAT ".%0*d", negative ? "-" : "", time.units, epoch->digits, (int) time.microseconds);
	len = strlen(text);
	while (text[len - 1] == '0')
		text[--len] = '\0';
	return text;
}

/* Infinity is no number of units. */
char *
kfdw_epoch_to_text(const KafkaColumn *column, Datum value)
{
	KafkaEpochTime time;

	if (!from_value(column, value, &time))
		report_out_of_range(column, OidOutputFunctionCall(column->output.fn_oid, value));
	return print_number(column->epoch, time);
}
