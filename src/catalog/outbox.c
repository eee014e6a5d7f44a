/*
 * outbox.c
 *	  The rows of kafka.outbox, and the ticks by which relays publish them.
 *
 * The table has parts.  Two of them are written to in turns; the other one is emptied
 * meanwhile, as by TRUNCATE, which no old snapshot is in the way of: so its size depends on
 * what is not published only.  What a relay has not published by then, as its cluster is
 * down, goes to the third part, which is emptied in the same way when much of it may be
 * published.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "catalog/outbox.h"
#include "catalog/spi.h"

/* How long a part is written to; it is left alone a bit longer, as writers may be late. */
#define TURN_SECONDS 8
#define TURN_SLACK_SECONDS 2

/* The part that is not written to. */
#define LEFT_OVER_PART 2

/* So large the part of what is left over may be without being looked at. */
#define LEFT_OVER_SLACK	(1024 * 1024)

/* What is published at once. */
#define TICK_BYTES		(16 * 1024 * 1024)
#define TICK_RECORDS	100000

/* Rows that are fetched at once. */
#define FETCH_ROWS 100

/* Before everything. */
#define FIRST_SNAPSHOT "1:1:"

#define TICK_COLUMNS \
	"t.tick, t.base::pg_catalog.text, t.snapshot::pg_catalog.text, t.after_seq, t.upto_seq, t.is_last, t.topic, t.published"

static KafkaStatement store_statement = {
	"INSERT INTO kafka.outbox (part, relay, seq, xid, topic, records, stored_at, chunk) "
	"VALUES ($1, $2, pg_catalog.nextval('kafka.outbox_sequence'), pg_catalog.pg_current_xact_id(), $3, $4, "
	"pg_catalog.clock_timestamp(), $5)",
	5, {INT4OID, INT4OID, TEXTOID, INT4OID, BYTEAOID}
};

static KafkaStatement tick_statement = {
	"SELECT " TICK_COLUMNS " FROM kafka.outbox_ticks t WHERE t.relay OPERATOR(pg_catalog.=) $1 "
	"ORDER BY t.tick USING OPERATOR(pg_catalog.>) LIMIT 1",
	1, {INT4OID}
};

static KafkaStatement snapshot_statement = {
	"SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text",
	0
};

/* Rows that are not visible in a snapshot belong to transactions that it saw at work, or that came after it. */
static KafkaStatement first_statement = {
	"SELECT pg_catalog.min(n.seq) FROM ("
	"SELECT o.seq FROM kafka.outbox o WHERE o.relay OPERATOR(pg_catalog.=) $1 "
	"AND o.xid OPERATOR(pg_catalog.>=) pg_catalog.pg_snapshot_xmax($2::pg_catalog.pg_snapshot) "
	"AND pg_catalog.pg_visible_in_snapshot(o.xid, $3::pg_catalog.pg_snapshot) "
	"UNION ALL "
	"SELECT o.seq FROM pg_catalog.pg_snapshot_xip($2::pg_catalog.pg_snapshot) x JOIN kafka.outbox o "
	"ON o.relay OPERATOR(pg_catalog.=) $1 AND o.xid OPERATOR(pg_catalog.=) x "
	"AND pg_catalog.pg_visible_in_snapshot(o.xid, $3::pg_catalog.pg_snapshot)) n",
	3, {INT4OID, TEXTOID, TEXTOID}
};

static KafkaStatement rows_statement = {
	"SELECT o.seq, o.topic, o.records, o.chunk FROM kafka.outbox o WHERE o.relay OPERATOR(pg_catalog.=) $1 "
	"AND o.seq OPERATOR(pg_catalog.>=) $4 AND o.seq OPERATOR(pg_catalog.<=) $5 "
	"AND pg_catalog.pg_visible_in_snapshot(o.xid, $3::pg_catalog.pg_snapshot) "
	"AND NOT pg_catalog.pg_visible_in_snapshot(o.xid, $2::pg_catalog.pg_snapshot) "
	"ORDER BY o.seq USING OPERATOR(pg_catalog.<)",
	5, {INT4OID, TEXTOID, TEXTOID, INT8OID, INT8OID}
};

