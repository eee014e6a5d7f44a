/*
 * options.c
 *	  kafka.options(): all options, or those of a topic table and where they come from.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "kafka/property.h"
#include "option/name.h"
#include "option/options.h"
#include "option/read.h"

#define HIDDEN_VALUE	"********"

PG_FUNCTION_INFO_V1(kfdw_options);

/* The columns of kafka.options(). */
enum
{
	OPTIONS_OPTION,
	OPTIONS_VALUE,
	OPTIONS_SET_WHERE,
	OPTIONS_ALLOWED,
	OPTIONS_USED_FOR,
	OPTIONS_VALID_VALUES,
	OPTIONS_DEFAULT_VALUE,
	OPTIONS_CLIENT_PROPERTY,
	OPTIONS_KAFKA_DEFAULT,
	OPTIONS_DESCRIPTION,
	OPTIONS_COLUMNS
};

/* The value as it was written, or what it is without; NULL when it is not known. */
static const char *
shown_value(const KafkaOption *option, const KafkaOptionSetting *setting)
{
	if (setting->value != NULL && (option->flags & KAFKA_OPTION_SECRET) != 0)
		return HIDDEN_VALUE;
	return setting->value != NULL ? setting->value : setting->text;
}

/* The direction that an option is for; NULL: both. */
static const char *
used_for(const KafkaOption *option)
{
	switch (option->directions)
	{
		case KAFKA_READING:
			return "reading";
		case KAFKA_WRITING:
			return "writing";
		default:
			return NULL;
	}
}

/* The help, and in brackets what else is to be known. */
static const char *
describe(const KafkaOption *option)
{
	List	   *notes = NIL;
	StringInfoData text;
	ListCell   *lc;

	if ((option->flags & KAFKA_OPTION_REQUIRED) != 0)
		notes = lappend(notes, "required");
	if ((option->flags & KAFKA_OPTION_SUPERUSER) != 0)
		notes = lappend(notes, "only superusers may set it");
	if (option->alias != NULL)
		notes = lappend(notes, psprintf("also %s", option->alias));

	initStringInfo(&text);
	appendStringInfoString(&text, option->help);
	foreach(lc, notes)
		appendStringInfo(&text, "%s%s", lc == list_head(notes) ? " (" : "; ", (char *) lfirst(lc));
	if (notes != NIL)
		appendStringInfoChar(&text, ')');
	return text.data;
}

/* Adds the row of an option. */
static void
put_row(ReturnSetInfo *result, const KafkaOption *option, const KafkaOptionSetting *setting)
{
	const char *texts[OPTIONS_COLUMNS];
	Datum		values[OPTIONS_COLUMNS] = {0};
	bool		nulls[OPTIONS_COLUMNS];

	texts[OPTIONS_OPTION] = option->name;
	texts[OPTIONS_VALUE] = shown_value(option, setting);
	texts[OPTIONS_SET_WHERE] = kfdw_option_list_places(setting->given);
	texts[OPTIONS_ALLOWED] = kfdw_option_list_places(option->places);
	texts[OPTIONS_USED_FOR] = used_for(option);
	texts[OPTIONS_VALID_VALUES] = kfdw_option_valid_values(option);
	texts[OPTIONS_DEFAULT_VALUE] = option->def;
	texts[OPTIONS_CLIENT_PROPERTY] = kfdw_property_name(option->property);
	texts[OPTIONS_KAFKA_DEFAULT] = option->kafka_default;
	texts[OPTIONS_DESCRIPTION] = describe(option);

	for (int i = 0; i < OPTIONS_COLUMNS; i++)
	{
		nulls[i] = texts[i] == NULL;
		if (!nulls[i])
			values[i] = CStringGetTextDatum(texts[i]);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * Without a table no option has a value.  With one, the options of its columns
 * are left out, as each column has its own.
 */
Datum
kfdw_options(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	KafkaOptionSetting settings[KAFKA_OPTION_COUNT] = {{0}};
	int			places = ~0;

	if (!PG_ARGISNULL(0))
	{
		Oid			relid = PG_GETARG_OID(0);

		kfdw_options_require_topic_table(relid);
		kfdw_option_read_table(relid, GetUserId(), settings);
		places = ~KAFKA_ON_COLUMN;
	}

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < KAFKA_OPTION_COUNT; i++)
		if ((kfdw_option_table[i].places & places) != 0)
			put_row(result, &kfdw_option_table[i], &settings[i]);
	PG_RETURN_VOID();
}
