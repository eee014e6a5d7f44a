/*
 * quick.c
 *	  Numbers of some digits, and dates and times in ISO 8601, are most of what is
 *	  read: here without a copy and in a fraction of the time that the types' input
 *	  functions take.  Everything else is left to these, errors too.
 */
#include "postgres.h"

#include <float.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "format/quick.h"

/* So many digits are a 64-bit integer, whatever they are. */
#define MAX_DIGITS	18

/* What is left of a text. */
typedef struct QuickText
{
	const char *p;
	const char *end;
} QuickText;

/* Passes over one character. */
static inline bool
skip(QuickText *text, char character)
{
	if (text->p == text->end || *text->p != character)
		return false;
	text->p++;
	return true;
}

/* As many digits as there are, added to a number; returns how many. */
static inline int
read_digits(QuickText *text, int64 *number)
{
	const char *start = text->p;

	while (text->p < text->end && *text->p >= '0' && *text->p <= '9' && text->p - start <= MAX_DIGITS)
		*number = *number * 10 + (*text->p++ - '0');
	return text->p - start;
}

/* Two digits. */
static inline bool
read_two(QuickText *text, int *number)
{
	int			tens;
	int			ones;

	if (text->end - text->p < 2)
		return false;
	tens = text->p[0] - '0';
	ones = text->p[1] - '0';
	if (tens < 0 || tens > 9 || ones < 0 || ones > 9)
		return false;
	*number = tens * 10 + ones;
	text->p += 2;
	return true;
}

/* An integer of so few digits that each of them fits. */
static bool
read_integer(QuickText *text, int max_digits, int64 *number)
{
	bool		negative = skip(text, '-');
	int			digits;

	*number = 0;
	digits = read_digits(text, number);
	if (negative)
		*number = -*number;
	return digits > 0 && digits <= max_digits && text->p == text->end;
}

/* A decimal number: its digits as an integer, and how many are before and behind the point. */
static bool
read_decimal(QuickText *text, int64 *number, int *digits, int *scale)
{
	*number = 0;
	*scale = 0;
	*digits = read_digits(text, number);
	if (*digits == 0 || *digits > MAX_DIGITS)
		return false;
	if (skip(text, '.'))
	{
		*scale = read_digits(text, number);
		if (*scale == 0)
			return false;
	}
	return text->p == text->end && *digits + *scale <= MAX_DIGITS;
}

/* A decimal number that no typmod changes. */
static bool
read_numeric(QuickText *text, int32 typmod, Datum *value)
{
	bool		negative = skip(text, '-');
	int64		number;
	int			digits;
	int			scale;

	if (!read_decimal(text, &number, &digits, &scale))
		return false;
	if (typmod >= (int32) VARHDRSZ)
	{
		int			precision = ((typmod - VARHDRSZ) >> 16) & 0xffff;

		if (scale != ((typmod - VARHDRSZ) & 0x7ff) || digits + scale > precision)
			return false;
	}
	*value = NumericGetDatum(int64_div_fast_to_numeric(negative ? -number : number, scale));
	return true;
}

/*
 * A decimal number whose digits, and the power of ten by which they are divided, are exact
 * in floating point: so the quotient is as near as it can be.
 */
static bool
read_double(QuickText *text, Datum *value)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	bool		negative = skip(text, '-');
	int64		number;
	int			digits;
	int			scale;
	double		result;

	if (FLT_EVAL_METHOD != 0 || !read_decimal(text, &number, &digits, &scale) || digits + scale > DBL_DIG)
		return false;
	result = (double) number / powers[scale];
	*value = Float8GetDatum(negative ? -result : result);
	return true;
}

/* What JSON has for true and false. */
static bool
read_boolean(const char *text, size_t len, Datum *value)
{
	bool		is_true = len == 4 && memcmp(text, "true", 4) == 0;

	*value = BoolGetDatum(is_true);
	return is_true || (len == 5 && memcmp(text, "false", 5) == 0);
}

