/*
 * outbox.c
 *	  Delivery "outbox": records are stored in the same transaction, and published by a
 *	  relay once that has committed.
 *
 * They are held until COMMIT, which stores them, many in a row of kafka.outbox: what
 * savepoints take back is not even written then, and the order of the rows is that of the
 * commits of those who wait for each other.
 */
#include "postgres.h"

#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "catalog/dead_letters.h"
#include "catalog/instance.h"
#include "catalog/outbox.h"
#include "catalog/relays.h"
#include "delivery/delivery.h"
#include "delivery/record_bytes.h"
#include "delivery/record_log.h"
#include "delivery/relay.h"
#include "format/metadata.h"
#include "worker/slots.h"

/* Records in one row of the table, in bytes. */
#define CHUNK_BYTES 65536

/* A topic that this transaction publishes to as a role. */
typedef struct OutboxTopic
{
	KafkaDestination destination;
	Oid			serverid;
	Oid			userid;
	int			relay;			/* 0: not known yet */
	bool		is_used;		/* not all of its records were rolled back */

	/* what is not stored yet, while the records are stored */
	StringInfoData chunk;
	int			records;
} OutboxTopic;

/* Of this transaction, whose memory context frees them. */
static KafkaRecordLog *held = NULL; /* NULL: nothing was inserted */
static List *topics = NIL;
static List *stored_for = NIL;	/* the relays that have something to do after the commit */

/* Relays are workers. */
static void
check_can_be_published(Oid userid)
{
	if (kfdw_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("delivery \"outbox\" needs kafka_fdw to be preloaded"),
				 errhint("Add kafka_fdw to \"shared_preload_libraries\" and restart the server.")));
	if (!kfdw_job_can_run_as(userid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("role \"%s\" cannot publish by the outbox, as it may not log in", GetUserNameFromId(userid, false)),
				 errhint("Give it the LOGIN attribute; the worker that publishes runs as the role that inserts.")));
}

/* A topic in the list, put there when it is new. */
static OutboxTopic *
find_topic(Oid serverid, Oid userid, const char *name, int max_request_size)
{
	MemoryContext old;
	OutboxTopic *topic;
	ListCell   *lc;

	foreach(lc, topics)
	{
		topic = lfirst(lc);
		if (topic->userid == userid && topic->serverid == serverid && strcmp(topic->destination.topic, name) == 0 &&
			topic->destination.max_request_size == max_request_size)
			return topic;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	topic = palloc0(sizeof(OutboxTopic));
	topic->destination.delivery = &kfdw_delivery_outbox;
	topic->destination.topic = pstrdup(name);
	topic->destination.max_request_size = max_request_size;
	topic->serverid = serverid;
	topic->userid = userid;
	initStringInfo(&topic->chunk);
	topics = lappend(topics, topic);
	MemoryContextSwitchTo(old);
	return topic;
}

/* What is held until COMMIT is of a server that stays until then. */
static void
begin_server(Oid serverid, Oid userid)
{
	check_can_be_published(userid);
	kfdw_options_keep_server(serverid);
	(void) kfdw_instance_check();
}

static KafkaDestination *
begin_table(const KafkaTableOptions *options, Oid userid)
{
	begin_server(options->serverid, userid);
	return &find_topic(options->serverid, userid, options->topic, options->max_request_size)->destination;
}

/* Nobody asks the brokers, which may be down: the relay will find out. */
static int
count_partitions(KafkaDestination *destination)
{
	return 0;
}

/* Holds a copy of the record, which is of this moment, whenever it will be published. */
static void
hold_record(KafkaDestination *destination, const KafkaRecord *record)
{
	KafkaRecord stamped = *record;

	if (record->timestamp == KAFKA_NO_TIMESTAMP)
		stamped.timestamp = kfdw_metadata_now();
	kfdw_log_append(&held, destination, &stamped);
}

int64
kfdw_delivery_retry(const KafkaRelay *relay)
{
	Oid			serverid = GetForeignServerByName(relay->server, false)->serverid;
	MemoryContext some = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw retry", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(some);
	int64		count = 0;
	List	   *records;
	ListCell   *lc;

	begin_server(serverid, relay->owner);
	while ((records = kfdw_dead_letters_take_unpublished(relay->server, relay->owner)) != NIL)
	{
		foreach(lc, records)
		{
			const KafkaRecord *record = lfirst(lc);

			hold_record(&find_topic(serverid, relay->owner, record->topic, 0)->destination, record);
		}
		count += list_length(records);
		MemoryContextReset(some);
	}
	MemoryContextSwitchTo(old);
	return count;
}

static bool
holds_records(void)
{
	return !kfdw_log_is_empty(held);
}

/* The name that the topic's server has now; this transaction may have renamed or dropped it. */
static char *
server_name(const OutboxTopic *topic)
{
	ForeignServer *server = GetForeignServerExtended(topic->serverid, FSV_MISSING_OK);

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("records for topic \"%s\" cannot be published: this transaction has dropped their server",
						topic->destination.topic)));
	return server->servername;
}

