/*
 * settings.c
 *	  The variables behind the settings are assigned directly: this happens for
 *	  each record, and nothing in between looks at the settings by name.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/xml.h"

#include "format/settings.h"

/* Each has the value that loses nothing and that any other reader understands. */
KafkaSettings
kfdw_settings_fixed(void)
{
	KafkaSettings settings = {
		.date_style = USE_ISO_DATES,
		.date_order = DATEORDER_MDY,
		.interval_style = INTSTYLE_POSTGRES,
		.float_digits = 1,
		.bytea_format = BYTEA_OUTPUT_HEX,
		.xml_option = XMLOPTION_CONTENT,
		.timezone = pg_tzset("GMT"),
	};

	return settings;
}

/* An exchange, so that it undoes itself. */
void
kfdw_settings_swap(KafkaSettings *settings)
{
	KafkaSettings session = {
		.date_style = DateStyle,
		.date_order = DateOrder,
		.interval_style = IntervalStyle,
		.float_digits = extra_float_digits,
		.bytea_format = bytea_output,
		.xml_option = xmloption,
		.timezone = session_timezone,
	};

	DateStyle = settings->date_style;
	DateOrder = settings->date_order;
	IntervalStyle = settings->interval_style;
	extra_float_digits = settings->float_digits;
	bytea_output = settings->bytea_format;
	xmloption = settings->xml_option;
	session_timezone = settings->timezone;
	*settings = session;
}

/* Types that are known well; domains, arrays and the rest may depend on anything. */
bool
kfdw_settings_matter(Oid type, bool encode)
{
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case UUIDOID:
		case JSONOID:
		case JSONBOID:
			return false;
		case FLOAT4OID:
		case FLOAT8OID:
		case BYTEAOID:
			return encode;
		default:
			return true;
	}
}
