/*
 * absence.c
 *	  Why a worker that is wanted has no process.
 */
#include "postgres.h"

#include "access/xlog.h"

#include "catalog/instance.h"
#include "function/absence.h"

KafkaAbsence
kfdw_absence_explain(void)
{
	if (kfdw_shared == NULL)
		return (KafkaAbsence) {KAFKA_STATE_PAUSED, "kafka_fdw is not in shared_preload_libraries"};
	if (!kfdw_streams_enabled)
		return (KafkaAbsence) {KAFKA_STATE_PAUSED, "kafka_fdw.streams is off"};
	if (RecoveryInProgress())
		return (KafkaAbsence) {KAFKA_STATE_PAUSED, "this server is a standby"};
	if (kfdw_instance_state() == KAFKA_INSTANCE_FOREIGN)
		return (KafkaAbsence) {KAFKA_STATE_PAUSED, "this database is a copy of another one: see kafka.adopt_instance()"};
	if (kfdw_shared->processes_missing)
		return (KafkaAbsence) {KAFKA_STATE_STALLED, KAFKA_NO_PROCESS};
	if (kfdw_shared->slots_missing)
		return (KafkaAbsence) {KAFKA_STATE_STALLED, KAFKA_NO_SLOT};
	return (KafkaAbsence) {KAFKA_STATE_STARTING, NULL};
}
