/*
 * relay.c
 *	  A relay as a job of background workers: tick after tick of the outbox.
 *
 * A tick is committed, then published in a Kafka transaction that also stores its number
 * as the position of a group of the relay's own.  After whatever ended the process, Kafka
 * first ends the transaction that was open, and then tells the position: whether the newest
 * tick was published or is to be published again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog/instance.h"
#include "catalog/outbox.h"
#include "catalog/relays.h"
#include "compat.h"
#include "delivery/publication.h"
#include "delivery/refusals.h"
#include "delivery/relay.h"
#include "delivery/tick.h"
#include "kafka/limit.h"
#include "option/options.h"
#include "stat/wait.h"
#include "worker/deadlock.h"
#include "worker/frame.h"
#include "worker/slots.h"

#define WAIT_MS			1000
#define CLEAN_MS		3000

/* A position that nobody commits for seven days is forgotten by brokers. */
#define REFRESH_MS		(24 * 3600 * 1000)

/* So often in a row a topic that is not there, or not allowed, keeps everything waiting: for 20 seconds. */
#define PATIENCE		7

/* Batches are smaller than the server's options say for so long, as the topic that needs it may get no records any more. */
#define LIMITED_MS		(10 * 60 * 1000)

typedef struct RelayWork
{
	KafkaRelay *relay;
	KafkaServerOptions *options;
	KafkaWatch	watch;			/* of what they were read from */
	KafkaConfig sender;			/* the server's producer, maybe with smaller batches */
	TimestampTz sender_at;		/* since when it is */
	KafkaConfig producer;		/* the same, transactional */
	MemoryContext sender_context;	/* holds both; NULL: there are none yet */
	char	   *group_id;		/* of the relay's position */
	char	   *kafka_id;		/* its name in Kafka, which is also the relay's transactional id */
	char	   *instance;		/* whose ticks they name */

	bool		settled;		/* what became of the newest tick is known */
	bool		in_doubt;		/* it cannot be known */
	bool		noted;			/* the table has the newest tick as it is */
	KafkaTick  *tick;			/* the newest */
	MemoryContext tick_context; /* holds it */
	TimestampTz stored_at;		/* when Kafka last stored the position; 0: not by this process */
	TimestampTz cleaned_at;
} RelayWork;

/* Refusals in a row that may pass. */
static int	refusals = 0;

static KafkaWaitEvent relay_wait = {"KafkaRelayMain"};

char *
kfdw_relay_name(int id)
{
	return psprintf("%d", id);
}

void
kfdw_relay_wake(int id)
{
	KafkaWorkerKey key = {.database = MyDatabaseId,.kind = KAFKA_JOB_RELAY};

	snprintf(key.name, sizeof(key.name), "%d", id);
	kfdw_slot_wake(&key);
}

/* The relays of this database. */
static List *
list_wants(void)
{
	List	   *wants = NIL;
	ListCell   *lc;

	foreach(lc, kfdw_relays_list())
	{
		const KafkaRelay *relay = lfirst(lc);
		KafkaWant  *want = palloc0(sizeof(KafkaWant));

		want->kind = KAFKA_JOB_RELAY;
		want->name = kfdw_relay_name(relay->id);
		want->owner = relay->owner;
		want->workers = 1;
		want->enabled = OidIsValid(relay->owner);
		want->created = relay->created;
		want->revision = relay->revision;
		wants = lappend(wants, want);
	}
	return wants;
}

