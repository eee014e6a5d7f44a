/*
 * epoch.h
 *	  Points in time as numbers, in units since 1970 began in UTC: columns with the
 *	  option "timestamp_format".
 */
#ifndef KFDW_EPOCH_H
#define KFDW_EPOCH_H

#include "format/columns.h"

/* A column's value from the text of a number, which need not end in NUL, and back. */
extern Datum kfdw_epoch_from_text(const KafkaColumn *column, const char *text, size_t len);
extern char *kfdw_epoch_to_text(const KafkaColumn *column, Datum value);

#endif							/* KFDW_EPOCH_H */
