/*
 * job.c
 *	  The kinds of jobs that background workers do.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "postmaster/bgworker.h"
#include "utils/syscache.h"

#include "compat.h"
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

bool
kfdw_job_can_run_as(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		can_log_in = HeapTupleIsValid(tuple) && ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return can_log_in || BGWORKER_BYPASS_ROLELOGINCHECK != 0;
}