static KafkaStatement insert_tick_statement = {
	"INSERT INTO kafka.outbox_ticks (relay, tick, base, snapshot, after_seq, upto_seq, is_last, topic, published) "
	"VALUES ($1, $2, $3::pg_catalog.pg_snapshot, $4::pg_catalog.pg_snapshot, $5, $6, $7, $8, $9) "
	"ON CONFLICT (relay, tick) DO UPDATE SET base = EXCLUDED.base, snapshot = EXCLUDED.snapshot, "
	"after_seq = EXCLUDED.after_seq, upto_seq = EXCLUDED.upto_seq, is_last = EXCLUDED.is_last, "
	"topic = EXCLUDED.topic, published = EXCLUDED.published",
	9, {INT4OID, INT8OID, TEXTOID, TEXTOID, INT8OID, INT8OID, BOOLOID, TEXTOID, BOOLOID}
};

/* From the tick before on: while an old snapshot keeps all that ever were, they are not to be searched. */
static KafkaStatement delete_ticks_statement = {
	"DELETE FROM kafka.outbox_ticks t WHERE t.relay OPERATOR(pg_catalog.=) $1 "
	"AND t.tick OPERATOR(pg_catalog.>=) $2 AND t.tick OPERATOR(pg_catalog.<>) $3",
	3, {INT4OID, INT8OID, INT8OID}
};

static KafkaStatement change_statement = {
	"UPDATE kafka.outbox o SET records = $3, chunk = $4 WHERE o.relay OPERATOR(pg_catalog.=) $1 "
	"AND o.seq OPERATOR(pg_catalog.=) $2",
	4, {INT4OID, INT8OID, INT4OID, BYTEAOID}
};

static KafkaStatement discard_statement = {
	"DELETE FROM kafka.outbox o WHERE o.relay OPERATOR(pg_catalog.=) $1",
	1, {INT4OID}
};

#define UNSENT \
	"FROM kafka.outbox o LEFT JOIN LATERAL (SELECT t AS newest FROM kafka.outbox_ticks t " \
	"WHERE t.relay OPERATOR(pg_catalog.=) o.relay ORDER BY t.tick USING OPERATOR(pg_catalog.>) LIMIT 1) n ON true " \
	"WHERE NOT COALESCE(kafka.outbox_is_published(o.seq, o.xid, n.newest), false)"

static KafkaStatement unsent_statement = {
	"SELECT COALESCE(pg_catalog.sum(o.records), 0) " UNSENT " AND o.relay OPERATOR(pg_catalog.=) $1",
	1, {INT4OID}
};

static KafkaStatement unsent_by_relay_statement = {
	"SELECT r.id, u.records, u.oldest FROM kafka.outbox_relays r "
	"LEFT JOIN LATERAL (SELECT t AS newest FROM kafka.outbox_ticks t "
	"WHERE t.relay OPERATOR(pg_catalog.=) r.id ORDER BY t.tick USING OPERATOR(pg_catalog.>) LIMIT 1) n ON true, "
	"LATERAL (SELECT pg_catalog.sum(o.records) AS records, pg_catalog.min(o.stored_at) AS oldest FROM kafka.outbox o "
	"WHERE o.relay OPERATOR(pg_catalog.=) r.id "
	"AND NOT COALESCE(kafka.outbox_is_published(o.seq, o.xid, n.newest), false)) u WHERE u.records IS NOT NULL",
	0
};

static KafkaStatement unsent_in_part_statement = {
	"SELECT 1 " UNSENT " AND o.part OPERATOR(pg_catalog.=) $1 LIMIT 1",
	1, {INT4OID}
};

static KafkaStatement move_statement = {
	"INSERT INTO kafka.outbox (part, relay, seq, xid, topic, records, stored_at, chunk) "
	"SELECT $2, o.relay, o.seq, o.xid, o.topic, o.records, o.stored_at, o.chunk "
	UNSENT " AND o.part OPERATOR(pg_catalog.=) $1",
	2, {INT4OID, INT4OID}
};

/* The part that is written to, so many seconds from now. */
static int
part_in(int seconds)
{
	return (int) ((GetCurrentTimestamp() / USECS_PER_SEC + seconds) / TURN_SECONDS % LEFT_OVER_PART);
}

