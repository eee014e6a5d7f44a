/*
 * dead_letters.h
 *	  The rows of kafka.dead_letters: records that could not be worked on.
 *
 * They are collected, and written together with what moves past them.
 */
#ifndef KFDW_DEAD_LETTERS_H
#define KFDW_DEAD_LETTERS_H

#include "catalog/offsets.h"
#include "catalog/stored_records.h"
#include "nodes/pg_list.h"
#include "utils/elog.h"

/* At what a record failed. */
#define KAFKA_STAGE_DECODE		"decode"
#define KAFKA_STAGE_JOIN		"join"
#define KAFKA_STAGE_PUBLISH		"publish"
#define KAFKA_STAGE_STATEMENT	"statement"

/* In whose name the records were read. */
typedef struct KafkaReader
{
	const char *stream;			/* NULL: a consuming table or an outbox */
	const char *server;
	const char *group_id;
	Oid			inserted_by;	/* into an outbox; InvalidOid: none */
} KafkaReader;

/* Begins to collect them. */
extern KafkaStoredRecords *kfdw_dead_letters_begin(void);

/* Copies a record and the error that it caused. */
extern void kfdw_dead_letters_add(KafkaStoredRecords *letters, const KafkaRecord *record, const char *stage,
								  const ErrorData *error);

/* Writes what was collected and keeps it, as a savepoint may take the rows back. */
extern void kfdw_dead_letters_write(KafkaStoredRecords *letters, const KafkaReader *reader);

/*
 * Deletes some of a stream's letters, the first ones behind a record in the order of the
 * topics, and returns them as records in the current memory context; NIL: no more.
 */
extern List *kfdw_dead_letters_take(const char *stream, const KafkaRecord *behind);

/* The same with letters of a role's outbox, in the order in which they were to be published. */
extern List *kfdw_dead_letters_take_unpublished(const char *server, Oid role);

/* True when there are such letters. */
extern bool kfdw_dead_letters_has_unpublished(const char *server, Oid role);

/* Deletes those of a partition that a group is about to read again: what fails again comes back. */
extern void kfdw_dead_letters_delete_ahead(const KafkaPositionKey *key, int32 partition, int64 next_offset);

extern void kfdw_dead_letters_delete_stream(const char *stream);
extern void kfdw_dead_letters_rename_server(const char *old_name, const char *new_name);

#endif							/* KFDW_DEAD_LETTERS_H */
