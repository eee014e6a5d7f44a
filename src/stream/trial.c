/*
 * trial.c
 *	  Runs a stream's statement for records, some of which may be poison.
 *
 * A batch is run as a whole, in a subtransaction.  Where that fails by the fault of
 * records, it is rolled back and the batch is run in pieces, each in a subtransaction of
 * its own: one that fails is halved, and after one that succeeds the next is larger.  What
 * succeeds is applied, in the order of the records; what fails alone is poison.  Pieces
 * stay small until a batch had no poison, as a piece with poison is work for nothing.
 *
 * Records that cannot be decoded are not searched for: the scan hands them over, and they
 * are written in the subtransaction of their piece.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "catalog/dead_letters.h"
#include "catalog/parked.h"
#include "catalog/role_scope.h"
#include "format/guard.h"
#include "source/batch.h"
#include "source/rest.h"
#include "stream/doubts.h"
#include "stream/session.h"
#include "stream/statement.h"
#include "stream/trial.h"
#include "worker/frame.h"

/* Records of a piece, once there is poison about. */
#define MAX_PIECE 1024

/* So many in a row that fail in the same way are no poison: something else is wrong. */
#define MAX_IN_A_ROW 10

/* What is taken back when a piece fails. */
typedef struct TrialCount
{
	int64		set_aside;		/* of the batch, by failing */
	int64		given_up;		/* of the batch: what they wait for did not come */
	int64		parked;			/* of the batch */
	int			next;			/* index of the record that would go on with the run */
	KafkaFailedRun run;			/* up to that one */
} TrialCount;

struct KafkaTrial
{
	const KafkaStream *stream;
	KafkaReader reader;
	KafkaTrialSession session;
	bool		sets_aside;		/* what fails becomes a dead letter */
	bool		cautious;		/* the batch before had poison */
	List	   *prepared;		/* names of statements that the session had prepared before; a worker has none */
	KafkaDoubts *doubts;
	MemoryContext context;		/* of a piece */

	/* the batch */
	KafkaBuffer *buffer;
	const bool *expired;		/* of records that are parked, by index; NULL: they are not */
	bool	   *passed_over;	/* by index: the statement does not see them; NULL: it sees all */
	TrialCount	count;
	uint64		rows;
	bool		applied;		/* a piece was, of this transaction */
	bool		measures;
	StringInfo	plan;			/* of the last piece that was applied, where it measures */
	int			planned;		/* its records */

	/* the piece */
	KafkaBatch	piece;
	uint64		piece_rows;
	StringInfo	piece_plan;
	int			looked_at;		/* index of the first record that no scan of it handed over */
	KafkaStoredRecords *letters;	/* NULL: none yet */
	KafkaStoredRecords *parked; /* the same */
};

KafkaTrial *
kfdw_trial_create(const KafkaStream *stream, const char *server, KafkaTrialSession session)
{
	KafkaTrial *trial = palloc0(sizeof(KafkaTrial));

	trial->stream = stream;
	trial->reader = (KafkaReader) {stream->name, server, stream->name};
	trial->session = session;
	trial->sets_aside = stream->settings.on_error == KAFKA_STREAM_SETS_ASIDE || session == KAFKA_TRIAL_USER;
	trial->plan = makeStringInfo();
	trial->piece_plan = makeStringInfo();
	trial->doubts = kfdw_doubts_create();
	trial->context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw trial", ALLOCSET_DEFAULT_SIZES);
	if (session == KAFKA_TRIAL_USER)
		trial->prepared = kfdw_session_list_prepared();
	return trial;
}


/* Records that fail -------------------------------------------------------- */

/*
 * A stream that fails at one record after the other is broken, not at one of them; nothing
 * of the batch is kept.  Dead letters that are run again have all failed before.
 */
static void
check_in_a_row(const KafkaTrial *trial, const KafkaRecord *record, const ErrorData *error)
{
	if (trial->count.run.records < MAX_IN_A_ROW || trial->session != KAFKA_TRIAL_WORKER)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_ERROR),
			 errmsg("%d records in a row failed with SQLSTATE %s: %s", MAX_IN_A_ROW,
					unpack_sql_state(error->sqlerrcode), error->message),
			 errdetail("The last one is offset " INT64_FORMAT " of topic \"%s\", partition %d.",
					   record->offset, record->topic, record->partition),
			 errhint("The statement, its target or the type of a column does not suit the records. Mend it; then kafka.resume_stream(%s).",
					 quote_literal_cstr(trial->stream->name))));
}