/* Bytes as a value. */
static Datum
make_bytea(const char *data, int length)
{
	return PointerGetDatum(cstring_to_text_with_len(data, length));
}

void
kfdw_outbox_store(int relay, const char *topic, int records, const char *data, int length)
{
	KafkaCatalogScope scope;
	Datum		values[5];

	kfdw_catalog_begin(&scope);
	values[0] = Int32GetDatum(part_in(0));
	values[1] = Int32GetDatum(relay);
	values[2] = CStringGetTextDatum(topic);
	values[3] = Int32GetDatum(records);
	values[4] = make_bytea(data, length);
	(void) kfdw_catalog_write(&store_statement, values, NULL);
	kfdw_catalog_end(&scope);
}

/* A part's table. */
static Oid
part_table(int part)
{
	return kfdw_catalog_table(psprintf("outbox_%d", part));
}

void
kfdw_outbox_lock_to_read(void)
{
	for (int part = 0; part <= LEFT_OVER_PART; part++)
		LockRelationOid(part_table(part), AccessShareLock);
}

/* A row as a tick. */
static void *
make_tick(KafkaRow *row)
{
	KafkaTick  *tick = palloc0(sizeof(KafkaTick));

	tick->number = kfdw_row_int8(row);
	tick->base = kfdw_row_text(row);
	tick->snapshot = kfdw_row_text(row);
	tick->after_seq = kfdw_row_int8(row);
	tick->upto_seq = kfdw_row_int8(row);
	tick->is_last = kfdw_row_bool(row);
	tick->topic = kfdw_row_text(row);
	tick->published = kfdw_row_bool(row);
	return tick;
}

KafkaTick *
kfdw_outbox_get_tick(int relay)
{
	Datum		values[] = {Int32GetDatum(relay)};
	KafkaTick  *tick = kfdw_catalog_get(&tick_statement, values, make_tick);

	if (tick == NULL)
	{
		tick = palloc0(sizeof(KafkaTick));
		tick->base = tick->snapshot = FIRST_SNAPSHOT;
		tick->is_last = tick->published = true;
	}
	tick->relay = relay;
	return tick;
}

