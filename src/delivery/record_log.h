/*
 * record_log.h
 *	  The records that a transaction holds until it commits.
 *
 * One append-only log, in memory up to work_mem and then in a temporary file.  A
 * subtransaction that rolls back cuts off what it appended.
 */
#ifndef KFDW_RECORD_LOG_H
#define KFDW_RECORD_LOG_H

#include "kafka/record.h"
#include "option/options.h"

/*
 * Where records are sent with these options of a table, as a number for
 * kfdw_log_append(); valid until the end of the transaction.
 */
extern int	kfdw_log_target(const KafkaTableOptions *options, Oid userid);

/* Appends a copy of the record; its topic is the target's. */
extern void kfdw_log_append(int target, const KafkaRecord *record);

/* Takes part in transactions from now on. */
extern void kfdw_log_init(void);

#endif							/* KFDW_RECORD_LOG_H */