/*
 * Finds the relay of a topic, and has it woken after the commit.  The first one of all makes the rows of database and relay,
 * for which others wait: so not before the commit.
 */
static void
find_relay(OutboxTopic *topic)
{
	char	   *server = server_name(topic);
	MemoryContext old;
	bool		created;

	kfdw_instance_ensure();
	old = MemoryContextSwitchTo(TopTransactionContext);
	topic->relay = kfdw_relays_ensure(server, topic->userid, &created);
	stored_for = list_append_unique_int(stored_for, topic->relay);
	if (created)
		kfdw_shared_ping_at_end();
	MemoryContextSwitchTo(old);
}

/* Stores what a topic has collected. */
static void
store_chunk(OutboxTopic *topic)
{
	if (topic->records == 0)
		return;
	if (topic->relay == 0)
		find_relay(topic);
	kfdw_outbox_store(topic->relay, topic->destination.topic, topic->records, topic->chunk.data, topic->chunk.len);
	resetStringInfo(&topic->chunk);
	topic->records = 0;
}

/* Two tables may be of one topic, whose records keep their order: only one of them collects at a time. */
static void
store_before(const OutboxTopic *topic)
{
	ListCell   *lc;

	foreach(lc, topics)
	{
		OutboxTopic *other = lfirst(lc);

		if (other != topic && other->records > 0 && strcmp(other->destination.topic, topic->destination.topic) == 0)
			store_chunk(other);
	}
}

/* Collects a held record. */
static void
store_record(void *target, const KafkaRecord *record)
{
	OutboxTopic *topic = target;

	if (topic->records == 0)
		store_before(topic);
	kfdw_bytes_append(&topic->chunk, record);
	topic->records++;
	if (topic->chunk.len >= CHUNK_BYTES)
		store_chunk(topic);
}

/* Notes the topic of a held record. */
static void
note_topic(void *target, const KafkaRecord *record)
{
	((OutboxTopic *) target)->is_used = true;
}

static int
compare_relays(const ListCell *left, const ListCell *right)
{
	const OutboxTopic *one = lfirst(left);
	const OutboxTopic *other = lfirst(right);

	if (one->serverid != other->serverid)
		return one->serverid < other->serverid ? -1 : 1;
	return one->userid < other->userid ? -1 : one->userid > other->userid ? 1 : 0;
}

static bool
have_several_relays(void)
{
	ListCell   *lc;

	foreach(lc, topics)
		if (compare_relays(lc, list_head(topics)) != 0)
			return true;
	return false;
}

/*
 * Finds the relays of all topics, in the same order in all transactions: who makes one keeps
 * others waiting until his end.
 */
static void
find_relays(void)
{
	List	   *sorted;
	ListCell   *lc;

	kfdw_log_replay(held, note_topic);
	sorted = list_copy(topics);
	list_sort(sorted, compare_relays);
	foreach(lc, sorted)
	{
		OutboxTopic *topic = lfirst(lc);

		if (topic->is_used && topic->relay == 0)
			find_relay(topic);
	}
	list_free(sorted);
}

/* Stores what is held. */
static void
store_records(void)
{
	ListCell   *lc;

	if (have_several_relays())
		find_relays();
	kfdw_log_replay(held, store_record);
	foreach(lc, topics)
		store_chunk(lfirst(lc));
	kfdw_log_close(&held);
}

/* What was not stored is forgotten; what was, the relays are told of. */
static void
end_transaction(bool committed)
{
	ListCell   *lc;

	if (committed)
		foreach(lc, stored_for)
			kfdw_relay_wake(lfirst_int(lc));
	held = NULL;
	topics = stored_for = NIL;
}

static void
end_subtransaction(int level, bool committed)
{
	kfdw_log_end_subtransaction(held, level, committed);
}

const KafkaDelivery kfdw_delivery_outbox = {
	.name = "outbox",
	.begin = begin_table,
	.count_partitions = count_partitions,
	.add = hold_record,
	.participant = {
		.write = store_records,
		.holds = holds_records,
		.end = end_transaction,
		.end_subtransaction = end_subtransaction,
	},
};
