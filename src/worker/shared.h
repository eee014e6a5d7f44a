/*
 * shared.h
 *	  What the processes of the server share about workers: the slots, and who pings
 *	  the launcher or keeps workers away from a database.
 *
 * Fields are read and written under the lock, unless they say otherwise.
 */
#ifndef KFDW_SHARED_H
#define KFDW_SHARED_H

#include "datatype/timestamp.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "worker/job.h"

typedef enum KafkaWorkerState
{
	KAFKA_STATE_STARTING,		/* wanted, not yet at work */
	KAFKA_STATE_RUNNING,		/* a batch is being run */
	KAFKA_STATE_IDLE,			/* waits for records */
	KAFKA_STATE_PAUSED,			/* not wanted */
	KAFKA_STATE_STALLED,		/* tries again after a fault that passes */
	KAFKA_STATE_FAILED			/* waits for somebody to change something */
} KafkaWorkerState;

#define KAFKA_ERROR_LEN 1024

#define KAFKA_HINT_LEN 512

/* Why a worker that is wanted cannot start, and what to do. */
#define KAFKA_NO_PROCESS "all of max_worker_processes are in use"
#define KAFKA_NO_PROCESS_HINT "Raise max_worker_processes and restart the server."
#define KAFKA_NO_SLOT "all of kafka_fdw.max_workers are in use"
#define KAFKA_NO_SLOT_HINT "Raise kafka_fdw.max_workers, and max_worker_processes with it, and restart the server."

/* What kafka.stat_streams shows; counts since the server started, or the stream was created. */
typedef struct KafkaWorkerStats
{
	int			partitions;
	int64		batches;
	int64		records_in;
	int64		records_out;
	int64		bytes_in;
	int64		parked;			/* as of the last look, -1: none has looked */
	int64		dead_letters;
	int64		lag;			/* records between the positions and the ends, -1: unknown; a thread writes it without the lock */
	int64		newest_record;	/* Kafka's timestamp of the newest record committed, else of the first one in hand, -1: none */
	double		last_batch_ms;
	TimestampTz last_commit_at; /* 0: none */
	int64		restarts;
	char		last_error[KAFKA_ERROR_LEN];
	char		last_hint[KAFKA_HINT_LEN];	/* what it says can be done; empty: nothing */
	TimestampTz last_error_at;	/* 0: none */
} KafkaWorkerStats;

/* The longest name of a topic, and the length of its id in Base64. */
#define KAFKA_TOPIC_LEN 249
#define KAFKA_TOPIC_ID_LEN 22

/* The record at which a worker failed. */
typedef struct KafkaBlame
{
	char		topic[KAFKA_TOPIC_LEN + 1];	/* empty: none */
	int32		partition;
	int64		offset;
} KafkaBlame;

/* Records in a row, up to the last one that was committed, each of which failed alone with this SQLSTATE. */
typedef struct KafkaFailedRun
{
	int			records;
	int			sqlstate;
} KafkaFailedRun;

#define KAFKA_PLAN_LEN 8192

/* The plan of a batch, with its rows and times. */
typedef struct KafkaPlan
{
	TimestampTz measured_at;	/* 0: none was */
	int			records;		/* of the batch */
	int			piece;			/* those that the plan was run for */
	double		ms;				/* of the batch */
	char		text[KAFKA_PLAN_LEN];
} KafkaPlan;

typedef enum KafkaWakefulness
{
	KAFKA_AWAKE,				/* the worker reads itself */
	KAFKA_SLEEPY,				/* it would sleep if a sentry watched what it reads */
	KAFKA_ASLEEP				/* a sentry does, and wakes it */
} KafkaWakefulness;

#define KAFKA_SLEEP_PARTITIONS 32

/* What a worker reads that sleeps, or is about to. */
typedef struct KafkaSleep
{
	Oid			server;
	char		topic[KAFKA_TOPIC_LEN + 1];
	char		topic_id[KAFKA_TOPIC_ID_LEN + 1];	/* empty: not known */
	int			topic_partitions;	/* that the topic has */
	int			count;			/* that the worker reads, and from where */
	int32		partitions[KAFKA_SLEEP_PARTITIONS];
	int64		next_offsets[KAFKA_SLEEP_PARTITIONS];
} KafkaSleep;