/* The role's own settings must not change what the statements here do, nor how they are planned. */
static void
settle_settings(void)
{
	static const char *const off[] = {
		"enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "enable_sort",
		"default_transaction_read_only", "jit"
	};

	for (int i = 0; i < lengthof(off); i++)
		SetConfigOption(off[i], "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);

	/* a part of the outbox that is emptied gets new indexes */
	SetConfigOption("max_parallel_maintenance_workers", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("temp_file_limit", "-1", PGC_SUSET, PGC_S_OVERRIDE);
}

/* A tick must be on disk before it is published. */
static void
begin_transaction(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	kfdw_deadlock_give_way();
	if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		(void) set_config_option("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
								 true, 0, false);
}

/* Ends a transaction; what is made next belongs to the context from before. */
static void
commit_transaction(MemoryContext context)
{
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
}

/* Keeps a tick, which its table has, too. */
static void
keep_tick(RelayWork *work, const KafkaTick *tick)
{
	MemoryContext context = AllocSetContextCreate(MemoryContextGetParent(work->tick_context), "kafka_fdw tick",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KafkaTick  *copy = palloc(sizeof(KafkaTick));

	*copy = *tick;
	copy->base = pstrdup(tick->base);
	copy->snapshot = pstrdup(tick->snapshot);
	copy->topic = tick->topic ? pstrdup(tick->topic) : NULL;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work->tick_context);
	work->tick_context = context;
	work->tick = copy;
	work->noted = true;
}

/* A producer of these properties that writes in the relay's transactions. */
static KafkaConfig
make_producer(const RelayWork *work, const KafkaConfig *producer)
{
	return kfdw_config_transactional(producer, work->kafka_id, work->options->transaction_timeout_ms);
}

/* From now on records are sent with these properties. */
static void
set_sender(RelayWork *work, KafkaConfig sender)
{
	MemoryContext context = AllocSetContextCreate(GetMemoryChunkContext(work), "kafka_fdw sender",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	work->sender = kfdw_config_copy(&sender);
	work->producer = make_producer(work, &sender);
	work->sender_at = kfdw_wait_now();
	MemoryContextSwitchTo(old);
	if (work->sender_context != NULL)
		MemoryContextDelete(work->sender_context);
	work->sender_context = context;
}

/* Reads the options of the server, and the newest tick, which all belong to the work. */
static void
read_options(RelayWork *work)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			server;
	char	   *name;

	begin_transaction();
	MemoryContextSwitchTo(GetMemoryChunkContext(work));
	server = GetForeignServerByName(work->relay->server, false)->serverid;
	work->options = kfdw_options_server(server, GetUserId());
	kfdw_watch_begin_in(CurrentMemoryContext, &work->watch, &work->options->producer.origins);

	/* this holds the table, so that both are of one instance */
	keep_tick(work, kfdw_outbox_get_tick(work->relay->id));
	work->instance = kfdw_instance_name();
	name = psprintf("%s-%s-relay-%d", work->options->transactional_id_prefix, work->instance, work->relay->id);
	work->group_id = name;
	work->kafka_id = kfdw_config_utf8(name);
	set_sender(work, work->options->producer);
	commit_transaction(context);
}

/* Options are left to the first step: that they are wrong is something to get over. */
static void *
open_relay(const KafkaWorkerKey *key)
{
	MemoryContext context = CurrentMemoryContext;
	RelayWork  *work = palloc0(sizeof(RelayWork));
	bool		is_ours;

	settle_settings();
	work->tick_context = AllocSetContextCreate(context, "kafka_fdw tick", ALLOCSET_SMALL_SIZES);
	begin_transaction();
	MemoryContextSwitchTo(context);
	work->relay = kfdw_relays_get(atoi(key->name));
	is_ours = kfdw_instance_state() == KAFKA_INSTANCE_OURS;
	commit_transaction(context);
	return work->relay != NULL && is_ours ? work : NULL;
}

static void
close_relay(void *work)
{
	kfdw_producer_end_transaction();
}

/*
 * Writes a tick in the place of the newest one.  It holds the table then, so that nobody
 * empties it for another instance: what was not emptied yet is still ours.
 */
static void
write_tick(const RelayWork *work, const KafkaTick *tick)
{
	kfdw_outbox_write_tick(tick, work->tick->number);
	if (strcmp(kfdw_instance_name(), work->instance) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the outbox of server \"%s\" was emptied by kafka.adopt_instance()", work->relay->server)));
}

/* Where the position is, or is to be stored. */
static KafkaTransactionPosition
make_position(const RelayWork *work)
{
	return (KafkaTransactionPosition) {work->kafka_id, work->tick->topic, work->tick->number};
}

/* Stores the position alone. */
static void
store_position(RelayWork *work)
{
	KafkaProducer *producer = kfdw_producer_get(&work->producer);
	KafkaTransactionPosition position = make_position(work);

	kfdw_transaction_begin(producer);
	kfdw_transaction_move_position(producer, &position);
	kfdw_transaction_commit(producer);
	work->stored_at = kfdw_wait_now();
}

/* Kafka and the table say what cannot be true of one outbox. */
static void
report_doubt(RelayWork *work, int64 stored)
{
	bool		ahead = stored > work->tick->number;

	work->in_doubt = true;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 ahead ? errmsg("Kafka is ahead of the outbox of server \"%s\"", work->relay->server) :
			 errmsg("it is not known what of the outbox of server \"%s\" was published", work->relay->server),
			 ahead ? errdetail("Tick %lld was published, and the newest one here is %lld: this database was restored from a backup.",
							   (long long) stored, (long long) work->tick->number) :
			 errdetail("Tick %lld may have been published, but group \"%s\" has no position of it: it has expired, or this is another cluster.",
					   (long long) work->tick->number, work->group_id),
			 errhint("SELECT kafka.resolve_outbox(%s, 'publish', %s) publishes what is not known to be published, perhaps once more; 'skip' leaves it out.",
					 quote_literal_cstr(work->relay->server),
					 quote_literal_cstr(quote_identifier(GetUserNameFromId(work->relay->owner, false))))));
}

