/*
 * offsets.c
 *	  The rows of kafka.offsets: the positions of consumer groups.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "catalog/offsets.h"
#include "catalog/spi.h"

static KafkaStatement read_statement = {
	"SELECT o.partition, o.next_offset, o.generation, o.cluster_id, o.topic_id, o.updated_at, o.xmin, o.ctid FROM kafka.offsets o "
	"WHERE o.server OPERATOR(pg_catalog.=) $1 AND o.group_id OPERATOR(pg_catalog.=) $2 "
	"AND o.topic OPERATOR(pg_catalog.=) $3",
	3, {TEXTOID, TEXTOID, TEXTOID}
};

static KafkaStatement insert_statement = {
	"INSERT INTO kafka.offsets (server, group_id, topic, partition, next_offset, cluster_id, topic_id, generation, updated_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, pg_catalog.clock_timestamp()) ON CONFLICT DO NOTHING "
	"RETURNING ctid",
	8, {TEXTOID, TEXTOID, TEXTOID, INT4OID, INT8OID, TEXTOID, TEXTOID, INT8OID}
};

#define UPDATE_ROW \
	"UPDATE kafka.offsets o SET next_offset = $5, " \
	"cluster_id = COALESCE($6, o.cluster_id), topic_id = COALESCE($7, o.topic_id), generation = $8, " \
	"updated_at = pg_catalog.clock_timestamp() " \
	"WHERE o.server OPERATOR(pg_catalog.=) $1 AND o.group_id OPERATOR(pg_catalog.=) $2 " \
	"AND o.topic OPERATOR(pg_catalog.=) $3 AND o.partition OPERATOR(pg_catalog.=) $4 " \
	"AND o.next_offset OPERATOR(pg_catalog.=) $9 AND o.generation OPERATOR(pg_catalog.=) $10 "

static KafkaStatement update_statement = {
	UPDATE_ROW "RETURNING o.ctid",
	10, {TEXTOID, TEXTOID, TEXTOID, INT4OID, INT8OID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID}
};

/*
 * The index leads to all versions of a row that an old snapshot keeps from being removed,
 * which are as many as the position was moved since.  So it is not asked where the row is.
 */
static KafkaStatement update_there_statement = {
	UPDATE_ROW "AND o.ctid OPERATOR(pg_catalog.=) $11 RETURNING o.ctid",
	11, {TEXTOID, TEXTOID, TEXTOID, INT4OID, INT8OID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID, TIDOID}
};

static KafkaStatement written_statement = {
	"SELECT o.topic, o.partition, o.next_offset, o.xmin FROM kafka.offsets o "
	"WHERE o.server OPERATOR(pg_catalog.=) $1 AND o.group_id OPERATOR(pg_catalog.=) $2",
	2, {TEXTOID, TEXTOID}
};

static KafkaStatement group_statement = {
	"SELECT 1 FROM kafka.offsets o WHERE o.group_id OPERATOR(pg_catalog.=) $1 LIMIT 1",
	1, {TEXTOID}
};

static KafkaStatement delete_group_statement = {
	"DELETE FROM kafka.offsets o WHERE o.group_id OPERATOR(pg_catalog.=) $1",
	1, {TEXTOID}
};

static KafkaStatement delete_partitions_statement = {
	"DELETE FROM kafka.offsets o WHERE o.server OPERATOR(pg_catalog.=) $1 AND o.group_id OPERATOR(pg_catalog.=) $2 "
	"AND o.topic OPERATOR(pg_catalog.=) $3 AND o.partition OPERATOR(pg_catalog.>=) $4 "
	"AND (o.topic_id OPERATOR(pg_catalog.=) $5) IS NOT TRUE",
	5, {TEXTOID, TEXTOID, TEXTOID, INT4OID, TEXTOID}
};

static KafkaStatement rename_server_statement = {
	"UPDATE kafka.offsets o SET server = $1 WHERE o.server OPERATOR(pg_catalog.=) $2",
	2, {TEXTOID, TEXTOID}
};

/* Where a row is; a column of its own. */
static ItemPointerData
row_tid(KafkaRow *row)
{
	return *(ItemPointer) DatumGetPointer(kfdw_row_value(row));
}

/* Fills the position of a row's partition, if that is one of so many; its strings in the caller's context. */
static void
read_row(KafkaRow row, KafkaPosition *positions, int npartitions, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	int32		partition = kfdw_row_int4(&row);

	if (partition >= 0 && partition < npartitions)
	{
		KafkaPosition *position = &positions[partition];

		position->exists = true;
		position->next_offset = kfdw_row_int8(&row);
		position->generation = kfdw_row_int8(&row);
		position->cluster_id = kfdw_row_text(&row);
		position->topic_id = kfdw_row_text(&row);
		position->updated_at = kfdw_row_int8(&row);
		position->writer = kfdw_row_xid(&row);
		position->tid = row_tid(&row);
	}
	MemoryContextSwitchTo(old);
}

