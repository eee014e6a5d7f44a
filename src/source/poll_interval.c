/*
 * poll_interval.c
 *	  How long a session may hold partitions and do nothing.
 *
 * PostgreSQL ends sessions that are idle in a transaction for longer than a setting
 * says: it is set for the rest of a transaction that consumes, where it is not shorter.
 * What rolls back a subtransaction takes it back: a savepoint, which begins another one, a
 * query, or a command as DO.
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/proc.h"
#include "tcop/utility.h"
#include "utils/guc.h"

#include "source/poll_interval.h"
#include "xact.h"

static int	shortest_ms = 0;	/* of what the transaction consumes; 0: no limit */
static ProcessUtility_hook_type previous_hook = NULL;

void
kfdw_poll_interval_keep(void)
{
	char		value[12];

	if (shortest_ms == 0 || IsInParallelMode() ||
		(IdleInTransactionSessionTimeout > 0 && IdleInTransactionSessionTimeout <= shortest_ms))
		return;
	snprintf(value, sizeof(value), "%d", shortest_ms);
	(void) set_config_option("idle_in_transaction_session_timeout", value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

void
kfdw_poll_interval_begin(int interval_ms)
{
	if (interval_ms > 0 && (shortest_ms == 0 || interval_ms < shortest_ms))
		shortest_ms = interval_ms;
	kfdw_poll_interval_keep();
}

static void
run_command(PlannedStmt *statement, const char *text, bool read_only_tree, ProcessUtilityContext context,
			ParamListInfo params, QueryEnvironment *environment, DestReceiver *destination, QueryCompletion *completion)
{
	ProcessUtility_hook_type next = previous_hook ? previous_hook : standard_ProcessUtility;

	next(statement, text, read_only_tree, context, params, environment, destination, completion);
	if (IsTransactionState())
		kfdw_poll_interval_keep();
}

static void
forget(bool committed)
{
	shortest_ms = 0;
}

static const KafkaParticipant participant = {
	.begin_subtransaction = kfdw_poll_interval_keep,
	.end = forget,
};

void
kfdw_poll_interval_init(void)
{
	kfdw_xact_register(&participant);
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = run_command;
}
