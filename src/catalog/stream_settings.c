/*
 * stream_settings.c
 *	  The settings of a stream, and how they are stored.
 *
 * An interval is stored as the text of one, so that it can be read.
 */
#include "postgres.h"

#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "catalog/stream_settings.h"

#define HOUR_MS INT64CONST(3600000)
#define DAY_MS (24 * HOUR_MS)
#define YEAR_MS (366 * DAY_MS)

static const char *const on_error_words[] = {"stop", "dead_letter", NULL};

const KafkaStreamSetting kfdw_stream_settings[] = {
	{
		.name = "max_poll_records", .type = KAFKA_SETTING_INT, .offset = offsetof(KafkaStreamSettings, max_poll_records),
		.standard = 100000, .min = 1, .max = PG_INT32_MAX / 2
	},
	{
		.name = "max_poll_bytes", .type = KAFKA_SETTING_INT, .offset = offsetof(KafkaStreamSettings, max_poll_bytes),
		.standard = 32 * 1024 * 1024, .min = 1, .max = PG_INT32_MAX
	},
	{
		.name = "commit_interval", .type = KAFKA_SETTING_MS, .offset = offsetof(KafkaStreamSettings, commit_interval),
		.min = 0, .max = DAY_MS
	},
	{
		.name = "max_records_per_second", .type = KAFKA_SETTING_INT, .offset = offsetof(KafkaStreamSettings, max_records_per_second),
		.min = 1, .max = PG_INT32_MAX
	},
	{
		.name = "on_error", .type = KAFKA_SETTING_WORD, .offset = offsetof(KafkaStreamSettings, on_error),
		.standard = KAFKA_STREAM_STOPS, .words = on_error_words,
		.hint = "Valid values are: stop, dead_letter. What \"set_null\" and \"ignore\" do is an option of the topic table."
	},
	{
		.name = "reject_limit", .type = KAFKA_SETTING_INT, .offset = offsetof(KafkaStreamSettings, reject_limit),
		.min = 1, .max = PG_INT32_MAX
	},
	{
		.name = "park_timeout", .type = KAFKA_SETTING_MS, .offset = offsetof(KafkaStreamSettings, park_timeout),
		.standard = HOUR_MS, .min = 1, .max = YEAR_MS
	},
	{
		.name = "wait_for", .type = KAFKA_SETTING_NAMES, .offset = offsetof(KafkaStreamSettings, wait_for)
	},
	{
		.name = "max_task_idle", .type = KAFKA_SETTING_MS, .offset = offsetof(KafkaStreamSettings, max_task_idle),
		.standard = 1000, .min = 0, .max = DAY_MS
	},
};

const int	kfdw_stream_settings_count = lengthof(kfdw_stream_settings);

int64 *
kfdw_stream_setting_field(const KafkaStreamSetting *setting, KafkaStreamSettings *settings)
{
	return (int64 *) ((char *) settings + setting->offset);
}

List **
kfdw_stream_setting_names(const KafkaStreamSetting *setting, KafkaStreamSettings *settings)
{
	return (List **) ((char *) settings + setting->offset);
}

void
kfdw_stream_setting_reset(const KafkaStreamSetting *setting, KafkaStreamSettings *settings)
{
	if (setting->type == KAFKA_SETTING_NAMES)
		*kfdw_stream_setting_names(setting, settings) = NIL;
	else
		*kfdw_stream_setting_field(setting, settings) = setting->standard;
}

int64
kfdw_stream_setting_find_word(const KafkaStreamSetting *setting, const char *word)
{
	for (int i = 0; setting->words[i] != NULL; i++)
		if (strcmp(setting->words[i], word) == 0)
			return i;
	return -1;
}

int64
kfdw_interval_ms(const Interval *interval)
{
	return (interval->month * (int64) DAYS_PER_MONTH + interval->day) * DAY_MS + interval->time / 1000;
}

void
kfdw_stream_settings_reset(KafkaStreamSettings *settings)
{
	for (int i = 0; i < kfdw_stream_settings_count; i++)
		kfdw_stream_setting_reset(&kfdw_stream_settings[i], settings);
}

/* A stored text as a setting. */
static int64
read_text(const KafkaStreamSetting *setting, const char *text)
{
	if (setting->type == KAFKA_SETTING_WORD)
		return kfdw_stream_setting_find_word(setting, text);
	return kfdw_interval_ms(DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text),
																  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));
}

