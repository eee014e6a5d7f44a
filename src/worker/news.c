/*
 * news.c
 *	  What a worker tells of itself in the log and by NOTIFY: changes of its state, each once.
 *
 * A worker that runs and one that waits for records are in the same state here: NOTIFY
 * takes a lock that all transactions share which notify, so it has a transaction of its
 * own, and there are few of them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/async.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "worker/news.h"
#include "worker/own_slot.h"
#include "worker/slots.h"

#define CHANNEL "kafka_fdw"

/* Views show this much of a message, a detail, a hint. */
#define MAX_ERROR_PART (KAFKA_ERROR_LEN / 4)

/* So many kinds of errors are told of in one trouble. */
#define MAX_CODES 16

static const KafkaJob *job;
static const KafkaWorkerKey *key;
static KafkaWorkerState told = KAFKA_STATE_STARTING;	/* the state that was told of last */
static int	codes[MAX_CODES];	/* the SQLSTATEs in the log since the trouble began */
static int	ncodes = 0;

void
kfdw_news_begin(const KafkaJob *whose, const KafkaWorkerKey *which)
{
	job = whose;
	key = which;
}

void
kfdw_news_renew(void)
{
	told = KAFKA_STATE_STARTING;
}

bool
kfdw_news_is_new(int sqlerrcode)
{
	for (int i = 0; i < ncodes; i++)
		if (codes[i] == sqlerrcode)
			return false;
	if (ncodes == MAX_CODES)
		return false;
	codes[ncodes++] = sqlerrcode;
	return true;
}

bool
kfdw_news_of_trouble(void)
{
	return ncodes > 0;
}

/* Appends a part of an error; none is so long that the ones behind it have no room. */
static void
append_part(StringInfo text, const char *label, const char *part)
{
	int			len;

	if (part == NULL)
		return;
	len = strlen(part);
	appendStringInfoString(text, label);
	if (len <= MAX_ERROR_PART)
		appendStringInfoString(text, part);
	else
	{
		appendBinaryStringInfo(text, part, pg_mbcliplen(part, len, MAX_ERROR_PART));
		appendStringInfoString(text, "...");
	}
}

char *
kfdw_news_describe(const ErrorData *error)
{
	StringInfoData text;

	initStringInfo(&text);
	append_part(&text, "", error->message);
	appendStringInfo(&text, " (SQLSTATE %s)", unpack_sql_state(error->sqlerrcode));
	append_part(&text, "\nDETAIL:  ", error->detail);
	append_part(&text, "\nHINT:  ", error->hint);
	append_part(&text, "\nCONTEXT:  ", error->context);
	return text.data;
}

void
kfdw_news_notify(const char *stream, int worker, KafkaWorkerState state, int sqlerrcode)
{
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfoString(&payload, "{\"stream\": ");
	escape_json(&payload, stream);
	if (worker >= 0)
		appendStringInfo(&payload, ", \"worker\": %d", worker);
	else
		appendStringInfoString(&payload, ", \"worker\": null");
	appendStringInfo(&payload, ", \"state\": \"%s\", \"error\": ", kfdw_slot_state_name(state));
	if (sqlerrcode != 0)
		escape_json(&payload, unpack_sql_state(sqlerrcode));
	else
		appendStringInfoString(&payload, "null");
	appendStringInfoChar(&payload, '}');
	Async_Notify(CHANNEL, payload.data);
}

/* Notifies in a transaction; what fails there, as when nobody empties the queue, is no trouble of the worker's. */
static void
notify(KafkaWorkerState state, int sqlerrcode)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		StartTransactionCommand();
		if (job->is_current(key, kfdw_own_slot_revision()))
			kfdw_news_notify(key->name, key->worker, state, sqlerrcode);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		AbortOutOfAnyTransaction();
		LWLockReleaseAll();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
}

/* Tells of a state, if it is another one. */
static void
tell(KafkaWorkerState state, int sqlerrcode)
{
	if (state == told)
		return;
	told = state;
	if (job->is_current != NULL)
		notify(state, sqlerrcode);
}

void
kfdw_news_bad(KafkaWorkerState state, int sqlerrcode)
{
	tell(state, sqlerrcode);
}

void
kfdw_news_good(void)
{
	if (ncodes > 0)
		ereport(LOG,
				(errmsg("%s \"%s\", worker %d, goes on", job->noun, key->name, key->worker)));
	ncodes = 0;
	tell(KAFKA_STATE_RUNNING, 0);
}
