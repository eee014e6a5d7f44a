/*
 * stream_settings.h
 *	  The settings of a stream: a struct, and the table that says how they are stored,
 *	  and as which arguments they are given.
 */
#ifndef KFDW_STREAM_SETTINGS_H
#define KFDW_STREAM_SETTINGS_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* What becomes of records that fail: the words of on_error. */
typedef enum KafkaStreamOnError
{
	KAFKA_STREAM_STOPS,
	KAFKA_STREAM_SETS_ASIDE		/* they become dead letters */
} KafkaStreamOnError;

/* One field for each row of the table. */
typedef struct KafkaStreamSettings
{
	int64		max_poll_records;	/* of a batch */
	int64		max_poll_bytes;
	int64		commit_interval;	/* ms */
	int64		max_records_per_second; /* of all workers; 0: no limit */
	int64		on_error;
	int64		reject_limit;	/* so many of a batch may be set aside; 0: no limit */
	int64		park_timeout;	/* ms; how long records wait that are parked */
	List	   *wait_for;		/* names of streams that a batch waits for */
	int64		max_task_idle;	/* ms; no longer than this */
} KafkaStreamSettings;

typedef enum KafkaStreamSettingType
{
	KAFKA_SETTING_INT,			/* int */
	KAFKA_SETTING_MS,			/* interval; milliseconds in the struct */
	KAFKA_SETTING_WORD,			/* text; an index of words in the struct */
	KAFKA_SETTING_NAMES			/* text[]; a list of strings in the struct, NIL by default */
} KafkaStreamSettingType;

typedef struct KafkaStreamSetting
{
	const char *name;			/* of the argument, and the key in kafka.streams.settings */
	KafkaStreamSettingType type;
	size_t		offset;			/* of its field, an int64 unless it is a list */
	int64		standard;		/* what holds when none is stored */
	int64		min;			/* what may be given */
	int64		max;
	const char *const *words;	/* ends with NULL */
	const char *hint;			/* for another word */
} KafkaStreamSetting;

extern const KafkaStreamSetting kfdw_stream_settings[];
extern const int kfdw_stream_settings_count;

/* The field of a setting: of one that is no list, and of one that is. */
extern int64 *kfdw_stream_setting_field(const KafkaStreamSetting *setting, KafkaStreamSettings *settings);
extern List **kfdw_stream_setting_names(const KafkaStreamSetting *setting, KafkaStreamSettings *settings);

/* Sets one to what holds when none is stored. */
extern void kfdw_stream_setting_reset(const KafkaStreamSetting *setting, KafkaStreamSettings *settings);

/* The index of a word, -1 when there is no such word. */
extern int64 kfdw_stream_setting_find_word(const KafkaStreamSetting *setting, const char *word);

/* Its length, a month counted as 30 days. */
extern int64 kfdw_interval_ms(const Interval *interval);

/* Sets all settings to what holds when none is stored. */
extern void kfdw_stream_settings_reset(KafkaStreamSettings *settings);

/* Between the struct and what is stored, which is what differs from that. */
extern void kfdw_stream_settings_read(Jsonb *stored, KafkaStreamSettings *settings);
extern Jsonb *kfdw_stream_settings_make(const KafkaStreamSettings *settings);

#endif							/* KFDW_STREAM_SETTINGS_H */
