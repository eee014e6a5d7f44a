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

static KafkaStatement delete_server_statement = {
	"DELETE FROM kafka.offsets o WHERE o.server OPERATOR(pg_catalog.=) $1",
	1, {TEXTOID}
};

static KafkaStatement rename_server_statement = {
	"UPDATE kafka.offsets o SET server = $1 WHERE o.server OPERATOR(pg_catalog.=) $2",
	2, {TEXTOID, TEXTOID}
};

/* A column of an SPI row as text, NULL where it is NULL. */
static char *
row_text(HeapTuple row, int column)
{
	return SPI_getvalue(row, SPI_tuptable->tupdesc, column);
}

/* A bigint column, which is not NULL, of an SPI row. */
static int64
row_int64(HeapTuple row, int column)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, column, &isnull));
}

/* Fills one position from a row, its strings in the caller's context. */
static void
read_row(HeapTuple row, KafkaPosition *position, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		isnull;

	position->exists = true;
	position->next_offset = row_int64(row, 2);
	position->generation = row_int64(row, 3);
	position->cluster_id = row_text(row, 4);
	position->topic_id = row_text(row, 5);
	position->updated_at = row_int64(row, 6);
	position->writer = DatumGetTransactionId(SPI_getbinval(row, SPI_tuptable->tupdesc, 7, &isnull));
	position->tid = *(ItemPointer) DatumGetPointer(SPI_getbinval(row, SPI_tuptable->tupdesc, 8, &isnull));
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
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		int32		p = DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));

		if (p >= 0 && p < npartitions)
			read_row(row, &positions[p], context);
	}
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
	bool		isnull;

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
		position->tid = *(ItemPointer) DatumGetPointer(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	kfdw_catalog_end(&scope);

	if (written != 1)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not move the position of consumer group \"%s\" in topic \"%s\", partition %d: it was changed concurrently",
						key->group_id, key->topic, position->partition),
				 errhint("The transaction might succeed if retried.")));
}

/* A row of another transaction is NULL. */
static KafkaWrittenPosition *
read_written(HeapTuple row)
{
	KafkaWrittenPosition *position;
	bool		isnull;

	if (!TransactionIdIsCurrentTransactionId(DatumGetTransactionId(SPI_getbinval(row, SPI_tuptable->tupdesc, 4, &isnull))))
		return NULL;
	position = palloc(sizeof(KafkaWrittenPosition));
	position->topic = row_text(row, 1);
	position->partition = DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull));
	position->next_offset = row_int64(row, 3);
	return position;
}

List *
kfdw_offsets_list_written(const char *server, const char *group_id)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[] = {CStringGetTextDatum(server), CStringGetTextDatum(group_id)};
	List	   *written = NIL;
	KafkaCatalogScope scope;
	uint64		rows;

	kfdw_catalog_begin(&scope);
	rows = kfdw_catalog_read(&written_statement, values, NULL);
	for (uint64 i = 0; i < rows; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		KafkaWrittenPosition *position = read_written(SPI_tuptable->vals[i]);

		if (position != NULL)
			written = lappend(written, position);
		MemoryContextSwitchTo(old);
	}
	kfdw_catalog_end(&scope);
	return written;
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
kfdw_offsets_rename_server(const char *old_name, const char *new_name)
{
	Datum		values[] = {CStringGetTextDatum(new_name), CStringGetTextDatum(old_name)};

	/* rows of the new name are of a server that was dropped: the name was free */
	(void) kfdw_catalog_change(&delete_server_statement, values);
	(void) kfdw_catalog_change(&rename_server_statement, values);
}
