/*
 * record_log.h
 *	  Records that a transaction holds until it commits.
 *
 * An append-only log, in memory up to work_mem and then in a temporary file.  It
 * lives until the end of the transaction.
 */
#ifndef KFDW_RECORD_LOG_H
#define KFDW_RECORD_LOG_H

#include "kafka/record.h"

typedef struct KafkaRecordLog KafkaRecordLog;
typedef void (*KafkaLogTaker) (void *target, const KafkaRecord *record);

/*
 * Appends a copy of the record; where it is to go is a pointer that replay gives back.
 * Makes the log when there is none yet (NULL), which everywhere is as good as an empty one.
 */
extern void kfdw_log_append(KafkaRecordLog **log, void *target, const KafkaRecord *record);

/* True when there is nothing in it, or nothing any more. */
extern bool kfdw_log_is_empty(const KafkaRecordLog *log);

/* Hands out all records in their order; each is valid until the function returns. */
extern void kfdw_log_replay(KafkaRecordLog *log, KafkaLogTaker take);

/* To be called before the transaction commits: closes the file, if there is one; then there is no log.  Never fails. */
extern void kfdw_log_close(KafkaRecordLog **log);

/*
 * A subtransaction of this nest level is over: what it appended becomes its parent's,
 * or is cut off.  Never fails.
 */
extern void kfdw_log_end_subtransaction(KafkaRecordLog *log, int level, bool committed);

#endif							/* KFDW_RECORD_LOG_H */