/* Counts a record that is about to be set aside; too many are an error. */
static void
count_failure(KafkaTrial *trial, int index, const ErrorData *error)
{
	TrialCount *count = &trial->count;
	int64		limit = trial->session == KAFKA_TRIAL_WORKER ? trial->stream->settings.reject_limit : 0;
	const KafkaRecord *record = kfdw_buffer_get(trial->buffer, index);

	if (index != count->next || error->sqlerrcode != count->run.sqlstate)
		count->run.records = 0;
	count->next = index + 1;
	count->run.sqlstate = error->sqlerrcode;
	count->run.records++;
	count->set_aside++;
	if (kfdw_doubts_any(trial->doubts))
		return;					/* all of it will be undone */
	check_in_a_row(trial, record, error);
	if (limit > 0 && count->set_aside > limit)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("more than " INT64_FORMAT " records of a batch failed", limit),
				 errdetail("The last one is offset " INT64_FORMAT " of topic \"%s\", partition %d: %s",
						   record->offset, record->topic, record->partition, kfdw_guard_describe(error)),
				 errhint("The limit is the stream's reject_limit.")));
}

/* Collects a dead letter of the piece. */
static void
add_letter(KafkaTrial *trial, int index, const char *stage, const ErrorData *error)
{
	if (trial->letters == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(trial->context);

		trial->letters = kfdw_dead_letters_begin();
		MemoryContextSwitchTo(old);
	}
	kfdw_dead_letters_add(trial->letters, kfdw_buffer_get(trial->buffer, index), stage, error);
}

/* The scan of a piece met a record that cannot be decoded, perhaps not for the first time. */
static void
set_undecodable_aside(void *argument, int index, const ErrorData *error)
{
	KafkaTrial *trial = argument;

	if (index < trial->looked_at)
		return;
	count_failure(trial, index, error);
	add_letter(trial, index, KAFKA_STAGE_DECODE, error);

	/* last: a procedure can catch errors, and then this one comes again */
	trial->looked_at = index + 1;
}

/* Ends a stream's batch at a record: its error says which one, and how to go on without it. */
static void
stop_at(const KafkaTrial *trial, const KafkaRecord *record, ErrorData *error)
{
	char	   *place = psprintf("topic \"%s\", partition %d, offset " INT64_FORMAT,
								 record->topic, record->partition, record->offset);

	kfdw_frame_blame(record);
	error->hint = psprintf("SELECT kafka.skip_record(%s) sets the record aside and goes on.%s%s",
						   quote_literal_cstr(trial->stream->name),
						   error->hint ? " " : "", error->hint ? error->hint : "");
	if (error->context == NULL)
		error->context = place;
	else if (strstr(error->context, place) == NULL)
		error->context = psprintf("%s\n%s", place, error->context);
	ReThrowError(error);
}


/* Records without a row ---------------------------------------------------- */

/* Collects a record that is to wait. */
static void
park(KafkaTrial *trial, int index)
{
	if (trial->parked == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(trial->context);

		trial->parked = kfdw_parked_begin();
		MemoryContextSwitchTo(old);
	}
	kfdw_parked_add(trial->parked, kfdw_buffer_get(trial->buffer, index));
	trial->count.parked++;
}

/* A record that waited in vain is no failure, and counts as none. */
static void
give_up(KafkaTrial *trial, int index)
{
	ErrorData	error = {.sqlerrcode = ERRCODE_NO_DATA};

	error.message = psprintf("no row of %s meets %s", trial->stream->parking->table, trial->stream->parking->condition);
	add_letter(trial, index, KAFKA_STAGE_JOIN, &error);
	trial->count.given_up++;
}

/* Decides what becomes of a record of the piece that has no row; in a left join it goes out without one in the end. */
static void
meet_unmatched(void *argument, int number)
{
	KafkaTrial *trial = argument;
	int			index = trial->piece.first + number;
	bool		waits;

	if (number < 0 || number >= trial->piece.count)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the query of records without a row found a row that is none of the batch"),
				 errdetail("The source has tables that inherit from it."),
				 errhint("Write the query anew by kafka.create_join() with \"replace\".")));
	waits = trial->session == KAFKA_TRIAL_WORKER && (trial->expired == NULL || !trial->expired[index]);
	if (!waits && trial->stream->parking->is_left)
		return;
	trial->passed_over[index] = true;
	if (!waits)
		give_up(trial, index);
	else if (trial->expired == NULL)
		park(trial, index);
}


/* Pieces ------------------------------------------------------------------- */

/* Writes what the scans of a piece handed over. */
static void
write_letters(KafkaTrial *trial)
{
	if (trial->letters == NULL)
		return;
	kfdw_dead_letters_write(trial->letters, &trial->reader);
	kfdw_stored_records_end(trial->letters);
	trial->letters = NULL;
}

