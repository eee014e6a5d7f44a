/*
 * parked.h
 *	  The rows of kafka.parked: records of streams that wait for a row of a table.
 *
 * They are written in the transaction that moves the position past them, and deleted in
 * the one that works on them.
 */
#ifndef KFDW_PARKED_H
#define KFDW_PARKED_H

#include "catalog/offsets.h"
#include "catalog/stored_records.h"
#include "datatype/timestamp.h"
#include "storage/itemptr.h"

/* Those of a stream that one of its workers works on: of some partitions, or of all but these. */
typedef struct KafkaParkedShare
{
	const char *stream;
	bool		is_rest;		/* of all but these */
	int			count;			/* of partitions */
	const char **topics;		/* theirs */
	int32	   *partitions;		/* their numbers */
} KafkaParkedShare;

/* Some of them, in the order of the topic. */
typedef struct KafkaPortion
{
	int			count;			/* 0: no more */
	KafkaRecord **records;
	ItemPointerData *tids;
	TimestampTz *parked_at;
} KafkaPortion;

/* Begins to collect records that are to wait. */
extern KafkaStoredRecords *kfdw_parked_begin(void);
extern void kfdw_parked_add(KafkaStoredRecords *parked, const KafkaRecord *record);
extern void kfdw_parked_write(KafkaStoredRecords *parked, const char *stream, const char *server);

extern int64 kfdw_parked_count(const KafkaParkedShare *share);

/* The first ones behind a record (NULL: of all), in the current memory context. */
extern KafkaPortion *kfdw_parked_read(const KafkaParkedShare *share, const KafkaRecord *after);

/*
 * Deletes rows that were read in this transaction, under a snapshot that is still held; an
 * error that passes when somebody else has deleted one of them.
 */
extern void kfdw_parked_delete(const char *stream, const ItemPointerData *tids, int count);

/* Deletes those of a partition that the stream whose group it is is about to read again. */
extern void kfdw_parked_delete_ahead(const KafkaPositionKey *key, int32 partition, int64 next_offset);

extern void kfdw_parked_delete_stream(const char *stream);
extern void kfdw_parked_rename_server(const char *old_name, const char *new_name);

#endif							/* KFDW_PARKED_H */