typedef struct KafkaSlot
{
	bool		in_use;
	KafkaWorkerKey key;

	/* what a scout read */
	bool		wanted;
	bool		kept;			/* not wanted, but shown: it is paused */
	Oid			owner;			/* the role that the worker runs as */
	int			workers;		/* among how many the work is shared */
	TimestampTz created;		/* of what is wanted, and its revision */
	TransactionId revision;

	/* the process */
	bool		launched;		/* a process was asked for and has not ended */
	uint32		launch;			/* counts; a process of an older launch is not the slot's */
	TimestampTz launched_at;	/* by kfdw_wait_now(); 0: never */
	pid_t		pid;			/* 0: none is attached */
	Latch	   *latch;
	int			faults;			/* failed starts and batches that still count */
	bool		steps_back;		/* the batch was canceled for a session that changes what is wanted: no user did */
	bool		looks_on;		/* it has failed, and is to have a process that shows how far behind it is */
	bool		gives_way;		/* its process was ended for another one: no fault */
	int			ends;			/* of processes in a batch, among them */
	TimestampTz next_start;		/* no process before, by kfdw_wait_now() */

	Oid			watched;		/* a relation whose changes it wants to know of; InvalidOid: none */
	bool		stirred;		/* that has changed since the worker looked */

	KafkaWakefulness wakefulness;
	uint32		sleeps;			/* counts: an answer to an earlier wish to sleep is none to this one */
	KafkaSleep	sleep;			/* while it is not awake */
	TimestampTz guarded_at;		/* when the sentry last saw to it, by kfdw_wait_now() */
	char		alarm[256];		/* what trouble with brokers it was woken for; empty: none */

	KafkaWorkerState state;
	TimestampTz running_since;	/* 0: it does not run */
	KafkaBlame	blame;			/* of the last batch */
	KafkaFailedRun failed_runs[2];	/* of new records and of those that are parked, in this revision */

	/* who waits until the worker has caught up asks it, and shows whom he waits for */
	uint64		question;		/* the newest one it was asked, and answered; 0: none */
	uint64		answer;
	char		awaits[NAMEDATALEN];	/* the worker itself waits for those of this stream; empty: it does not */

	KafkaWorkerStats stats;
	KafkaPlan	plan;
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
	bool		optional_slots_missing; /* the same of jobs that the others can do without */
	bool		processes_missing;	/* the last scout could not be started */

	KafkaHold	holds[KAFKA_MAX_HOLDS];

	uint64		questions;		/* that were asked so far */

	/* kafka_fdw.max_workers of them, and behind those the ones of jobs that the others can do without */
	int			nslots;
	KafkaSlot	slots[FLEXIBLE_ARRAY_MEMBER];
} KafkaShared;

/* settings */
extern bool kfdw_streams_enabled;	/* kafka_fdw.streams */
extern int	kfdw_max_workers;	/* kafka_fdw.max_workers */

/* NULL where the library is not preloaded. */
extern KafkaShared *kfdw_shared;

extern void kfdw_shared_init(void);

/* Lets the launcher look at pings and slots. */
extern void kfdw_shared_wake_launcher(void);

/* Has a scout look at a database again.  Cannot fail. */
extern void kfdw_shared_ping(Oid database);

/* Pings for this database when the transaction is over; where nothing runs there is nobody to tell. */
extern void kfdw_shared_ping_at_end(void);

/* Has a scout look at a database when the transaction that has altered it has committed. */
extern void kfdw_shared_ping_altered_at_end(Oid database);

/*
 * Keeps new workers and scouts away from a database until this transaction ends.
 * With all holds taken it does nothing: the caller then relies on the time a
 * start takes.
 */
extern void kfdw_shared_hold(Oid database);

/* True while a session keeps workers away from a database; the lock is held. */
extern bool kfdw_shared_is_held(Oid database);

#endif							/* KFDW_SHARED_H */
