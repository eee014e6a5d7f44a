/*
 * check.h
 *	  Checks of several options.
 */
#ifndef KFDW_OPTION_CHECK_H
#define KFDW_OPTION_CHECK_H

#include "option/table.h"

/* As many requests to a broker an idempotent producer may have under way. */
#define MAX_IDEMPOTENT_IN_FLIGHT 5

/* The complete options of one object, when they are set. */
extern void kfdw_option_check_object(const KafkaOptionSetting *settings, int place);

/* An object without a required option is an error when it is made, and, as a wrapper may have no validator, when it is used. */
extern void kfdw_option_check_required(const KafkaOptionSetting *settings, int place);

/*
 * Options that exclude each other, for reading and for writing.  When a table is changed only
 * what it sets is known; when its options are read, everything is.
 */
extern void kfdw_option_check_reading(const KafkaOptionSetting *settings);
extern void kfdw_option_check_writing(const KafkaOptionSetting *settings);

/* SASL needs a name and a password, from the user mapping. */
extern void kfdw_option_check_credentials(const KafkaOptionSetting *settings, const char *server);

#endif							/* KFDW_OPTION_CHECK_H */
