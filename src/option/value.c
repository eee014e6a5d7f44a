/*
 * value.c
 *	  Whether an option's value is right, and what it is for the client.
 */
#include "postgres.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "format/columns.h"
#include "format/json_fields.h"
#include "kafka/selection.h"
#include "option/value.h"

#define MAX_TOPIC_LENGTH	249
#define MAX_NAME_LENGTH		255

#define LETTERS		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS		"0123456789"
#define HEXADECIMAL	"ABCDEFabcdef" DIGITS

/* Raises an error about a value, without showing it when it is a secret. */
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
		if (!choice->unsupported && !choice->hidden)
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "", choice->name);
	if ((option->flags & KAFKA_OPTION_OR_FUNCTION) != 0)
		appendStringInfoString(&valid, ", schema.function");
	return valid.data;
}

/* A hint that lists them. */
static const char *
valid_values_hint(const KafkaOption *option)
{
	return psprintf("Valid values are: %s.", kfdw_option_valid_values(option));
}

/* An integer without anything around it, within the option's range. */
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

/* True for the name of a function with that of its schema. */
static bool
is_function_name(const char *value)
{
	List	   *parts;

	return SplitIdentifierString(pstrdup(value), '.', &parts) && list_length(parts) == 2;
}

/* The chosen value of an enumeration; case does not matter, as in Kafka. */
static const KafkaOptionValue *
parse_enum(const KafkaOption *option, const char *value)
{
	const KafkaOptionValue *choice;

	for (choice = option->values; choice->name != NULL; choice++)
	{
		if (pg_strcasecmp(choice->name, value) != 0)
			continue;
		if (choice->unsupported)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s \"%s\" is not supported in this version", option->name, choice->name)));
		return choice;
	}

	if ((option->flags & KAFKA_OPTION_OR_FUNCTION) == 0 || !is_function_name(value))
		report_invalid_value(option, value, valid_values_hint(option));
	return choice;
}

KafkaOptionSetting
kfdw_option_parse(const KafkaOption *option, const char *value)
{
	KafkaOptionSetting setting = {.value = value};
	const KafkaOptionValue *choice;
	bool		on = false;

	switch (option->type)
	{
		case KAFKA_TYPE_STRING:
			if (value[0] == '\0' && (option->flags & KAFKA_OPTION_MAY_BE_EMPTY) == 0)
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

/* The length of a host at the start of a text: a name, or an IPv6 address in brackets; 0: there is none. */
static size_t
host_length(const char *text)
{
	size_t		length;

	if (text[0] == '[')
	{
		length = strspn(text + 1, HEXADECIMAL ":.%");
		return length > 0 && text[length + 1] == ']' ? length + 2 : 0;
	}
	length = strspn(text, LETTERS DIGITS "._-");
	return text[0] == '-' || text[0] == '.' ? 0 : length;
}

/* True when a text ends after a port, which may be missing. */
static bool
ends_with_port(const char *text)
{
	size_t		digits;

	if (*text == '\0')
		return true;
	if (*text++ != ':')
		return false;
	digits = strspn(text, DIGITS);
	return digits > 0 && digits <= 5 && text[digits] == '\0' && atoi(text) > 0 && atoi(text) <= 65535;
}

void
kfdw_option_check_servers(const KafkaOption *option, const char *value)
{
	char	   *copy = pstrdup(value);
	char	   *rest = copy;
	char	   *broker;

	while ((broker = strsep(&rest, ",")) != NULL)
	{
		char	   *host = broker + strspn(broker, " ");
		size_t		length = host_length(host);

		for (char *end = host + strlen(host); end > host && end[-1] == ' '; end--)
			end[-1] = '\0';
		if (length == 0 || !ends_with_port(host + length))
			report_invalid_value(option, value,
								 "The value must be a list of brokers as \"host:port\", separated by commas.");
	}
}

void
kfdw_option_check_name(const KafkaOption *option, const char *value)
{
	for (const char *c = value; *c != '\0'; c++)
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			report_invalid_value(option, value, "A name has no control characters.");
	if (strlen(value) > MAX_NAME_LENGTH)
		report_invalid_value(option, value, psprintf("A name has at most %d bytes.", MAX_NAME_LENGTH));
}

void
kfdw_option_check_character(const KafkaOption *option, const char *value)
{
	if (strlen(value) != 1 || *value == '\n' || *value == '\r')
		report_invalid_value(option, value, "The value must be a single one-byte character, and no line end.");
}

const char *
kfdw_topic_name_problem(const char *name)
{
	size_t		valid = strspn(name, LETTERS DIGITS "._-");

	if (valid > 0 && name[valid] == '\0' && valid <= MAX_TOPIC_LENGTH && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
		return NULL;
	return psprintf("The name of a topic has 1 to %d of the characters a-z, A-Z, 0-9, \".\", \"_\" and \"-\".",
					MAX_TOPIC_LENGTH);
}

void
kfdw_option_check_topic(const KafkaOption *option, const char *value)
{
	KafkaSelection selection = {0};
	const char *problem = kfdw_selection_set_topics(&selection, value);

	if (problem != NULL)
		report_invalid_value(option, value, problem);
	for (int t = 0; t < selection.ntopics; t++)
	{
		problem = kfdw_topic_name_problem(selection.topics[t]);
		if (problem != NULL)
			report_invalid_value(option, value, problem);
	}
}

void
kfdw_option_check_partitions(const KafkaOption *option, const char *value)
{
	KafkaSelection selection = {0};
	const char *problem = kfdw_selection_set_partitions(&selection, value);

	if (problem != NULL)
		report_invalid_value(option, value, problem);
}

/* columns.c knows what a column can hold. */
void
kfdw_option_check_metadata(const KafkaOption *option, const char *value)
{
	KafkaColumnKind kind;

	if (!kfdw_columns_metadata_kind(value, &kind))
		report_invalid_value(option, value, valid_values_hint(option));
}

/* The path of a field in JSON; for other formats it is a name, or nothing. */
void
kfdw_option_check_path(const KafkaOption *option, const char *value)
{
	if (!kfdw_json_path_has_names(value))
		report_invalid_value(option, value, "No part of a path may be empty; a point in a name is written \\.");
}

/*
 * Raises an error about a text without a block of PEM of a kind, from a line that begins it to
 * one that ends it.  What is in it the client finds out.
 */
static void
check_pem(const KafkaOption *option, const char *value, const char *kind)
{
	const char *begin = strstr(value, "-----BEGIN ");
	const char *body = begin == NULL ? NULL : strstr(begin, kind);

	if (body != NULL)
		body += strlen(kind);
	if (body == NULL || (*body != '\n' && *body != '\r') || strstr(body, "\n-----END ") == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\"", option->name),
				 errhint("The value must be in PEM format: lines from \"-----BEGIN %s\" to \"-----END %s\".", kind, kind)));
}

void
kfdw_option_check_certificates(const KafkaOption *option, const char *value)
{
	check_pem(option, value, "CERTIFICATE-----");
}

void
kfdw_option_check_private_key(const KafkaOption *option, const char *value)
{
	check_pem(option, value, "PRIVATE KEY-----");
}
