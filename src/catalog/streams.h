/*
 * streams.h
 *	  The rows of kafka.streams: what is to run.
 */
#ifndef KFDW_STREAMS_H
#define KFDW_STREAMS_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "catalog/stream_settings.h"
#include "compat.h"

/* A stream's records are parked that have no row in a table. */
typedef struct KafkaStreamParking
{
	char	   *query;			/* which of a batch have none */
	char	   *table;			/* for messages, and whose changes are of interest */
	char	   *condition;
	bool		is_left;		/* in the end they go on without a row */
} KafkaStreamParking;

typedef struct KafkaStream
{
	char	   *name;			/* also its consumer group */
	Oid			owner;			/* InvalidOid: the role does not exist */
	char	   *statement;
	char	   *search_path;	/* under which the statement is parsed */
	Oid			source;			/* the topic table that it reads */
	int			workers;
	KafkaStreamSettings settings;
	KafkaStreamParking *parking;	/* NULL: it does not park */
	bool		enabled;
	TimestampTz created;		/* tells it from a predecessor of its name */
	TransactionId revision;		/* differs after each change of the row */
} KafkaStream;

/* The row of a stream, NULL when there is none; in the current memory context. */
extern KafkaStream *kfdw_streams_get(const char *name);

/* All rows. */
extern List *kfdw_streams_list(void);

/* Raises the error that there is a stream of a name. */
pg_noreturn extern void kfdw_streams_refuse_duplicate(const char *name);

extern void kfdw_streams_insert(const KafkaStream *stream);

/* Makes the row what it would be if the stream was inserted now, but for its owner and whether it is enabled. */
extern void kfdw_streams_redefine(const KafkaStream *stream);

/* Makes a new revision of the row. */
extern void kfdw_streams_set_enabled(const char *name, bool enabled);

extern void kfdw_streams_set_owner(const char *name, Oid owner);

/* The worker is to set a record aside if it fails, and go on; makes a new revision of the row. */
extern void kfdw_streams_skip(const char *name, const char *topic, int32 partition, int64 offset);
extern bool kfdw_streams_skips(const char *name, const char *topic, int32 partition, int64 offset);

/* The position is about to be moved: what is behind it, and not parked, is judged anew; makes a new revision of the row. */
extern void kfdw_streams_forget_skips(const char *name);

/* Deletes the row, and the positions, dead letters and parked records of its group, all of which came after it. */
extern void kfdw_streams_delete(const char *name);

/*
 * Locks a stream, whether it exists or not, until the end of the transaction: who
 * consumes in the group of its name shares the lock, who changes the row holds it
 * alone.  So once a change has committed, no batch of an earlier revision commits any
 * more, and a stream begins when no consuming table is in its group.
 */
extern void kfdw_streams_lock_to_consume(const char *name);
extern void kfdw_streams_lock_to_change(const char *name);

/* Takes back the last lock_to_change(). */
extern void kfdw_streams_unlock(const char *name);

/*
 * Locks what streams wait for, until the end of the transaction: two changes that are no circle
 * alone may be one together.  False, at once, while another transaction has it; the other
 * function waits until it has not.
 */
extern bool kfdw_streams_try_waits(void);
extern void kfdw_streams_await_waits(void);

/* True when the stream is still enabled in this revision. */
extern bool kfdw_streams_is_current(const char *name, TransactionId revision);

#endif							/* KFDW_STREAMS_H */
