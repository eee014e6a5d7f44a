/*
 * record_bytes.h
 *	  Records as bytes, to be read again on this machine.
 */
#ifndef KFDW_RECORD_BYTES_H
#define KFDW_RECORD_BYTES_H

#include "kafka/record.h"
#include "lib/stringinfo.h"

extern void kfdw_bytes_append(StringInfo out, const KafkaRecord *record);

/*
 * Sets a record from its bytes, which it points to; its headers are allocated.  Returns
 * where the bytes end.
 */
extern const char *kfdw_bytes_read(const char *data, KafkaRecord *record);

#endif							/* KFDW_RECORD_BYTES_H */