/* The positions of a group in a topic as a snapshot has them; NULL: the newest. */
static KafkaPosition *
read_positions(const KafkaPositionKey *key, int npartitions, Snapshot snapshot)
{
	MemoryContext context = CurrentMemoryContext;
	KafkaPosition *positions = palloc0_array(KafkaPosition, Max(npartitions, 1));
	KafkaCatalogScope scope;
	Datum		values[3];
	uint64		rows;

	for (int p = 0; p < npartitions; p++)
		positions[p].partition = p;
	kfdw_catalog_begin(&scope);
	values[0] = CStringGetTextDatum(key->server);
	values[1] = CStringGetTextDatum(key->group_id);
	values[2] = CStringGetTextDatum(key->topic);
	if (snapshot != NULL)
		rows = kfdw_catalog_read_as_of(&read_statement, values, NULL, snapshot);
	else
		rows = kfdw_catalog_read(&read_statement, values, NULL);
	for (uint64 i = 0; i < rows; i++)
		read_row(kfdw_catalog_row(i), positions, npartitions, context);
	kfdw_catalog_end(&scope);
	return positions;
}

KafkaPosition *
kfdw_offsets_read(const KafkaPositionKey *key, int npartitions)
{
	return read_positions(key, npartitions, NULL);
}

KafkaPosition *
kfdw_offsets_read_as_of(const KafkaPositionKey *key, int npartitions, Snapshot snapshot)
{
	return read_positions(key, npartitions, snapshot);
}

/* Inserts the row of a position, or updates it; returns the number of rows. */
static uint64
write_row(const KafkaPosition *position, Datum *values, const char *nulls)
{
	if (!position->exists)
		return kfdw_catalog_write(&insert_statement, values, nulls);
	return kfdw_catalog_write(&update_there_statement, values, nulls) ||
		kfdw_catalog_write(&update_statement, values, nulls);
}

void
kfdw_offsets_write(const KafkaPositionKey *key, KafkaPosition *position, const KafkaPosition *becomes)
{
	KafkaCatalogScope scope;
	Datum		values[11];
	char		nulls[] = "           ";
	uint64		written;

	kfdw_catalog_begin(&scope);
	values[0] = CStringGetTextDatum(key->server);
	values[1] = CStringGetTextDatum(key->group_id);
	values[2] = CStringGetTextDatum(key->topic);
	values[3] = Int32GetDatum(position->partition);
	values[4] = Int64GetDatum(becomes->next_offset);
	values[5] = becomes->cluster_id ? CStringGetTextDatum(becomes->cluster_id) : (Datum) 0;
	values[6] = becomes->topic_id ? CStringGetTextDatum(becomes->topic_id) : (Datum) 0;
	values[7] = Int64GetDatum(becomes->generation);
	values[8] = Int64GetDatum(position->next_offset);
	values[9] = Int64GetDatum(position->generation);
	values[10] = PointerGetDatum(&position->tid);
	nulls[5] = becomes->cluster_id ? ' ' : 'n';
	nulls[6] = becomes->topic_id ? ' ' : 'n';
	written = write_row(position, values, nulls);
	if (written == 1)
	{
		KafkaRow	row = kfdw_catalog_row(0);

		position->tid = row_tid(&row);
	}
	kfdw_catalog_end(&scope);

	if (written != 1)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not move the position of consumer group \"%s\" in topic \"%s\", partition %d: it was changed concurrently",
						key->group_id, key->topic, position->partition),
				 errhint("The transaction might succeed if retried.")));
}

/* A row as a position; one of another transaction is NULL. */
static void *
make_written(KafkaRow *row)
{
	KafkaWrittenPosition *position = palloc(sizeof(KafkaWrittenPosition));

	position->topic = kfdw_row_text(row);
	position->partition = kfdw_row_int4(row);
	position->next_offset = kfdw_row_int8(row);
	return TransactionIdIsCurrentTransactionId(kfdw_row_xid(row)) ? position : NULL;
}

List *
kfdw_offsets_list_written(const char *server, const char *group_id)
{
	Datum		values[] = {CStringGetTextDatum(server), CStringGetTextDatum(group_id)};

	return kfdw_catalog_list(&written_statement, values, make_written);
}

bool
kfdw_offsets_has_group(const char *group_id)
{
	Datum		values[] = {CStringGetTextDatum(group_id)};

	return kfdw_catalog_has_row(&group_statement, values);
}

void
kfdw_offsets_delete_group(const char *group_id)
{
	Datum		values[] = {CStringGetTextDatum(group_id)};

	(void) kfdw_catalog_change(&delete_group_statement, values);
}

void
kfdw_offsets_delete_partitions(const KafkaPositionKey *key, int first, const char *topic_id)
{
	Datum		values[] = {
		CStringGetTextDatum(key->server), CStringGetTextDatum(key->group_id), CStringGetTextDatum(key->topic),
		Int32GetDatum(first), CStringGetTextDatum(topic_id != NULL ? topic_id : "")
	};

	(void) kfdw_catalog_change(&delete_partitions_statement, values);
}

void
kfdw_offsets_rename_server(const char *old_name, const char *new_name)
{
	Datum		values[] = {CStringGetTextDatum(new_name), CStringGetTextDatum(old_name)};

	(void) kfdw_catalog_change(&rename_server_statement, values);
}