/* Days since 2000 of a date with a year of four digits. */
static bool
read_date(QuickText *text, int *days)
{
	int			century;
	int			year;
	int			month;
	int			day;

	if (!read_two(text, &century) || !read_two(text, &year) || !skip(text, '-') ||
		!read_two(text, &month) || !skip(text, '-') || !read_two(text, &day))
		return false;
	year += century * 100;
	if (year == 0 || month < 1 || month > 12 || day < 1 || day > day_tab[isleap(year)][month - 1])
		return false;
	*days = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	return true;
}

/* A fraction of a second that no typmod rounds. */
static bool
read_fraction(QuickText *text, int32 typmod, int64 *microseconds)
{
	int			digits = read_digits(text, microseconds);

	if (digits == 0 || digits > MAX_TIMESTAMP_PRECISION || (typmod >= 0 && digits > typmod))
		return false;
	for (; digits < MAX_TIMESTAMP_PRECISION; digits++)
		*microseconds *= 10;
	return true;
}

/* Microseconds of a time of day before 24:00. */
static bool
read_time(QuickText *text, int32 typmod, int64 *microseconds)
{
	int			hour;
	int			minute;
	int			second;
	int64		fraction = 0;

	if (!read_two(text, &hour) || !skip(text, ':') || !read_two(text, &minute) || !skip(text, ':') ||
		!read_two(text, &second) || hour > 23 || minute > 59 || second > 59)
		return false;
	if (skip(text, '.') && !read_fraction(text, typmod, &fraction))
		return false;
	*microseconds = ((hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE + second) * USECS_PER_SEC + fraction;
	return true;
}

/* Microseconds that a zone is ahead of UTC; without one, none, as our setting says. */
static bool
read_zone(QuickText *text, int64 *microseconds)
{
	int			hours;
	int			minutes = 0;
	bool		west;

	*microseconds = 0;
	if (text->p == text->end || skip(text, 'Z'))
		return text->p == text->end;
	west = skip(text, '-');
	if ((!west && !skip(text, '+')) || !read_two(text, &hours) || (skip(text, ':') && !read_two(text, &minutes)) ||
		text->p != text->end || hours > 14 || minutes > 59)
		return false;
	*microseconds = (hours * MINS_PER_HOUR + minutes) * SECS_PER_MINUTE * USECS_PER_SEC;
	if (west)
		*microseconds = -*microseconds;
	return true;
}

/* A date and a time, with a zone where the type takes one. */
static bool
read_timestamp(QuickText *text, bool zoned, int32 typmod, Datum *value)
{
	int			days;
	int64		time;
	int64		zone = 0;

	if (!read_date(text, &days) || (!skip(text, ' ') && !skip(text, 'T')) || !read_time(text, typmod, &time))
		return false;
	if (zoned ? !read_zone(text, &zone) : text->p != text->end)
		return false;
	*value = TimestampGetDatum(days * USECS_PER_DAY + time - zone);
	return true;
}

bool
kfdw_quick_value(const KafkaColumn *column, const char *text, size_t len, Datum *value)
{
	QuickText	rest = {text, text + len};
	int64		number;
	int			days;

	switch (column->type)
	{
		case BOOLOID:
			return read_boolean(text, len, value);
		case INT2OID:
			if (!read_integer(&rest, 4, &number))
				return false;
			*value = Int16GetDatum((int16) number);
			return true;
		case INT4OID:
			if (!read_integer(&rest, 9, &number))
				return false;
			*value = Int32GetDatum((int32) number);
			return true;
		case INT8OID:
			if (!read_integer(&rest, MAX_DIGITS, &number))
				return false;
			*value = Int64GetDatum(number);
			return true;
		case NUMERICOID:
			return read_numeric(&rest, column->typmod, value);
		case FLOAT8OID:
			return read_double(&rest, value);
		case DATEOID:
			if (!read_date(&rest, &days) || rest.p != rest.end)
				return false;
			*value = DateADTGetDatum(days);
			return true;
		case TIMESTAMPOID:
			return read_timestamp(&rest, false, column->typmod, value);
		case TIMESTAMPTZOID:
			return read_timestamp(&rest, true, column->typmod, value);
		default:
			return false;
	}
}