/*
 * Somebody has said what to do: the tick is left out, or all that is here where Kafka is
 * ahead; or what was before the tick counts as the newest one.
 */
static void
resolve(RelayWork *work, int64 stored)
{
	KafkaTick	tick = *work->tick;
	bool		skip = strcmp(work->relay->resolution, "skip") == 0;

	if (skip && stored > tick.number)
		kfdw_outbox_skip_rows(&tick);
	else if (!skip && !tick.published)
	{
		tick.upto_seq = tick.after_seq;
		tick.is_last = false;
	}
	tick.published = true;
	tick.number = Max(stored, tick.number);
	tick.topic = pstrdup(work->options->outbox_position_topic);
	write_tick(work, &tick);
	keep_tick(work, &tick);
	ereport(LOG,
			(errmsg("the outbox of server \"%s\" goes on after tick %lld, as it was told: %s", work->relay->server,
					(long long) tick.number, work->relay->resolution)));
}

/* Decides by Kafka's position what became of the newest tick. */
static void
judge_tick(RelayWork *work, int64 stored)
{
	KafkaTick  *tick = work->tick;

	if (!tick->published && stored == tick->number)
		tick->published = true;
	else if (stored > tick->number || (!tick->published && stored != tick->number - 1))
	{
		if (work->relay->resolution == NULL)
			report_doubt(work, stored);
		resolve(work, stored);
	}
	else
		return;
	work->noted = false;
}

/* Writes that the newest tick was published, for those who look and who clean. */
static void
note_tick(RelayWork *work)
{
	MemoryContext context = CurrentMemoryContext;

	if (work->noted)
		return;
	begin_transaction();
	write_tick(work, work->tick);
	commit_transaction(context);
	work->noted = true;
}

/*
 * Finds out how far the relay has come: first whatever a predecessor left open is ended,
 * then Kafka's position counts.
 */
static void
settle(RelayWork *work)
{
	MemoryContext context = CurrentMemoryContext;
	KafkaTick	tick = *work->tick;
	KafkaTransactionPosition position;

	if (tick.topic == NULL)
	{
		tick.topic = unconstify(char *, work->options->outbox_position_topic);
		keep_tick(work, &tick);
	}
	kfdw_transaction_prepare(kfdw_producer_get(&work->producer));
	position = make_position(work);
	kfdw_transaction_read_position(&work->options->consumer, &position);
	begin_transaction();
	judge_tick(work, Max(position.offset, -1));
	if (work->relay->resolution != NULL)
		kfdw_relays_resolve(work->relay->id, NULL);
	commit_transaction(context);
	if (work->tick->published && (position.offset != work->tick->number ||
								  strcmp(work->tick->topic, work->options->outbox_position_topic) != 0))
	{
		tick = *work->tick;
		tick.topic = unconstify(char *, work->options->outbox_position_topic);
		keep_tick(work, &tick);
		store_position(work);
	}
	work->settled = true;
}

/* Until this transaction ends the server keeps its name, if it has it still: dead letters belong to it by that. */
static void
keep_name(const RelayWork *work)
{
	const KafkaRelay *relay;

	kfdw_options_keep_server(GetForeignServerByName(work->relay->server, false)->serverid);
	relay = kfdw_relays_get(work->relay->id);
	if (relay == NULL || strcmp(relay->server, work->relay->server) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("server \"%s\" was renamed while its outbox was published", work->relay->server)));
}

/* Sets records aside that are refused; the tick is published without them next. */
static void
set_aside(RelayWork *work, const KafkaTickRecords *records, List *refused)
{
	KafkaReader reader = {.server = work->relay->server,.group_id = work->group_id,.inserted_by = work->relay->owner};
	MemoryContext context = CurrentMemoryContext;

	begin_transaction();
	MemoryContextSwitchTo(context);
	keep_name(work);
	kfdw_outbox_lock_to_read();
	kfdw_tick_set_aside(records, &reader, refused);
	commit_transaction(context);
}

/*
 * Some of the records are refused, or a batch of them is for its size: then the next ones are
 * smaller, if only because brokers do not tell how large they may be.
 */
static void
overcome_refusal(RelayWork *work, const KafkaTickRecords *records, const KafkaPublication *publication)
{
	KafkaConfig limited = kfdw_tick_limit_batches(records, &work->sender);
	KafkaConfig searcher = make_producer(work, &limited);
	KafkaPublication search = *publication;
	List	   *refused;

	search.producer = &searcher;
	refused = kfdw_refusals_find(&search, &work->sender);
	if (refused != NIL)
		set_aside(work, records, refused);
	else
		set_sender(work, kfdw_config_equal(&limited, &work->sender) ? kfdw_limit_more(&work->sender) : limited);
}

