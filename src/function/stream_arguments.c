/*
 * stream_arguments.c
 *	  The arguments of functions that create or change streams, by their names.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "function/stream_arguments.h"
#include "function/stream_definition.h"
#include "option/options.h"

KafkaArguments
kfdw_arguments_of(FunctionCallInfo fcinfo)
{
	KafkaArguments arguments = {fcinfo};
	HeapTuple	function = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
	Datum		names;
	Datum		modes;
	bool		has_no_names;
	bool		has_no_modes;

	if (!HeapTupleIsValid(function))
		elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
	names = SysCacheGetAttr(PROCOID, function, Anum_pg_proc_proargnames, &has_no_names);
	modes = SysCacheGetAttr(PROCOID, function, Anum_pg_proc_proargmodes, &has_no_modes);
	if (!has_no_names)
		arguments.count = get_func_input_arg_names(names, has_no_modes ? (Datum) 0 : modes, &arguments.names);
	ReleaseSysCache(function);
	return arguments;
}

bool
kfdw_argument_get(const KafkaArguments *arguments, const char *name, Datum *value)
{
	FunctionCallInfo fcinfo = arguments->fcinfo;

	for (int i = 0; i < arguments->count; i++)
	{
		if (strcmp(arguments->names[i], name) != 0)
			continue;
		*value = PG_GETARG_DATUM(i);
		return !PG_ARGISNULL(i);
	}
	return false;
}

char *
kfdw_argument_text(const KafkaArguments *arguments, const char *name)
{
	Datum		value;

	return kfdw_argument_get(arguments, name, &value) ? TextDatumGetCString(value) : NULL;
}

Oid
kfdw_argument_oid(const KafkaArguments *arguments, const char *name)
{
	Datum		value;

	return kfdw_argument_get(arguments, name, &value) ? DatumGetObjectId(value) : InvalidOid;
}

bool
kfdw_argument_bool(const KafkaArguments *arguments, const char *name)
{
	Datum		value;

	return kfdw_argument_get(arguments, name, &value) && DatumGetBool(value);
}

int
kfdw_argument_int(const KafkaArguments *arguments, const char *name, int absent)
{
	Datum		value;

	return kfdw_argument_get(arguments, name, &value) ? DatumGetInt32(value) : absent;
}

char *
kfdw_argument_required(const KafkaArguments *arguments, const char *name)
{
	char	   *text = kfdw_argument_text(arguments, name);

	if (text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" cannot be null", name)));
	return text;
}

Oid
kfdw_argument_relation(const KafkaArguments *arguments, const char *name)
{
	Oid			relid = kfdw_argument_oid(arguments, name);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" cannot be null", name)));
	kfdw_options_require_relation(relid);
	return relid;
}

int
kfdw_argument_word(const KafkaArguments *arguments, const char *name, const char *const *words)
{
	const char *word = kfdw_argument_text(arguments, name);
	StringInfoData list;
	int			index = 0;

	initStringInfo(&list);
	while (word != NULL && words[index] != NULL && strcmp(words[index], word) != 0)
		appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", words[index++]);
	if (words[index] == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for \"%s\": \"%s\"", name, word),
				 errhint("Valid values are: %s.", list.data)));
	return index;
}

void
kfdw_arguments_take_stream(const KafkaArguments *arguments, KafkaStream *stream)
{
	stream->name = kfdw_argument_required(arguments, "name");
	stream->owner = GetUserId();
	stream->workers = kfdw_argument_int(arguments, "workers", KAFKA_STREAM_WORKERS);
	kfdw_stream_settings_reset(&stream->settings);
	kfdw_arguments_take_settings(arguments, &stream->settings);
}

/* A word as a setting. */
static int64
read_word(const KafkaStreamSetting *setting, const char *word)
{
	int64		index = kfdw_stream_setting_find_word(setting, word);

	if (index < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for \"%s\": \"%s\"", setting->name, word),
				 errhint("%s", setting->hint)));
	return index;
}

/* What may be given for a setting, as part of a message. */
static char *
describe_limit(const KafkaStreamSetting *setting, int64 limit)
{
	return psprintf(setting->type == KAFKA_SETTING_MS ? INT64_FORMAT " ms" : INT64_FORMAT, limit);
}

/* An argument as a setting. */
static int64
read_setting(const KafkaStreamSetting *setting, Datum argument)
{
	int64		value;

	if (setting->type == KAFKA_SETTING_WORD)
		return read_word(setting, TextDatumGetCString(argument));
	value = setting->type == KAFKA_SETTING_MS ? kfdw_interval_ms(DatumGetIntervalP(argument)) : DatumGetInt32(argument);
	if (value < setting->min || value > setting->max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be between %s and %s", setting->name,
						describe_limit(setting, setting->min), describe_limit(setting, setting->max))));
	return value;
}

List *
kfdw_argument_names(const KafkaArguments *arguments, const char *name)
{
	Datum		value;
	Datum	   *names;
	bool	   *nulls;
	int			count = 0;
	List	   *list = NIL;

	if (kfdw_argument_get(arguments, name, &value))
		deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("\"%s\" cannot contain null values", name)));
		list = lappend(list, makeString(TextDatumGetCString(names[i])));
	}
	return list;
}

void
kfdw_arguments_take_settings(const KafkaArguments *arguments, KafkaStreamSettings *settings)
{
	for (int i = 0; i < kfdw_stream_settings_count; i++)
	{
		const KafkaStreamSetting *setting = &kfdw_stream_settings[i];
		Datum		value;

		if (!kfdw_argument_get(arguments, setting->name, &value))
			continue;
		if (setting->type == KAFKA_SETTING_NAMES)
			*kfdw_stream_setting_names(setting, settings) = kfdw_argument_names(arguments, setting->name);
		else
			*kfdw_stream_setting_field(setting, settings) = read_setting(setting, value);
	}
}

/* The names of all that can be reset, for a hint. */
static char *
list_settings(void)
{
	StringInfoData names;

	initStringInfo(&names);
	appendStringInfoString(&names, "workers");
	for (int i = 0; i < kfdw_stream_settings_count; i++)
		appendStringInfo(&names, ", %s", kfdw_stream_settings[i].name);
	return names.data;
}

/* Sets a setting to what it is by default. */
static void
reset_setting(const char *name, KafkaStreamSettings *settings)
{
	for (int i = 0; i < kfdw_stream_settings_count; i++)
	{
		const KafkaStreamSetting *setting = &kfdw_stream_settings[i];

		if (strcmp(setting->name, name) != 0)
			continue;
		kfdw_stream_setting_reset(setting, settings);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a stream has no setting \"%s\" that could be reset", name),
			 errhint("There are: %s.", list_settings())));
}

bool
kfdw_arguments_reset_settings(const KafkaArguments *arguments, KafkaStreamSettings *settings)
{
	bool		resets_workers = false;
	ListCell   *lc;

	foreach(lc, kfdw_argument_names(arguments, "reset"))
	{
		const char *name = strVal(lfirst(lc));

		if (strcmp(name, "workers") == 0)
			resets_workers = true;
		else
			reset_setting(name, settings);
	}
	return resets_workers;
}
