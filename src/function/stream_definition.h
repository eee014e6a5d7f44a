/*
 * stream_definition.h
 *	  The definition of a stream, by whatever function it is given: checked, and stored.
 */
#ifndef KFDW_STREAM_DEFINITION_H
#define KFDW_STREAM_DEFINITION_H

#include "catalog/streams.h"

/* How many workers a stream has that asks for none. */
#define KAFKA_STREAM_WORKERS 1

/* Whoever gives a statement should know what becomes of its results. */
typedef enum KafkaStatementAuthor
{
	KAFKA_STATEMENT_GIVEN,
	KAFKA_STATEMENT_WRITTEN		/* by us */
} KafkaStatementAuthor;

/* A table that is given as a source exists, and is a plain topic table whose options can be used. */
extern void kfdw_stream_check_source(Oid source);

/*
 * Stores a new stream.  Its source may be InvalidOid where the statement says it; that and
 * the search path, which is the current one, are filled in.  "replace": one of its name gets
 * the definition, keeps the rest, its owner too, and must be owned.
 */
extern void kfdw_stream_create(KafkaStream *stream, bool replace, KafkaStatementAuthor author);

/*
 * Stores a stream that is locked and has been changed.  "restated": its statement or its
 * source is another one; it is read under its search path, where that is NULL under the
 * current one.
 */
extern void kfdw_stream_redefine(KafkaStream *stream, bool restated, KafkaStatementAuthor author);

/* Deletes a stream that is locked, with all that is kept of it. */
extern void kfdw_stream_delete(const KafkaStream *stream);

#endif							/* KFDW_STREAM_DEFINITION_H */