/* Only who owns our tables can have stored a value of another type, or one that cannot be given. */
static void
refuse_value(const KafkaStreamSetting *setting)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("setting \"%s\" of a stream has a wrong value in kafka.streams", setting->name)));
}

/* A stored array of strings as a list. */
static List *
read_names(const KafkaStreamSetting *setting, JsonbValue *value)
{
	List	   *names = NIL;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		refuse_value(setting);
	for (uint32 i = 0; i < JsonContainerSize(value->val.binary.data); i++)
	{
		const JsonbValue *name = getIthJsonbValueFromContainer(value->val.binary.data, i);

		if (name->type != jbvString)
			refuse_value(setting);
		names = lappend(names, makeString(pnstrdup(name->val.string.val, name->val.string.len)));
	}
	return names;
}

/* A value of the right type. */
static bool
is_valid(const KafkaStreamSetting *setting, int64 value)
{
	if (setting->type == KAFKA_SETTING_WORD)
		return value >= 0;
	return value == setting->standard || (value >= setting->min && value <= setting->max);
}

/* A stored value as a setting, whatever it is. */
static int64
parse_value(const KafkaStreamSetting *setting, const JsonbValue *value)
{
	if (setting->type == KAFKA_SETTING_INT && value->type == jbvNumeric)
		return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
	if (setting->type != KAFKA_SETTING_INT && value->type == jbvString)
		return read_text(setting, pnstrdup(value->val.string.val, value->val.string.len));
	refuse_value(setting);
	return 0;					/* keep the compiler quiet */
}

static int64
read_value(const KafkaStreamSetting *setting, const JsonbValue *stored)
{
	int64		value = parse_value(setting, stored);

	if (!is_valid(setting, value))
		refuse_value(setting);
	return value;
}

void
kfdw_stream_settings_read(Jsonb *stored, KafkaStreamSettings *settings)
{
	kfdw_stream_settings_reset(settings);
	for (int i = 0; i < kfdw_stream_settings_count; i++)
	{
		const KafkaStreamSetting *setting = &kfdw_stream_settings[i];
		JsonbValue *value = getKeyJsonValueFromContainer(&stored->root, setting->name, strlen(setting->name), NULL);

		if (value == NULL)
			continue;
		if (setting->type == KAFKA_SETTING_NAMES)
			*kfdw_stream_setting_names(setting, settings) = read_names(setting, value);
		else
			*kfdw_stream_setting_field(setting, settings) = read_value(setting, value);
	}
}

/* Appends names as an array of JSON. */
static void
append_names(StringInfo json, const List *names)
{
	ListCell   *lc;

	appendStringInfoChar(json, '[');
	foreach(lc, names)
	{
		if (lfirst(lc) != linitial(names))
			appendStringInfoString(json, ", ");
		escape_json(json, strVal(lfirst(lc)));
	}
	appendStringInfoChar(json, ']');
}

/* Appends a setting as JSON has it. */
static void
append_value(StringInfo json, const KafkaStreamSetting *setting, KafkaStreamSettings *settings)
{
	int64		value = *kfdw_stream_setting_field(setting, settings);

	if (setting->type == KAFKA_SETTING_WORD)
		escape_json(json, setting->words[value]);
	else if (setting->type == KAFKA_SETTING_MS)
		escape_json(json, psprintf(INT64_FORMAT " ms", value));
	else
		appendStringInfo(json, INT64_FORMAT, value);
}

/* True for what need not be stored. */
static bool
is_standard(const KafkaStreamSetting *setting, KafkaStreamSettings *settings)
{
	if (setting->type == KAFKA_SETTING_NAMES)
		return *kfdw_stream_setting_names(setting, settings) == NIL;
	return *kfdw_stream_setting_field(setting, settings) == setting->standard;
}

Jsonb *
kfdw_stream_settings_make(const KafkaStreamSettings *given)
{
	KafkaStreamSettings settings = *given;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < kfdw_stream_settings_count; i++)
	{
		const KafkaStreamSetting *setting = &kfdw_stream_settings[i];

		if (is_standard(setting, &settings))
			continue;
		if (json.len > 1)
			appendStringInfoString(&json, ", ");
		escape_json(&json, setting->name);
		appendStringInfoString(&json, ": ");
		if (setting->type == KAFKA_SETTING_NAMES)
			append_names(&json, *kfdw_stream_setting_names(setting, &settings));
		else
			append_value(&json, setting, &settings);
	}
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}