/* Writes what has no row yet. */
static void
write_parked(KafkaTrial *trial)
{
	if (trial->parked == NULL)
		return;
	kfdw_parked_write(trial->parked, trial->stream->name, trial->reader.server);
	kfdw_stored_records_end(trial->parked);
	trial->parked = NULL;
}

/* Begins a piece: nothing is known of its records. */
static void
begin_piece(KafkaTrial *trial, int first, int count, bool sets_aside)
{
	kfdw_trial_free_piece(trial);
	trial->looked_at = first;
	if (trial->passed_over != NULL)
		memset(trial->passed_over + first, false, count * sizeof(bool));
	trial->piece = (KafkaBatch) {trial->buffer, first, count, trial->passed_over, sets_aside ? set_undecodable_aside : NULL, trial};
}

/*
 * Records of which the statement needed nothing are looked at, too.  Under its search_path,
 * as those before; whatever else it may have set, it has not for these.
 */
static void
look_at_rest(const KafkaStream *stream)
{
	int			session;

	if (!kfdw_rest_exists(stream->source))
		return;
	session = kfdw_session_begin();
	kfdw_role_set_search_path(stream->search_path);
	kfdw_rest_decode(stream->source);
	kfdw_session_leave(session);
}

/* Runs the statement for the piece. */
static void
run_piece(void *argument)
{
	KafkaTrial *trial = argument;
	const KafkaStream *stream = trial->stream;
	KafkaUnmatched unmatched = {NULL, meet_unmatched, trial};
	MemoryContext old = MemoryContextSwitchTo(trial->context);
	int			session = kfdw_session_begin();

	if (trial->applied && trial->session == KAFKA_TRIAL_USER && !InSecurityRestrictedOperation())
		kfdw_session_defer_constraints();
	kfdw_batch_bind(stream->source, trial->piece);
	resetStringInfo(trial->piece_plan);
	if (stream->parking != NULL)
		unmatched.query = stream->parking->query;
	trial->piece_rows = kfdw_statement_run(stream->statement, stream->search_path, stream->source,
										   trial->measures ? trial->piece_plan : NULL,
										   stream->parking != NULL ? &unmatched : NULL);
	kfdw_session_leave(session);
	look_at_rest(stream);
	if (trial->session == KAFKA_TRIAL_WORKER)
		kfdw_session_clear();
	write_letters(trial);
	write_parked(trial);
	MemoryContextSwitchTo(old);
}

/* The piece succeeded. */
static void
note_applied(KafkaTrial *trial)
{
	StringInfo	plan = trial->plan;

	trial->rows += trial->piece_rows;
	trial->applied = true;
	trial->plan = trial->piece_plan;
	trial->planned = trial->piece.count;
	trial->piece_plan = plan;
}

/* Runs the statement for some records; returns the error of one of them, all undone, or NULL. */
static ErrorData *
try_piece(KafkaTrial *trial, int first, int count, bool sets_aside)
{
	TrialCount	before = trial->count;
	ErrorData  *error;

	CHECK_FOR_INTERRUPTS();
	if (trial->applied && trial->session == KAFKA_TRIAL_WORKER)
		kfdw_session_renew_constraints();
	begin_piece(trial, first, count, sets_aside);
	error = kfdw_guard_call(KAFKA_GUARD_SUBTRANSACTION, run_piece, trial);
	if (error == NULL)
		note_applied(trial);
	else
		trial->count = before;
	kfdw_session_drop_prepared(trial->prepared);
	if (trial->letters != NULL)
		kfdw_stored_records_end(trial->letters);
	if (trial->parked != NULL)
		kfdw_stored_records_end(trial->parked);
	return error;
}

/* Sets a record aside by itself. */
static void
set_one_aside(KafkaTrial *trial, int index, const ErrorData *error)
{
	begin_piece(trial, index, 1, true);
	count_failure(trial, index, error);
	MemoryContextSwitchTo(trial->context);
	add_letter(trial, index, KAFKA_STAGE_STATEMENT, error);
	write_letters(trial);
}

/* A record failed alone.  One that is to be skipped is set aside in any stream, and is no part of a row. */
static void
deal_with_poison(KafkaTrial *trial, int index, ErrorData *error)
{
	const KafkaRecord *record = kfdw_buffer_get(trial->buffer, index);
	MemoryContext old = CurrentMemoryContext;
	bool		skips = trial->session == KAFKA_TRIAL_WORKER &&
		kfdw_streams_skips(trial->stream->name, record->topic, record->partition, record->offset);

	if (!trial->sets_aside && !skips)
		stop_at(trial, record, error);
	if (skips)
		trial->count.run.records = 0;
	if (!trial->sets_aside)
	{
		/* where it is the decoding that fails, the scan says so */
		error = try_piece(trial, index, 1, true);
		if (error == NULL)
			return;
	}
	set_one_aside(trial, index, error);
	MemoryContextSwitchTo(old);
}

