/*
 * parse.c
 *	  One option: what its name means in a place, and whether its value is right.
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "format/columns.h"
#include "option/table.h"

/* As in PostgreSQL's own hints: further away, a name is no likely misspelling. */
#define MAX_NAME_DISTANCE	4

#define MAX_TOPIC_LENGTH	249

/* The objects that have options. */
static const struct
{
	int			place;
	Oid			catalog;
	const char *name;
	const char *short_name;
}			places[] = {
	{KAFKA_ON_SERVER, ForeignServerRelationId, "server", "server"},
	{KAFKA_ON_USER_MAPPING, UserMappingRelationId, "user mapping", "user mapping"},
	{KAFKA_ON_TABLE, ForeignTableRelationId, "foreign table", "table"},
	{KAFKA_ON_COLUMN, AttributeRelationId, "column of a foreign table", "column"}
};

static void report_unknown_option(const char *name, int place);
static char *canonical_name(const char *name);
static const KafkaOption *find_option(const char *name, int where);
static char *homes_hint(const KafkaOption *option);
static const char *foreign_name_hint(const char *name);
static const KafkaOption *closest_option(const char *name, int place);
static char *list_hint(int place);

static int	parse_integer(const KafkaOption *option, const char *value);
static const KafkaOptionValue *parse_enum(const KafkaOption *option, const char *value);
static const char *valid_values_hint(const KafkaOption *option);
static void report_invalid_value(const KafkaOption *option, const char *value, const char *hint);


/* Names -------------------------------------------------------------------- */

/*
 * The place whose options are stored in a catalog; 0 when it has none of ours,
 * as the wrapper itself.
 */
int
kfdw_option_place(Oid catalog)
{
	for (int i = 0; i < lengthof(places); i++)
		if (places[i].catalog == catalog)
			return places[i].place;
	return 0;
}

/*
 * Some places, by their short names; NULL for none.
 */
const char *
kfdw_option_list_places(int some)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(places); i++)
		if ((some & places[i].place) != 0)
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", places[i].short_name);
	return list.len > 0 ? list.data : NULL;
}

/*
 * The option of a name in a place; an error with a hint when there is none.
 */
KafkaOptionId
kfdw_option_find(const char *name, int place)
{
	const KafkaOption *option = find_option(name, place);

	if (option == NULL)
		report_unknown_option(name, place);
	return (KafkaOptionId) (option - kfdw_option_table);
}

/*
 * The option of a name in one of the given places, or NULL.
 */
static const KafkaOption *
find_option(const char *name, int where)
{
	for (int i = 0; i < KAFKA_OPTION_COUNT; i++)
	{
		const KafkaOption *option = &kfdw_option_table[i];

		if ((option->places & where) != 0 &&
			(strcmp(option->name, name) == 0 ||
			 (option->alias != NULL && strcmp(option->alias, name) == 0)))
			return option;
	}
	return NULL;
}

/*
 * Raises an error about a name that is no option of a place, and says what was
 * probably meant.
 */
static void
report_unknown_option(const char *name, int place)
{
	char	   *canonical = canonical_name(name);
	const KafkaOption *option;
	const char *hint;

	if ((option = find_option(canonical, place)) != NULL)
		hint = psprintf("Perhaps you meant the option \"%s\".", canonical);
	else if ((option = find_option(canonical, ~0)) != NULL)
		hint = homes_hint(option);
	else if ((hint = foreign_name_hint(canonical)) != NULL)
		 /* it says all */ ;
	else if ((option = closest_option(canonical, place)) != NULL)
		hint = psprintf("Perhaps you meant the option \"%s\".", option->name);
	else
		hint = list_hint(place);

	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 errhint("%s", hint)));
}

/*
 * A name as our options are written: people write Kafka's with dots.
 */
static char *
canonical_name(const char *name)
{
	char	   *result = pstrdup(name);

	for (char *c = result; *c != '\0'; c++)
		*c = (*c == '.' || *c == '-') ? '_' : pg_ascii_tolower((unsigned char) *c);
	return result;
}

