/*
 * report.c
 *	  What a transaction reports of its positions to Kafka, once it has committed.
 *
 * Before the commit the rows are read as the transaction leaves them, whatever savepoints
 * took back.  After it nothing is done that can fail.
 */
#include "postgres.h"

#include "access/xact.h"
#include "foreign/foreign.h"
#include "utils/memutils.h"

#include "kafka/report.h"
#include "source/report.h"
#include "xact.h"

/* A group whose positions are reported. */
typedef struct GroupReport
{
	Oid			serverid;
	const char *group_id;
	KafkaReporter *reporter;
	int			count;
	KafkaGroupPosition *positions;
	struct GroupReport *next;
} GroupReport;

/* In the transaction's memory context. */
static GroupReport *reports = NULL;

void
kfdw_report_at_commit(const KafkaTableOptions *options, KafkaConsumer *consumer)
{
	GroupReport *report;

	if (!options->report_offsets)
		return;
	for (report = reports; report != NULL; report = report->next)
		if (report->serverid == options->serverid && strcmp(report->group_id, options->group_id) == 0)
			return;
	report = MemoryContextAllocZero(TopTransactionContext, sizeof(GroupReport));
	report->serverid = options->serverid;
	report->group_id = MemoryContextStrdup(TopTransactionContext, options->group_id);
	report->reporter = kfdw_reporter_get(consumer);
	report->next = reports;
	reports = report;
}

/* Reads what the transaction has written of a group; with its server it is gone. */
static void
read_positions(GroupReport *report)
{
	const ForeignServer *server = GetForeignServerExtended(report->serverid, FSV_MISSING_OK);
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	List	   *written = server == NULL ? NIL : kfdw_offsets_list_written(server->servername, report->group_id);
	ListCell   *lc;

	report->count = 0;
	report->positions = palloc((list_length(written) + 1) * sizeof(KafkaGroupPosition));
	foreach(lc, written)
	{
		const KafkaWrittenPosition *position = lfirst(lc);

		report->positions[report->count++] = (KafkaGroupPosition) {position->topic, position->partition, position->next_offset};
	}
	MemoryContextSwitchTo(old);
}

static void
read_all(void)
{
	for (GroupReport *report = reports; report != NULL; report = report->next)
		read_positions(report);
}

/* The transaction is over. */
static void
send_all(bool committed)
{
	for (GroupReport *report = reports; report != NULL; report = report->next)
	{
		if (committed)
			kfdw_reporter_send(report->reporter, report->positions, report->count);
		kfdw_reporter_let_go(report->reporter);
	}
	reports = NULL;
}

/* What is prepared may be committed by another process, long after: it is not reported. */
static void
forget_prepared(void)
{
	send_all(false);
}

static const KafkaParticipant participant = {
	.check_prepare = forget_prepared,
	.write = read_all,
	.end = send_all,
};

void
kfdw_report_init(void)
{
	kfdw_xact_register(&participant);
}