/* Publishes the rows of the newest tick. */
static void
publish(RelayWork *work, List *rows)
{
	TimestampTz began = kfdw_wait_now();
	KafkaTransactionPosition position = make_position(work);
	KafkaTickRecords *records = kfdw_tick_read(work->tick, rows);
	KafkaWorkerStats done = {.batches = 1,.records_in = records->count,.records_out = records->count,
	.lag = -1,.newest_record = -1};
	KafkaPublication publication = {&work->producer, &position, records->records, records->count, refusals < PATIENCE};

	kfdw_frame_run(psprintf("tick of %d records", records->count), 0, -1, -1);
	if (!kfdw_publication_send(&publication))
	{
		overcome_refusal(work, records, &publication);
		return;
	}
	work->tick->published = true;
	work->noted = false;
	refusals = 0;
	work->stored_at = kfdw_wait_now();
	if (TimestampDifferenceExceeds(work->sender_at, work->stored_at, LIMITED_MS) &&
		!kfdw_config_equal(&work->sender, &work->options->producer))
		set_sender(work, work->options->producer);
	done.last_commit_at = GetCurrentTimestamp();
	done.last_batch_ms = (work->stored_at - began) / 1000.0;
	kfdw_frame_record(&done, false);
	(void) pgstat_report_stat(false);
}

/* Commits the next tick; false when there is nothing to publish. */
static bool
make_tick(RelayWork *work, List **rows)
{
	MemoryContext context = CurrentMemoryContext;
	KafkaTick	tick = *work->tick;
	bool		found;

	begin_transaction();
	MemoryContextSwitchTo(context);
	kfdw_outbox_lock_to_read();
	found = kfdw_outbox_next_tick(&tick, rows);
	if (found)
		write_tick(work, &tick);
	commit_transaction(context);
	if (found)
		keep_tick(work, &tick);
	return found;
}

/* The rows of the newest tick, which was not published yet. */
static List *
read_rows(const RelayWork *work)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *rows;

	begin_transaction();
	MemoryContextSwitchTo(context);
	kfdw_outbox_lock_to_read();
	rows = kfdw_outbox_read_rows(work->tick);
	commit_transaction(context);
	return rows;
}

/* There is nothing to publish: waits until there is. */
static void
rest(RelayWork *work)
{
	KafkaWorkerStats idle = {.lag = -1,.newest_record = -1};

	note_tick(work);
	if (work->stored_at == 0 || TimestampDifferenceExceeds(work->stored_at, kfdw_wait_now(), REFRESH_MS))
		store_position(work);
	kfdw_frame_rest(&idle);
	(void) pgstat_report_stat(false);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, WAIT_MS, kfdw_wait_event(&relay_wait));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Every now and then empties what of the table is not needed any more, be it of relays whose brokers hang. */
static void
clean(RelayWork *work)
{
	MemoryContext context = CurrentMemoryContext;

	if (!TimestampDifferenceExceeds(work->cleaned_at, kfdw_wait_now(), CLEAN_MS))
		return;
	work->cleaned_at = kfdw_wait_now();
	note_tick(work);
	begin_transaction();
	kfdw_outbox_clean();
	commit_transaction(context);
}

/* One tick, or one wait. */
static KafkaStep
step(void *argument)
{
	RelayWork  *work = argument;
	List	   *rows;

	if (work->options == NULL)
		read_options(work);
	if (work->watch.changed || work->watch.in_doubt)
		return KAFKA_STEP_REOPEN;
	clean(work);
	if (!work->settled)
		settle(work);
	if (!work->tick->published)
		publish(work, read_rows(work));
	else if (make_tick(work, &rows))
		publish(work, rows);
	else
		rest(work);
	return KAFKA_STEP_DONE;
}

/* Only doubt waits for somebody; whatever else there is, options, rights or topics may mend. */
static KafkaRemedy
judge(void *argument, const ErrorData *error)
{
	RelayWork  *work = argument;

	kfdw_producer_end_transaction();
	if (error->sqlerrcode == ERRCODE_FDW_TABLE_NOT_FOUND || error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		refusals++;
	return work->in_doubt ? KAFKA_REMEDY_NONE : KAFKA_REMEDY_REOPEN;
}

static const KafkaJob relay_job = {
	.noun = "relay",
	.failed_hint = "It waits for kafka.resolve_outbox().",
	.list_wants = list_wants,
	.open = open_relay,
	.step = step,
	.judge = judge,
	.close = close_relay,
};

void
kfdw_relay_init(void)
{
	kfdw_job_register(KAFKA_JOB_RELAY, &relay_job);
}
