/*
 * job.c
 *	  The kinds of jobs that background workers do.
 */
#include "postgres.h"

#include "worker/job.h"

static const KafkaJob *jobs[KAFKA_JOB_KINDS];

/* Called when the library is loaded. */
void
kfdw_job_register(KafkaJobKind kind, const KafkaJob *job)
{
	jobs[kind] = job;
}

const KafkaJob *
kfdw_job_get(KafkaJobKind kind)
{
	Assert(jobs[kind] != NULL);
	return jobs[kind];
}