/*
 * Says where an option may be set.
 */
static char *
homes_hint(const KafkaOption *option)
{
	StringInfoData hint;
	const char *separator = "";

	initStringInfo(&hint);
	appendStringInfo(&hint, "\"%s\" is an option of a ", option->name);
	for (int i = 0; i < lengthof(places); i++)
	{
		if ((option->places & places[i].place) == 0)
			continue;
		appendStringInfo(&hint, "%s%s", separator, places[i].name);
		separator = " or a ";
	}
	appendStringInfoChar(&hint, '.');
	return hint.data;
}

/*
 * What takes the place of a name that is an option elsewhere, or NULL.
 */
static const char *
foreign_name_hint(const char *name)
{
	for (const KafkaForeignName *foreign = kfdw_foreign_names; foreign->name != NULL; foreign++)
	{
		size_t		length = strcspn(foreign->name, "*");

		if (strncmp(foreign->name, name, length) == 0 &&
			(foreign->name[length] == '*' || name[length] == '\0'))
			return foreign->hint;
	}
	return NULL;
}

/*
 * The option of a place whose name is nearest, NULL when none is near.
 */
static const KafkaOption *
closest_option(const char *name, int place)
{
	const KafkaOption *closest = NULL;
	int			length = strlen(name);
	int			limit = Min(MAX_NAME_DISTANCE, length / 2);

	if (length >= NAMEDATALEN)
		return NULL;

	for (int i = 0; i < KAFKA_OPTION_COUNT; i++)
	{
		const KafkaOption *option = &kfdw_option_table[i];
		int			distance;

		if ((option->places & place) == 0)
			continue;
		distance = varstr_levenshtein_less_equal(name, length, option->name, strlen(option->name),
												 1, 1, 1, limit, true);
		if (distance <= limit)
		{
			closest = option;
			limit = distance - 1;	/* the next one must be nearer */
		}
	}
	return closest;
}

/*
 * Lists the options of a place.
 */
static char *
list_hint(int place)
{
	StringInfoData hint;
	const char *separator = "Valid options in this context are: ";

	initStringInfo(&hint);
	for (int i = 0; i < KAFKA_OPTION_COUNT; i++)
	{
		if ((kfdw_option_table[i].places & place) == 0)
			continue;
		appendStringInfo(&hint, "%s%s", separator, kfdw_option_table[i].name);
		separator = ", ";
	}
	if (hint.len == 0)
		return "There are no valid options in this context.";
	appendStringInfoChar(&hint, '.');
	return hint.data;
}


/* Values ------------------------------------------------------------------- */

/*
 * Checks a value by itself and brings it into the form that the client takes.
 */
KafkaOptionSetting
kfdw_option_parse(const KafkaOption *option, const char *value)
{
	KafkaOptionSetting setting = {.value = value};
	const KafkaOptionValue *choice;
	bool		on = false;

	switch (option->type)
	{
		case KAFKA_TYPE_STRING:
			if (value[0] == '\0')
				report_invalid_value(option, value, "The value must not be empty.");
			setting.text = value;
			break;
		case KAFKA_TYPE_INT:
			setting.number = parse_integer(option, value);
			if (option->unit > 0)
				setting.text = psprintf("%d", (setting.number - 1) / option->unit + 1);
			else
				setting.text = psprintf("%d", setting.number);
			break;
		case KAFKA_TYPE_BOOL:
			if (!parse_bool(value, &on))
				report_invalid_value(option, value, valid_values_hint(option));
			setting.number = on;
			setting.text = on ? "true" : "false";
			break;
		case KAFKA_TYPE_ENUM:
			choice = parse_enum(option, value);
			setting.number = choice->code;
			setting.text = choice->property ? choice->property : choice->name;
			break;
	}

	if (option->check != NULL)
		option->check(option, value);
	return setting;
}

/*
 * An integer without anything around it, within the option's range.
 */
static int
parse_integer(const KafkaOption *option, const char *value)
{
	char	   *end;
	long		number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || isspace((unsigned char) value[0]) ||
		number < option->min || number > option->max)
		report_invalid_value(option, value,
							 psprintf("The value must be an %s.", kfdw_option_valid_values(option)));
	return (int) number;
}

