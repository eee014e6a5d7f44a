/*
 * job.h
 *	  What background workers do: the kinds of jobs, registered by the rooms above.
 *
 * This room starts, watches, restarts and ends processes.  What is wanted in a
 * database, and how a piece of it is done, only the job knows.
 */
#ifndef KFDW_JOB_H
#define KFDW_JOB_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/elog.h"

typedef enum KafkaJobKind
{
	KAFKA_JOB_STREAM,			/* runs the statement of a stream */
	KAFKA_JOB_RELAY,			/* publishes what is in the outbox */
	KAFKA_JOB_SENTRY			/* watches what workers of streams read that sleep */
} KafkaJobKind;

#define KAFKA_JOB_KINDS (KAFKA_JOB_SENTRY + 1)

/* A job that the others can do without is done by one worker for so many of theirs, or more. */
#define KAFKA_WORKERS_SERVED 8

/* What a worker stands for, whatever its process. */
typedef struct KafkaWorkerKey
{
	Oid			database;
	KafkaJobKind kind;
	char		name[NAMEDATALEN];
	int			worker;			/* 0 .. workers - 1 */
} KafkaWorkerKey;

/* Something that a database wants done. */
typedef struct KafkaWant
{
	KafkaJobKind kind;
	const char *name;
	Oid			owner;			/* the role that its workers run as */
	int			workers;		/* among how many it is shared */
	bool		enabled;		/* false: nobody works, but the counters are kept */
	TimestampTz created;		/* tells it from a predecessor of its name */
	TransactionId revision;		/* differs after each change */
} KafkaWant;

typedef enum KafkaStep
{
	KAFKA_STEP_DONE,			/* go on */
	KAFKA_STEP_REOPEN,			/* what was read when it was opened does not hold any more */
	KAFKA_STEP_CHANGED			/* what is wanted has changed: a scout will say how */
} KafkaStep;

typedef enum KafkaRemedy
{
	KAFKA_REMEDY_RETRY,			/* passes: the same step is tried again, later */
	KAFKA_REMEDY_REOPEN,		/* passes: opened anew, later */
	KAFKA_REMEDY_NONE			/* waits for somebody to change something */
} KafkaRemedy;

typedef struct KafkaJob
{
	const char *noun;			/* names the processes and begins messages: "stream" */
	const char *failed_hint;	/* what somebody can do about a fault that lasts */
	bool		is_optional;	/* the others can do without it */

	/* In a scout's transaction: all KafkaWants of this database. */
	List	   *(*list_wants) (void);

	/*
	 * Makes everything ready, outside any transaction; NULL when nothing is wanted
	 * any more.  What it makes belongs to the current memory context: deleting that
	 * frees all of it, in whatever state an error left it.
	 */
	void	   *(*open) (const KafkaWorkerKey *key);

	/* Does a piece of the work, or waits for some: for a second at most. */
	KafkaStep	(*step) (void *work);

	/*
	 * In the transaction in which a change of a worker's state is notified: locks what is
	 * wanted; false when that is not this revision any more.  NULL: nothing is notified.
	 */
	bool		(*is_current) (const KafkaWorkerKey *key, TransactionId revision);

	/* After an error in a step, whose transaction was aborted. */
	KafkaRemedy	(*judge) (void *work, const ErrorData *error);

	/* Shows how far behind work is that has failed, from now on and without doing it.  NULL: that is not shown. */
	void		(*look_on) (void *work);

	/* Ends work that is in order; its memory context is deleted next. */
	void		(*close) (void *work);
} KafkaJob;

extern void kfdw_job_register(KafkaJobKind kind, const KafkaJob *job);
extern const KafkaJob *kfdw_job_get(KafkaJobKind kind);

/* True when workers can run as a role, which older versions of PostgreSQL have log in. */
extern bool kfdw_job_can_run_as(Oid role);

#endif							/* KFDW_JOB_H */
