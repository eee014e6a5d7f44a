/*
 * name.c
 *	  What an option's name means in a place.
 */
#include "postgres.h"

#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "lib/stringinfo.h"
#include "utils/varlena.h"

#include "option/name.h"

/* As in PostgreSQL's own hints: further away, a name is no likely misspelling. */
#define MAX_NAME_DISTANCE	4

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

/* The option of a name in one of the given places, or NULL. */
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

/* A name as our options are written: people write Kafka's with dots. */
static char *
canonical_name(const char *name)
{
	char	   *result = pstrdup(name);

	for (char *c = result; *c != '\0'; c++)
		*c = (*c == '.' || *c == '-') ? '_' : pg_ascii_tolower((unsigned char) *c);
	return result;
}

/* Says where an option may be set. */
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

/* What takes the place of a name that is an option elsewhere, or NULL. */
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

/* The option of a place whose name is nearest, NULL when none is near. */
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

/* Lists the options of a place. */
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

/* Says what a name that is no option of a place was probably meant to be. */
static const char *
unknown_option_hint(const char *name, int place)
{
	char	   *canonical = canonical_name(name);
	const KafkaOption *option = find_option(canonical, place);
	const char *hint;

	if (option != NULL)
		return psprintf("Perhaps you meant the option \"%s\".", canonical);
	option = find_option(canonical, ~0);
	if (option != NULL)
		return homes_hint(option);
	hint = foreign_name_hint(canonical);
	if (hint != NULL)
		return hint;
	option = closest_option(canonical, place);
	if (option != NULL)
		return psprintf("Perhaps you meant the option \"%s\".", option->name);
	return list_hint(place);
}

KafkaOptionId
kfdw_option_find(const char *name, int place)
{
	const KafkaOption *option = find_option(name, place);

	if (option == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\"", name),
				 errhint("%s", unknown_option_hint(name, place))));
	return (KafkaOptionId) (option - kfdw_option_table);
}

bool
kfdw_option_is(KafkaOptionId id, const char *name, int place)
{
	return find_option(name, place) == &kfdw_option_table[id];
}

int
kfdw_option_place(Oid catalog)
{
	for (int i = 0; i < lengthof(places); i++)
		if (places[i].catalog == catalog)
			return places[i].place;
	return 0;
}

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
