/*
 * quick.h
 *	  The common forms of the common types, without their input functions.
 */
#ifndef KFDW_QUICK_H
#define KFDW_QUICK_H

#include "format/columns.h"

/*
 * Exactly what the type's input function makes of a text under our settings, or
 * false where only that knows.  The text need not end in NUL.
 */
extern bool kfdw_quick_value(const KafkaColumn *column, const char *text, size_t len, Datum *value);

#endif							/* KFDW_QUICK_H */
