/*
 * absence.c
 *	  Why a worker that is wanted has no process.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "catalog/instance.h"
#include "function/absence.h"
#include "worker/utility.h"

/* What the launcher and its scouts lack. */
static KafkaAbsence
find_shortage(void)
{
	KafkaAbsence absence = {KAFKA_STATE_STARTING, NULL, NULL};

	LWLockAcquire(kfdw_shared->lock, LW_SHARED);
	if (kfdw_shared->launcher == NULL)
		absence = (KafkaAbsence) {KAFKA_STATE_STALLED, "the launcher of workers does not run", KAFKA_NO_PROCESS_HINT};
	else if (kfdw_shared->processes_missing)
		absence = (KafkaAbsence) {KAFKA_STATE_STALLED, KAFKA_NO_PROCESS, KAFKA_NO_PROCESS_HINT};
	else if (kfdw_shared->slots_missing)
		absence = (KafkaAbsence) {KAFKA_STATE_STALLED, KAFKA_NO_SLOT, KAFKA_NO_SLOT_HINT};
	LWLockRelease(kfdw_shared->lock);
	return absence;
}

KafkaAbsence
kfdw_absence_explain(void)
{
	if (kfdw_shared == NULL)
		return (KafkaAbsence) {KAFKA_STATE_PAUSED, "kafka_fdw is not in shared_preload_libraries",
		"Add kafka_fdw to shared_preload_libraries and restart the server, if streams or an outbox are to run."};
	if (!kfdw_streams_enabled)
		return (KafkaAbsence) {KAFKA_STATE_PAUSED, "kafka_fdw.streams is off",
		"ALTER SYSTEM SET kafka_fdw.streams = on; SELECT pg_reload_conf(); -- unless this server is a copy of another one that runs"};
	if (RecoveryInProgress())
		return (KafkaAbsence) {KAFKA_STATE_PAUSED, "this server is a standby",
		"They run on its primary, and here when it is promoted."};
	if (kfdw_utility_is_template(MyDatabaseId))
		return (KafkaAbsence) {KAFKA_STATE_PAUSED, "this database is a template",
		psprintf("ALTER DATABASE %s IS_TEMPLATE false;", quote_identifier(get_database_name(MyDatabaseId)))};
	if (kfdw_instance_state() == KAFKA_INSTANCE_FOREIGN)
		return (KafkaAbsence) {KAFKA_STATE_PAUSED, "this database is a copy of another one: see kafka.adopt_instance()",
		"SELECT kafka.adopt_instance('keep') where it takes the place of the other one, SELECT kafka.adopt_instance('new') where it is beside it."};
	return find_shortage();
}
