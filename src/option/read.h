/*
 * read.h
 *	  The settings that a topic table's options are made of.
 */
#ifndef KFDW_OPTION_READ_H
#define KFDW_OPTION_READ_H

#include "option/value.h"

/*
 * All settings of a table for a user, in an array of KAFKA_OPTION_COUNT.  Later objects
 * override earlier ones; how they go together is not checked.
 */
extern void kfdw_option_read_table(Oid relid, Oid userid, KafkaOptionSetting *settings);

#endif							/* KFDW_OPTION_READ_H */
