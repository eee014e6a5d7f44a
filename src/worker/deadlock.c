/*
 * deadlock.c
 *	  In a deadlock with a session the worker gives way, as it tries again by itself.
 *
 * PostgreSQL looks for a deadlock once in a wait for a lock, and who finds it is the one
 * that fails.  A worker looks early, as it may be the last that has come to wait; and
 * later on, as a session may, before that one looks.
 */
#include "postgres.h"

#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "worker/deadlock.h"
#include "xact.h"

#define FIRST_LOOK "10ms"
#define LOOK_MS 100

static TimeoutId look;
static bool is_worker = false;

void
kfdw_deadlock_connect(void)
{
	is_worker = true;
	look = RegisterTimeout(USER_TIMEOUT, CheckDeadLockAlert);
	SetConfigOption("deadlock_timeout", FIRST_LOOK, PGC_SUSET, PGC_S_OVERRIDE);

	/* each look would be logged */
	SetConfigOption("log_lock_waits", "off", PGC_SUSET, PGC_S_OVERRIDE);
}

void
kfdw_deadlock_give_way(void)
{
	enable_timeout_every(look, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOOK_MS), LOOK_MS);
}

static void
end_transaction(bool committed)
{
	if (is_worker)
		disable_timeout(look, false);
}

static const KafkaParticipant participant = {.end = end_transaction};

void
kfdw_deadlock_init(void)
{
	kfdw_xact_register(&participant);
}
