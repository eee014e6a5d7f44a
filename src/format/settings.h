/*
 * settings.h
 *	  The fixed settings under which values are written and read as text: ISO
 *	  dates, UTC, exact floats, names of reg types with their schema, whatever the
 *	  session's are.
 */
#ifndef KFDW_SETTINGS_H
#define KFDW_SETTINGS_H

/* What the text form of a type needs; each includes those before it. */
typedef enum KafkaSettingsUse
{
	KAFKA_SETTINGS_NONE,
	KAFKA_SETTINGS_VARIABLES,	/* PostgreSQL's own code reads the variables */
	KAFKA_SETTINGS_NAMES,		/* functions may show or change them by name */
	KAFKA_SETTINGS_LOCALE,		/* money has the locale's form */
	KAFKA_SETTINGS_PATH			/* reg types say as much of a name as the search_path needs */
} KafkaSettingsUse;

typedef enum KafkaDirection
{
	KAFKA_FROM_TEXT,
	KAFKA_TO_TEXT
} KafkaDirection;

extern KafkaSettingsUse kfdw_settings_use(Oid type, KafkaDirection direction);

/* Calls a function under the fixed settings; the session's come back, with an error too. */
extern void kfdw_settings_call(KafkaSettingsUse use, void (*function) (void *argument), void *argument);

#endif							/* KFDW_SETTINGS_H */