/*
 * The chosen value of an enumeration; case does not matter, as in Kafka.
 */
static const KafkaOptionValue *
parse_enum(const KafkaOption *option, const char *value)
{
	for (const KafkaOptionValue *choice = option->values; choice->name != NULL; choice++)
	{
		if (pg_strcasecmp(choice->name, value) != 0)
			continue;
		if (choice->unsupported)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s \"%s\" is not supported in this version", option->name, choice->name)));
		return choice;
	}

	report_invalid_value(option, value, valid_values_hint(option));
	return NULL;				/* not reached */
}

/*
 * The values that an option takes, to be read by people; NULL for any string.
 */
const char *
kfdw_option_valid_values(const KafkaOption *option)
{
	StringInfoData valid;

	switch (option->type)
	{
		case KAFKA_TYPE_STRING:
			return option->check == kfdw_option_check_metadata ? kfdw_columns_metadata_names() : NULL;
		case KAFKA_TYPE_INT:
			return option->max == PG_INT32_MAX ?
				psprintf("integer of at least %d", option->min) :
				psprintf("integer from %d to %d", option->min, option->max);
		case KAFKA_TYPE_BOOL:
			return "true, false";
		case KAFKA_TYPE_ENUM:
			break;
	}

	initStringInfo(&valid);
	for (const KafkaOptionValue *choice = option->values; choice->name != NULL; choice++)
		if (!choice->unsupported)
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "", choice->name);
	return valid.data;
}

/*
 * A hint that lists them.
 */
static const char *
valid_values_hint(const KafkaOption *option)
{
	return psprintf("Valid values are: %s.", kfdw_option_valid_values(option));
}

/*
 * Raises an error about a value, without showing it when it is a secret.
 */
static void
report_invalid_value(const KafkaOption *option, const char *value, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 (option->flags & KAFKA_OPTION_SECRET) ?
			 errmsg("invalid value for option \"%s\"", option->name) :
			 errmsg("invalid value for option \"%s\": \"%s\"", option->name, value),
			 errhint("%s", hint)));
}

/*
 * Brokers, as host or host:port; the host may be an IPv6 address in brackets.
 */
void
kfdw_option_check_servers(const KafkaOption *option, const char *value)
{
	char	   *copy = pstrdup(value);
	char	   *rest = copy;
	char	   *broker;

	while ((broker = strsep(&rest, ",")) != NULL)
	{
		char	   *host = broker + strspn(broker, " ");
		size_t		length = strcspn(host, host[0] == '[' ? "]" : ": ");
		char	   *after = host + length;
		int			port = 9092;
		int			end = 0;

		if (host[0] == '[' && *after == ']')
			after++;
		if (*after == ':' && sscanf(after, ":%5d%n", &port, &end) != 1)
			port = 0;
		after += end;
		after += strspn(after, " ");
		if (length == 0 || *after != '\0' || port < 1 || port > 65535)
			report_invalid_value(option, value,
								 "The value must be a list of brokers as \"host:port\", separated by commas.");
	}
}

/*
 * The rules of Kafka for the names of topics.
 */
void
kfdw_option_check_topic(const KafkaOption *option, const char *value)
{
	size_t		valid = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	if (strchr(value, ',') != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a list of topics is not supported in this version"),
				 errhint("Create a foreign table for each topic.")));
	if (value[valid] != '\0' || valid > MAX_TOPIC_LENGTH ||
		strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
		report_invalid_value(option, value,
							 psprintf("The name of a topic has at most %d of the characters a-z, A-Z, 0-9, \".\", \"_\" and \"-\".",
									  MAX_TOPIC_LENGTH));
}

/*
 * columns.c knows what a column can hold.
 */
void
kfdw_option_check_metadata(const KafkaOption *option, const char *value)
{
	KafkaColumnKind kind;

	if (!kfdw_columns_metadata_kind(value, &kind))
		report_invalid_value(option, value, valid_values_hint(option));
}
