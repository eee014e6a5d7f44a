/*
 * activity.h
 *	  What the processes of the server do now, for others to see.
 *
 * Each activity has a slot in shared memory.  Its process writes the numbers in it
 * without a lock, as often as they change.
 */
#ifndef KFDW_ACTIVITY_H
#define KFDW_ACTIVITY_H

#include "datatype/timestamp.h"
#include "lib/ilist.h"
#include "nodes/pg_list.h"
#include "port/atomics.h"

typedef enum KafkaActivityKind
{
	KAFKA_ACTIVITY_SCAN			/* of a table */
} KafkaActivityKind;

/* The numbers of a scan. */
typedef enum KafkaProgress
{
	KAFKA_PROGRESS_RECORDS,
	KAFKA_PROGRESS_BYTES,
	KAFKA_PROGRESS_RANGE,		/* offsets that are to be read */
	KAFKA_PROGRESS_DONE			/* so many of them were */
} KafkaProgress;

#define KAFKA_ACTIVITY_NUMBERS 4

/* What is waited for. */
typedef enum KafkaWait
{
	KAFKA_WAIT_NONE,
	KAFKA_WAIT_ANSWER,			/* to a question about topics */
	KAFKA_WAIT_RECORDS,			/* to read */
	KAFKA_WAIT_ACKNOWLEDGEMENT	/* of records that were sent */
} KafkaWait;

typedef struct KafkaActivitySlot
{
	int			pid;			/* 0: free */
	int			leader_pid;		/* of a parallel worker, else 0 */
	KafkaActivityKind kind;
	Oid			database;
	Oid			role;			/* of the session */
	Oid			object;			/* a table or a server, as the kind says */
	TimestampTz since;

	pg_atomic_uint32 wait;		/* a KafkaWait */
	pg_atomic_uint64 number[KAFKA_ACTIVITY_NUMBERS];
} KafkaActivitySlot;

/* Something that this process does now and then. */
typedef struct KafkaActivity
{
	KafkaActivityKind kind;
	Oid			object;
	bool		running;
	KafkaActivitySlot *slot;	/* where it can be seen; hidden, where all are taken */
	KafkaActivitySlot hidden;
	dlist_node	node;
	MemoryContextCallback callback;
} KafkaActivity;

/* Belongs to the current memory context, whose reset ends it. */
extern KafkaActivity *kfdw_activity_create(KafkaActivityKind kind, Oid object);

/* It runs from now on, with all numbers zero; nothing where it runs already. */
extern void kfdw_activity_begin(KafkaActivity *activity);
extern void kfdw_activity_end(KafkaActivity *activity);

/* Only its own process writes a number. */
static inline void
kfdw_activity_set(KafkaActivity *activity, int number, int64 value)
{
	pg_atomic_write_u64(&activity->slot->number[number], (uint64) value);
}

static inline int64
kfdw_activity_get(const KafkaActivity *activity, int number)
{
	return (int64) pg_atomic_read_u64(&activity->slot->number[number]);
}

static inline void
kfdw_activity_add(KafkaActivity *activity, int number, int64 value)
{
	kfdw_activity_set(activity, number, kfdw_activity_get(activity, number) + value);
}

/* All that this process does waits, or goes on. */
extern void kfdw_activity_wait(KafkaWait wait);

/* Copies of the slots of one kind, in this database; an error without shared memory. */
extern List *kfdw_activity_list(KafkaActivityKind kind, const char *view);

extern void kfdw_activity_init(void);

#endif							/* KFDW_ACTIVITY_H */
