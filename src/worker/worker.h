/*
 * worker.h
 *	  Background workers: the slots in shared memory that the launcher, the scouts,
 *	  the workers and SQL functions share.
 *
 * The launcher has no database.  A scout connects to one, reads which workers it
 * wants and writes that into slots; the launcher starts a worker for every wanted
 * slot that has no process.  Whoever changes kafka.streams pings the launcher
 * after its commit, and a scout looks again.  All fields are read and written
 * under the lock.
 */
#ifndef KFDW_WORKER_H
#define KFDW_WORKER_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "compat.h"

typedef enum KafkaWorkerKind
{
	KAFKA_WORKER_STREAM			/* runs the statement of a stream */
} KafkaWorkerKind;

typedef enum KafkaWorkerState
{
	KAFKA_STATE_STARTING,		/* wanted, not yet at work */
	KAFKA_STATE_RUNNING,		/* a batch is being run */
	KAFKA_STATE_IDLE,			/* waits for records */
	KAFKA_STATE_PAUSED,			/* not wanted */
	KAFKA_STATE_STALLED,		/* tries again after a fault that passes */
	KAFKA_STATE_FAILED			/* waits for somebody to change the stream */
} KafkaWorkerState;

/* What a worker stands for, whatever its process. */
typedef struct KafkaWorkerKey
{
	Oid			database;
	KafkaWorkerKind kind;
	char		name[NAMEDATALEN];	/* of the stream */
	int			worker;			/* 0 .. workers - 1 */
} KafkaWorkerKey;

#define KAFKA_ERROR_LEN 512

/* Why a worker that is wanted cannot start. */
#define KAFKA_NO_PROCESS "all of max_worker_processes are in use: raise it and restart the server"
#define KAFKA_NO_SLOT "all of kafka_fdw.max_workers are in use: raise it and restart the server"

/* What kafka.stat_streams shows; counts since the slot was made. */
typedef struct KafkaWorkerStats
{
	int			partitions;
	int64		batches;
	int64		records_in;
	int64		records_out;
	int64		bytes_in;
	int64		parked;
	int64		dead_letters;
	int64		lag;			/* records between the positions and the ends, -1: unknown */
	int64		newest_record;	/* Kafka's timestamp of the newest record committed, -1: none */
	double		last_batch_ms;
	TimestampTz last_commit_at; /* 0: none */
	int64		restarts;
	char		last_error[KAFKA_ERROR_LEN];
	TimestampTz last_error_at;	/* 0: none */
} KafkaWorkerStats;

typedef struct KafkaSlot
{
	bool		in_use;
	KafkaWorkerKey key;

	/* what a scout read */
	bool		wanted;
	bool		kept;			/* not wanted, but shown: the stream is paused */
	Oid			owner;			/* the role that the worker runs as */
	TransactionId revision;		/* of the row in kafka.streams */

	/* the process */
	bool		launched;		/* a process was asked for and has not ended */
	uint32		launch;			/* counts; a process of an older launch is not the slot's */
	TimestampTz launched_at;	/* 0: never */
	pid_t		pid;			/* 0: none is attached */
	Latch	   *latch;
	int			faults;			/* failed starts and batches since the last success */
	TimestampTz next_start;		/* no process before */

	KafkaWorkerState state;
	KafkaWorkerStats stats;
} KafkaSlot;

/* A session that keeps workers away from a database until its transaction ends. */
typedef struct KafkaHold
{
	Oid			database;		/* InvalidOid: free */
	pid_t		pid;
} KafkaHold;

#define KAFKA_MAX_HOLDS 16
#define KAFKA_MAX_PINGS 64

typedef struct KafkaShared
{
	LWLock	   *lock;
	Latch	   *launcher;		/* NULL: it does not run */
	ConditionVariable ended;	/* a worker or scout ended */

	/* databases to be looked at again */
	bool		ping_all;
	int			npings;
	Oid			pings[KAFKA_MAX_PINGS];

	Oid			scouting;		/* the database that a scout is in */
	bool		scouted;		/* it did its work */
	bool		slots_missing;	/* a scout found too few free slots */
	bool		processes_missing;	/* the last scout could not be started */

	KafkaHold	holds[KAFKA_MAX_HOLDS];

	int			nslots;
	KafkaSlot	slots[FLEXIBLE_ARRAY_MEMBER];
} KafkaShared;

/* settings */
extern bool kfdw_streams_enabled;	/* kafka_fdw.streams */
extern int	kfdw_max_workers;	/* kafka_fdw.max_workers */

/* NULL where the library is not preloaded. */
extern KafkaShared *kfdw_shared;

/* shared.c */
extern void kfdw_worker_init(void);
extern void kfdw_shared_wake_launcher(void);
extern void kfdw_shared_ping(Oid database);
extern void kfdw_shared_ping_at_end(void);
extern void kfdw_shared_hold(Oid database);
extern bool kfdw_shared_is_held(Oid database);

/* slots.c */
extern const char *kfdw_slot_state_name(KafkaWorkerState state);
extern void kfdw_slot_set_state(KafkaSlot *slot, KafkaWorkerState state);
extern void kfdw_slot_set_error(KafkaSlot *slot, const char *message);
extern bool kfdw_slot_can_be_made(void);
extern bool kfdw_slot_copy(Oid database, const char *name, int worker, KafkaSlot *copy);
extern int	kfdw_slot_backoff_ms(int faults);
extern void kfdw_slot_set_want(Oid database, List *streams);
extern void kfdw_slot_delay(KafkaSlot *slot, bool fault);
extern bool kfdw_slot_end_database(Oid database);

/* slots.c, in a worker, about its own slot */
extern const KafkaWorkerKey *kfdw_slot_attach(int index, uint32 launch, Oid *owner);
extern bool kfdw_slot_follow(TransactionId *revision);
extern void kfdw_slot_set_exit_reason(const char *message);
extern void kfdw_slot_enter(KafkaWorkerState state);
extern int	kfdw_slot_fault(KafkaWorkerState state, const char *message);
extern void kfdw_slot_record(const KafkaWorkerStats *batch);

/* utility.c */
extern void kfdw_utility_init(void);

/* Processes */
pg_noreturn extern PGDLLEXPORT void kfdw_launcher_main(Datum argument);
pg_noreturn extern PGDLLEXPORT void kfdw_scout_main(Datum argument);
pg_noreturn extern PGDLLEXPORT void kfdw_worker_main(Datum argument);

#endif							/* KFDW_WORKER_H */
