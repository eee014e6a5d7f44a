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

/*
 * Options that exclude each other.  When an object is changed only what it sets is known;
 * when options are read, everything is.
 */
extern void kfdw_option_check_conflicts(const KafkaOptionSetting *settings);

/* SASL needs a name and a password, from the user mapping. */
extern void kfdw_option_check_credentials(const KafkaOptionSetting *settings, const char *server);

#endif							/* KFDW_OPTION_CHECK_H */
