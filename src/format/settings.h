/*
 * settings.h
 *	  The fixed settings under which values are written and read as text.
 */
#ifndef KFDW_SETTINGS_H
#define KFDW_SETTINGS_H

#include "pgtime.h"

/* What the text form of values depends on. */
typedef struct KafkaSettings
{
	int			date_style;
	int			date_order;
	int			interval_style;
	int			float_digits;
	int			bytea_format;
	int			xml_option;
	pg_tz	   *timezone;
} KafkaSettings;

/* ISO dates, UTC, exact floats. */
extern KafkaSettings kfdw_settings_fixed(void);

/*
 * Exchanges the session's settings with those in *settings: once to set them and
 * once more, whatever happens in between, to restore the session's.
 */
extern void kfdw_settings_swap(KafkaSettings *settings);

/* False when the text form of a type is known not to depend on settings. */
extern bool kfdw_settings_matter(Oid type, bool encode);

#endif							/* KFDW_SETTINGS_H */