/* True for an error that a row may be to blame for which another transaction has just committed. */
static bool
is_conflict(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION || error->sqlerrcode == ERRCODE_EXCLUSION_VIOLATION;
}

/*
 * Runs the statement for one record.  A row that another transaction has just committed
 * was not there for it, and is the next time, unless this one keeps its snapshot.
 */
static ErrorData *
try_record(KafkaTrial *trial, int index)
{
	ErrorData  *error = try_piece(trial, index, 1, trial->sets_aside);

	if (error != NULL && is_conflict(error) && !IsolationUsesXactSnapshot())
		error = try_piece(trial, index, 1, trial->sets_aside);
	return error;
}

/* True for a record that may not fail in a transaction with a newer snapshot, which a user's session cannot begin. */
static bool
is_in_doubt(KafkaTrial *trial, int index, const ErrorData *error)
{
	return is_conflict(error) && IsolationUsesXactSnapshot() && trial->session == KAFKA_TRIAL_WORKER &&
		kfdw_doubts_add(trial->doubts, kfdw_buffer_get(trial->buffer, index));
}

/* Runs the statement for all records, in pieces as large as may be; where that is undone, to learn which of them fail. */
static void
run_pieces(KafkaTrial *trial)
{
	int			count = kfdw_buffer_count(trial->buffer);
	int			size = trial->cautious ? MAX_PIECE : count;
	int			first = 0;
	int			doubts = 0;		/* in a row */
	bool		found = false;

	while (first < count)
	{
		int			n = Min(size, count - first);
		ErrorData  *error = n == 1 ? try_record(trial, first) : try_piece(trial, first, n, trial->sets_aside);

		if (error == NULL)
		{
			first += n;
			size = Min(2 * size, MAX_PIECE);
			doubts = 0;
			continue;
		}
		found = true;
		size = Max(Min(n / 2, MAX_PIECE), 1);
		if (n > 1)
			continue;
		if (!is_in_doubt(trial, first, error))
			deal_with_poison(trial, first, error);
		else if (!trial->sets_aside || ++doubts == MAX_IN_A_ROW)
			break;
		first++;
	}
	trial->cautious = found;
}

/* Runs the statement for all records of a buffer, whose fields of the trial are set. */
static KafkaTrialResult
run_buffer(KafkaTrial *trial, KafkaBuffer *buffer, bool measure)
{
	trial->buffer = buffer;
	trial->rows = 0;
	trial->applied &= trial->session == KAFKA_TRIAL_USER;	/* whose runs are of one transaction */
	trial->measures = measure;
	resetStringInfo(trial->plan);
	trial->count = (TrialCount) {0};
	kfdw_doubts_begin(trial->doubts);
	if (trial->session == KAFKA_TRIAL_WORKER)
		trial->count.run = kfdw_frame_failed_run(trial->expired != NULL);
	run_pieces(trial);
	if (trial->count.next != kfdw_buffer_count(buffer))
		trial->count.run.records = 0;
	return (KafkaTrialResult) {
		.rows = trial->rows,
		.set_aside = trial->count.set_aside + trial->count.given_up,
		.parked = trial->count.parked,
		.in_doubt = kfdw_doubts_any(trial->doubts),
		.plan = trial->plan->data,
		.planned = trial->planned
	};
}

KafkaTrialResult
kfdw_trial_run(KafkaTrial *trial, KafkaBuffer *buffer, bool measure)
{
	trial->expired = NULL;
	trial->passed_over = trial->stream->parking ? palloc0(kfdw_buffer_count(buffer) * sizeof(bool)) : NULL;
	return run_buffer(trial, buffer, measure);
}

KafkaTrialResult
kfdw_trial_run_parked(KafkaTrial *trial, KafkaBuffer *buffer, const bool *expired, bool *stays)
{
	KafkaTrialResult result;

	trial->expired = expired;
	trial->passed_over = stays;
	result = run_buffer(trial, buffer, false);
	for (int i = 0; i < kfdw_buffer_count(buffer); i++)
		stays[i] &= !expired[i];
	return result;
}

void
kfdw_trial_free_piece(KafkaTrial *trial)
{
	MemoryContextReset(trial->context);
	trial->letters = NULL;
	trial->parked = NULL;
}

bool
kfdw_trial_roll_back(const KafkaTrialResult *result)
{
	if (result->in_doubt)
		kfdw_session_roll_back();
	return result->in_doubt;
}

void
kfdw_trial_committed(KafkaTrial *trial)
{
	kfdw_frame_keep_failed_run(trial->expired != NULL, trial->count.run);
	kfdw_doubts_clear(trial->doubts);
}
