/*
 * outbox.h
 *	  The rows of kafka.outbox, and the ticks by which relays publish them.
 *
 * A tick is a set of rows of a relay: those that are visible in its snapshot and not in
 * its base, with sequence numbers after the one and up to the other.  It is committed
 * before it is published, so that it is the same set whenever it is read.  The next tick
 * goes on in the same snapshot behind the number, or, after the last one of a snapshot,
 * takes that as its base and a new one.
 *
 * This loses nothing and keeps the order of who waited for whom: a transaction that waited
 * for another one is in no snapshot without it, and has drawn a higher number.
 */
#ifndef KFDW_OUTBOX_H
#define KFDW_OUTBOX_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef struct KafkaTick
{
	int			relay;
	int64		number;			/* 0: the relay has none yet */
	char	   *base;			/* as text */
	char	   *snapshot;
	int64		after_seq;
	int64		upto_seq;
	bool		is_last;		/* of its snapshot */
	char	   *topic;			/* where the relay's position is kept in Kafka; NULL: nowhere yet */
	bool		published;
} KafkaTick;

/* Records of one transaction for one topic. */
typedef struct KafkaOutboxRow
{
	int64		seq;
	char	   *topic;
	int			records;
	char	   *data;			/* see delivery/record_bytes.h */
	int			length;
} KafkaOutboxRow;

/* Stores records that this transaction publishes when it commits. */
extern void kfdw_outbox_store(int relay, const char *topic, int records, const char *data, int length);

/*
 * Keeps who empties parts of the table away until the transaction ends.  To be called
 * before rows are read, whose snapshot would not protect them.
 */
extern void kfdw_outbox_lock_to_read(void);

/* The newest tick of a relay, in the current memory context. */
extern KafkaTick *kfdw_outbox_get_tick(int relay);

/*
 * Makes the tick the one that comes next; false when there is nothing to publish.  What it
 * publishes is limited: *rows, whose topics the caller may need before it is written.
 */
extern bool kfdw_outbox_next_tick(KafkaTick *tick, List **rows);

/* Takes the place of the relay's tick before it, which has that number. */
extern void kfdw_outbox_write_tick(const KafkaTick *tick, int64 before);

/* The rows of a tick. */
extern List *kfdw_outbox_read_rows(const KafkaTick *tick);

/* Puts other records in the place of those of a row. */
extern void kfdw_outbox_change_row(const KafkaTick *tick, const KafkaOutboxRow *row);

/* From now on no row counts that is there. */
extern void kfdw_outbox_skip_rows(KafkaTick *tick);

/* How many records a relay has that are not known to be published. */
extern int64 kfdw_outbox_count_unsent(int relay);

/* What a relay has that is not known to be published. */
typedef struct KafkaUnsent
{
	int			relay;
	int64		records;
	TimestampTz oldest;			/* when it was stored */
} KafkaUnsent;

/* Of each relay that has any, in the current memory context. */
extern List *kfdw_outbox_list_unsent(void);

/* Deletes all rows of a relay. */
extern void kfdw_outbox_discard_rows(int relay);

/* Empties the parts of the table that are not written to now, unless somebody uses them. */
extern void kfdw_outbox_clean(void);

/* Forgets everything: another database publishes it. */
extern void kfdw_outbox_forget(void);

#endif							/* KFDW_OUTBOX_H */
