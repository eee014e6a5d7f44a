/*
 * settings.c
 *	  The fixed settings, set for each record.
 *
 * As a rule only PostgreSQL's own code for types reads them, from variables, which
 * are assigned directly.  Where a function that anybody wrote may look at them or
 * change them by name (in the CHECK of a domain), they are set as SET does in a
 * function: what SHOW says is then what counts, and a change that is to last does.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
#include "utils/xml.h"

#include "format/builtin.h"
#include "format/settings.h"

/* The variables behind the settings. */
typedef struct KafkaSettings
{
	int			date_style;
	int			date_order;
	int			interval_style;
	int			float_digits;
	int			bytea_format;
	int			xml_option;
	bool		array_nulls;
	pg_tz	   *timezone;
} KafkaSettings;

/* The same by name.  Each loses nothing, and any other reader understands it. */
static const struct
{
	const char *name;
	const char *value;
	KafkaSettingsUse use;
} named_settings[] = {
	{"datestyle", "ISO, MDY", KAFKA_SETTINGS_NAMES},
	{"intervalstyle", "postgres", KAFKA_SETTINGS_NAMES},
	{"extra_float_digits", "1", KAFKA_SETTINGS_NAMES},
	{"bytea_output", "hex", KAFKA_SETTINGS_NAMES},
	{"xmloption", "content", KAFKA_SETTINGS_NAMES},
	{"array_nulls", "on", KAFKA_SETTINGS_NAMES},
	{"timezone", "GMT", KAFKA_SETTINGS_NAMES},
	{"lc_monetary", "C", KAFKA_SETTINGS_LOCALE},
	{"search_path", "pg_catalog, pg_temp", KAFKA_SETTINGS_PATH},
	{"quote_all_identifiers", "off", KAFKA_SETTINGS_PATH},
};

/* What the attributes of a composite need. */
static KafkaSettingsUse
composite_use(Oid type, KafkaDirection direction)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);
	KafkaSettingsUse use = KAFKA_SETTINGS_NONE;

	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			use = Max(use, kfdw_settings_use(TupleDescAttr(desc, i)->atttypid, direction));
	}
	return use;
}

/* What the type's own function needs, which is in C. */
static KafkaSettingsUse
function_use(Oid type, KafkaDirection direction)
{
	Oid			function;
	Oid			typioparam;
	bool		is_varlena;

	if (direction == KAFKA_FROM_TEXT)
		getTypeInputInfo(type, &function, &typioparam);
	else
		getTypeOutputInfo(type, &function, &is_varlena);
	return kfdw_plain_function(function) ? KAFKA_SETTINGS_VARIABLES : KAFKA_SETTINGS_NAMES;
}

/* What a type needs that is made of others, or is not known well. */
static KafkaSettingsUse
derived_use(Oid type, KafkaDirection direction)
{
	Oid			element = get_element_type(type);

	check_stack_depth();
	if (OidIsValid(element))
		return Max(kfdw_settings_use(element, direction),
				   direction == KAFKA_FROM_TEXT ? KAFKA_SETTINGS_VARIABLES : KAFKA_SETTINGS_NONE);
	switch (get_typtype(type))
	{
		case TYPTYPE_DOMAIN:
			return Max(kfdw_settings_use(getBaseType(type), direction),
					   direction == KAFKA_TO_TEXT || kfdw_checks_call_only(type, kfdw_plain_function) ?
					   KAFKA_SETTINGS_NONE : KAFKA_SETTINGS_NAMES);
		case TYPTYPE_COMPOSITE:
			return composite_use(type, direction);
		case TYPTYPE_RANGE:
			return Max(kfdw_settings_use(get_range_subtype(type), direction),
					   direction == KAFKA_TO_TEXT || kfdw_range_calls_only(type, kfdw_plain_function) ?
					   KAFKA_SETTINGS_NONE : KAFKA_SETTINGS_NAMES);
		case TYPTYPE_MULTIRANGE:
			return kfdw_settings_use(get_multirange_range(type), direction);
		case TYPTYPE_ENUM:
			return KAFKA_SETTINGS_NONE;
		default:
			return function_use(type, direction);
	}
}

/* The types that are known well come first. */
KafkaSettingsUse
kfdw_settings_use(Oid type, KafkaDirection direction)
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
			return KAFKA_SETTINGS_NONE;
		case FLOAT4OID:
		case FLOAT8OID:
		case BYTEAOID:
			return direction == KAFKA_TO_TEXT ? KAFKA_SETTINGS_VARIABLES : KAFKA_SETTINGS_NONE;
		case CASHOID:
			return KAFKA_SETTINGS_LOCALE;
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGNAMESPACEOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGROLEOID:
		case REGTYPEOID:
			return direction == KAFKA_TO_TEXT ? KAFKA_SETTINGS_PATH : derived_use(type, direction);
		default:
			return derived_use(type, direction);
	}
}

/* Exchanges the variables, so that doing it again undoes it. */
static void
swap_variables(KafkaSettings *settings)
{
	KafkaSettings session = {
		.date_style = DateStyle,
		.date_order = DateOrder,
		.interval_style = IntervalStyle,
		.float_digits = extra_float_digits,
		.bytea_format = bytea_output,
		.xml_option = xmloption,
		.array_nulls = Array_nulls,
		.timezone = session_timezone,
	};

	DateStyle = settings->date_style;
	DateOrder = settings->date_order;
	IntervalStyle = settings->interval_style;
	extra_float_digits = settings->float_digits;
	bytea_output = settings->bytea_format;
	xmloption = settings->xml_option;
	Array_nulls = settings->array_nulls;
	session_timezone = settings->timezone;
	*settings = session;
}

/* By assigning the variables: nothing in between looks at the settings by name. */
static void
call_with_variables(void (*function) (void *argument), void *argument)
{
	static pg_tz *utc = NULL;
	KafkaSettings settings = {
		.date_style = USE_ISO_DATES,
		.date_order = DATEORDER_MDY,
		.interval_style = INTSTYLE_POSTGRES,
		.float_digits = 1,
		.bytea_format = BYTEA_OUTPUT_HEX,
		.xml_option = XMLOPTION_CONTENT,
		.array_nulls = true,
	};

	if (utc == NULL)
		utc = pg_tzset("GMT");
	settings.timezone = utc;

	swap_variables(&settings);
	PG_TRY();
	{
		function(argument);
	}
	PG_FINALLY();
	{
		swap_variables(&settings);
	}
	PG_END_TRY();
}

/* By name, at a level of its own; after an error the end of the transaction resets them. */
static void
call_with_names(KafkaSettingsUse use, void (*function) (void *argument), void *argument)
{
	int			level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(named_settings); i++)
	{
		if (named_settings[i].use <= use)
			(void) set_config_option(named_settings[i].name, named_settings[i].value, PGC_USERSET,
									 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	}
	function(argument);
	AtEOXact_GUC(true, level);
}

/* In the cheapest way that the types allow. */
void
kfdw_settings_call(KafkaSettingsUse use, void (*function) (void *argument), void *argument)
{
	switch (use)
	{
		case KAFKA_SETTINGS_NONE:
			function(argument);
			break;
		case KAFKA_SETTINGS_VARIABLES:
			call_with_variables(function, argument);
			break;
		case KAFKA_SETTINGS_NAMES:
		case KAFKA_SETTINGS_LOCALE:
		case KAFKA_SETTINGS_PATH:
			call_with_names(use, function, argument);
			break;
	}
}