/* The newest snapshot as text, in the given context. */
static char *
take_snapshot(MemoryContext context)
{
	(void) kfdw_catalog_read(&snapshot_statement, NULL, NULL);
	return MemoryContextStrdup(context, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
}

/* The lowest number of a row that is visible in the tick's snapshot and not in its base; false: there is none. */
static bool
find_first(const KafkaTick *tick, int64 *seq)
{
	Datum		values[] = {Int32GetDatum(tick->relay), CStringGetTextDatum(tick->base), CStringGetTextDatum(tick->snapshot)};
	bool		isnull;

	(void) kfdw_catalog_read(&first_statement, values, NULL);
	*seq = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	return !isnull;
}

/* Appends a row to a list, in the given context. */
static const KafkaOutboxRow *
take_row(KafkaRow row, List **rows, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	KafkaOutboxRow *taken = palloc0(sizeof(KafkaOutboxRow));
	bytea	   *chunk;

	taken->seq = kfdw_row_int8(&row);
	taken->topic = kfdw_row_text(&row);
	taken->records = kfdw_row_int4(&row);
	chunk = DatumGetByteaPCopy(kfdw_row_value(&row));
	taken->length = VARSIZE_ANY_EXHDR(chunk);
	taken->data = VARDATA_ANY(chunk);
	*rows = lappend(*rows, taken);
	MemoryContextSwitchTo(old);
	return taken;
}

/*
 * Reads rows of the tick from a number on, by their numbers; stops when there is enough
 * for a tick, unless all up to its last one are wanted.  True when it came to the end.
 */
static bool
read_rows(const KafkaTick *tick, int64 from, int64 upto, bool limited, List **rows, MemoryContext context)
{
	Datum		values[] = {Int32GetDatum(tick->relay), CStringGetTextDatum(tick->base),
	CStringGetTextDatum(tick->snapshot), Int64GetDatum(from), Int64GetDatum(upto)};
	Portal		cursor = kfdw_catalog_open_cursor(&rows_statement, values);
	int64		bytes = 0;
	int64		records = 0;
	bool		enough = false;
	bool		at_end = false;

	while (!at_end && !enough)
	{
		SPI_cursor_fetch(cursor, true, FETCH_ROWS);
		at_end = SPI_processed == 0;
		for (uint64 i = 0; i < SPI_processed && !enough; i++)
		{
			const KafkaOutboxRow *row = take_row(kfdw_catalog_row(i), rows, context);

			bytes += row->length;
			records += row->records;
			enough = limited && (bytes >= TICK_BYTES || records >= TICK_RECORDS);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	kfdw_catalog_close_cursor(cursor);
	return at_end;
}

bool
kfdw_outbox_next_tick(KafkaTick *tick, List **rows)
{
	MemoryContext context = CurrentMemoryContext;
	KafkaCatalogScope scope;
	int64		from = tick->upto_seq + 1;
	bool		found = !tick->is_last;
	KafkaTick	next = *tick;

	*rows = NIL;
	kfdw_catalog_begin(&scope);
	if (tick->is_last)
	{
		next.base = tick->snapshot;
		next.snapshot = take_snapshot(context);
		found = find_first(&next, &from);
	}
	if (found)
	{
		next.number++;
		next.after_seq = from - 1;
		next.is_last = read_rows(&next, from, PG_INT64_MAX, true, rows, context);
		next.upto_seq = *rows == NIL ? next.after_seq : ((KafkaOutboxRow *) llast(*rows))->seq;
		next.published = false;
		*tick = next;
	}
	kfdw_catalog_end(&scope);
	return found;
}

void
kfdw_outbox_write_tick(const KafkaTick *tick, int64 before)
{
	KafkaCatalogScope scope;
	Datum		replaced[] = {Int32GetDatum(tick->relay), Int64GetDatum(before), Int64GetDatum(tick->number)};
	Datum		values[9];

	kfdw_catalog_begin(&scope);
	(void) kfdw_catalog_write(&delete_ticks_statement, replaced, NULL);
	values[0] = Int32GetDatum(tick->relay);
	values[1] = Int64GetDatum(tick->number);
	values[2] = CStringGetTextDatum(tick->base);
	values[3] = CStringGetTextDatum(tick->snapshot);
	values[4] = Int64GetDatum(tick->after_seq);
	values[5] = Int64GetDatum(tick->upto_seq);
	values[6] = BoolGetDatum(tick->is_last);
	values[7] = CStringGetTextDatum(tick->topic);
	values[8] = BoolGetDatum(tick->published);
	(void) kfdw_catalog_write(&insert_tick_statement, values, NULL);
	kfdw_catalog_end(&scope);
}

List *
kfdw_outbox_read_rows(const KafkaTick *tick)
{
	MemoryContext context = CurrentMemoryContext;
	KafkaCatalogScope scope;
	List	   *rows = NIL;

	kfdw_catalog_begin(&scope);
	(void) read_rows(tick, tick->after_seq + 1, tick->upto_seq, false, &rows, context);
	kfdw_catalog_end(&scope);
	return rows;
}

void
kfdw_outbox_change_row(const KafkaTick *tick, const KafkaOutboxRow *row)
{
	Datum		values[] = {Int32GetDatum(tick->relay), Int64GetDatum(row->seq), Int32GetDatum(row->records),
	make_bytea(row->data, row->length)};

	if (kfdw_catalog_change(&change_statement, values) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("records of the outbox were discarded while they were published")));
}

void
kfdw_outbox_skip_rows(KafkaTick *tick)
{
	MemoryContext context = CurrentMemoryContext;
	KafkaCatalogScope scope;

	kfdw_catalog_begin(&scope);
	tick->base = tick->snapshot = take_snapshot(context);
	tick->after_seq = tick->upto_seq = 0;
	tick->is_last = tick->published = true;
	kfdw_catalog_end(&scope);
}

int64
kfdw_outbox_count_unsent(int relay)
{
	Datum		values[] = {Int32GetDatum(relay)};
	KafkaCatalogScope scope;
	KafkaRow	row;
	int64		records;

	kfdw_outbox_lock_to_read();
	kfdw_catalog_begin(&scope);
	(void) kfdw_catalog_read(&unsent_statement, values, NULL);
	row = kfdw_catalog_row(0);
	records = kfdw_row_int8(&row);
	kfdw_catalog_end(&scope);
	return records;
}

static void *
make_unsent(KafkaRow *row)
{
	KafkaUnsent *unsent = palloc(sizeof(KafkaUnsent));

	unsent->relay = kfdw_row_int4(row);
	unsent->records = kfdw_row_int8(row);
	unsent->oldest = kfdw_row_int8(row);
	return unsent;
}

/*
 * The locks are given back at once: a transaction that has looked, and stays open, must not
 * keep the parts from being emptied.
 */
List *
kfdw_outbox_list_unsent(void)
{
	ResourceOwner outer = CurrentResourceOwner;
	ResourceOwner own = ResourceOwnerCreate(outer, "kafka_fdw look at the outbox");
	List	   *list;

	CurrentResourceOwner = own;
	kfdw_outbox_lock_to_read();
	list = kfdw_catalog_list(&unsent_by_relay_statement, NULL, make_unsent);
	CurrentResourceOwner = outer;
	ResourceOwnerRelease(own, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	ResourceOwnerRelease(own, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(own, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
	ResourceOwnerDelete(own);
	return list;
}

void
kfdw_outbox_discard_rows(int relay)
{
	Datum		values[] = {Int32GetDatum(relay)};

	kfdw_outbox_lock_to_read();
	(void) kfdw_catalog_change(&discard_statement, values);
}

/* Bytes of a part with all that belongs to it. */
static int64
part_size(int part)
{
	return DatumGetInt64(DirectFunctionCall1(pg_total_relation_size, ObjectIdGetDatum(part_table(part))));
}

/* True for a part that has, or had, rows. */
static bool
is_used(int part)
{
	Relation	table = table_open(part_table(part), AccessShareLock);
	BlockNumber blocks = RelationGetNumberOfBlocks(table);

	table_close(table, AccessShareLock);
	return blocks > 0;
}

/* Locks a part alone, if nobody uses it. */
static bool
take_part(int part)
{
	return ConditionalLockRelationOid(part_table(part), AccessExclusiveLock);
}

/* Moves what is not published from a part that is this transaction's alone to another one. */
static void
empty_part(int part, int to)
{
	Datum		values[] = {Int32GetDatum(part), Int32GetDatum(to)};

	(void) kfdw_catalog_change(&move_statement, values);
	kfdw_catalog_truncate(part_table(part));
}

/*
 * What is left over may be published by and by, or soon but for what is for brokers that are
 * gone.  When that is so much that it may be the larger half, the rest makes a detour by a
 * part that is not written to.
 */
static void
clean_left_over(int idle)
{
	static int64 size_after = 0;	/* the last time */
	Datum		values[] = {Int32GetDatum(LEFT_OVER_PART)};

	if (!kfdw_catalog_has_row(&unsent_in_part_statement, values))
		size_after = 0;
	else if (idle < 0 || part_size(LEFT_OVER_PART) < 2 * size_after + LEFT_OVER_SLACK || !take_part(idle))
		return;
	empty_part(LEFT_OVER_PART, Max(idle, 0));
	if (idle >= 0)
		size_after = part_size(idle);
}

void
kfdw_outbox_clean(void)
{
	int			idle = -1;		/* the part that is neither written to nor about to be */

	/* two at a time would wait for each other's parts */
	if (!kfdw_catalog_try_alone("outbox"))
		return;
	for (int part = 0; part < LEFT_OVER_PART; part++)
		if (part != part_in(TURN_SLACK_SECONDS) && part != part_in(-TURN_SLACK_SECONDS))
			idle = part;
	if (idle >= 0 && is_used(idle) && take_part(idle))
		empty_part(idle, LEFT_OVER_PART);
	if (is_used(LEFT_OVER_PART) && take_part(LEFT_OVER_PART))
		clean_left_over(idle);
}

void
kfdw_outbox_forget(void)
{
	for (int part = 0; part <= LEFT_OVER_PART; part++)
		kfdw_catalog_truncate(part_table(part));
	kfdw_catalog_truncate(kfdw_catalog_table("outbox_ticks"));
}
