/*
 * instance.c
 *	  The row of kafka.instance: the database in which positions move.
 *
 * It names the table that it is in, too: that tells a dump that was restored in its own
 * database, where what streams write to and join with may come after it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "catalog/instance.h"
#include "catalog/roles.h"
#include "catalog/spi.h"

/* The values that tell this database from others. */
#define IDENTITY_COUNT 3

static KafkaStatement read_statement = {
	"SELECT i.system_identifier OPERATOR(pg_catalog.=) $1 AND i.database_oid OPERATOR(pg_catalog.=) $2 "
	"AND i.table_oid OPERATOR(pg_catalog.=) $3, i.xmin FROM kafka.instance i",
	IDENTITY_COUNT, {INT8OID, OIDOID, OIDOID}
};

static KafkaStatement insert_statement = {
	"INSERT INTO kafka.instance (system_identifier, database_oid, table_oid) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
	IDENTITY_COUNT, {INT8OID, OIDOID, OIDOID}
};

static KafkaStatement id_statement = {
	"SELECT i.id FROM kafka.instance i",
	0
};

static KafkaStatement adopt_statement = {
	"UPDATE kafka.instance i SET system_identifier = $1, database_oid = $2, table_oid = $3, "
	"id = CASE WHEN $4 THEN pg_catalog.gen_random_uuid() ELSE i.id END",
	IDENTITY_COUNT + 1, {INT8OID, OIDOID, OIDOID, BOOLOID}
};

/* What the row of this database has of them. */
static void
fill_identity(Datum *values)
{
	values[0] = Int64GetDatum((int64) GetSystemIdentifier());
	values[1] = ObjectIdGetDatum(MyDatabaseId);
	values[2] = ObjectIdGetDatum(kfdw_catalog_table("instance"));
}

/* Reads the row; is_final: it is committed. */
static KafkaInstanceState
read_state(bool *is_final)
{
	KafkaInstanceState state = KAFKA_INSTANCE_NONE;
	KafkaCatalogScope scope;
	Datum		values[IDENTITY_COUNT];

	*is_final = false;
	kfdw_catalog_begin(&scope);
	fill_identity(values);
	if (kfdw_catalog_read(&read_statement, values, NULL) > 0)
	{
		KafkaRow	row = kfdw_catalog_row(0);

		state = kfdw_row_bool(&row) ? KAFKA_INSTANCE_OURS : KAFKA_INSTANCE_FOREIGN;
		*is_final = !TransactionIdIsCurrentTransactionId(kfdw_row_xid(&row));
	}
	kfdw_catalog_end(&scope);
	return state;
}

KafkaInstanceState
kfdw_instance_state(void)
{
	bool		is_final;

	return read_state(&is_final);
}

/*
 * What is ours stays so while the server runs, unless the extension is created anew:
 * then the table is another one.
 */
bool
kfdw_instance_check(void)
{
	static Oid	ours = InvalidOid;
	Oid			relid = kfdw_catalog_table("instance");
	KafkaInstanceState state;
	bool		is_final;

	if (relid == ours)
		return true;
	state = read_state(&is_final);
	if (state == KAFKA_INSTANCE_FOREIGN)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the positions and streams of this database belong to another one"),
				 errdetail("They came with a dump or a copy of a database, or its cluster was upgraded."),
				 errhint("SELECT kafka.adopt_instance('keep') goes on in place of the other one, 'new' beside it.")));
	if (state == KAFKA_INSTANCE_OURS && is_final)
		ours = relid;
	return state == KAFKA_INSTANCE_OURS;
}

/* Inserts the row, unless there is one. */
static void
insert_row(void)
{
	Datum		values[IDENTITY_COUNT];

	fill_identity(values);
	(void) kfdw_catalog_change(&insert_statement, values);
}

void
kfdw_instance_ensure(void)
{
	if (kfdw_instance_check())
		return;
	kfdw_catalog_be_alone("instance");
	insert_row();
}

char *
kfdw_instance_name(void)
{
	MemoryContext context = CurrentMemoryContext;
	KafkaCatalogScope scope;
	char	   *id;

	if (!kfdw_instance_check())
		return psprintf(UINT64_FORMAT, GetSystemIdentifier());
	kfdw_catalog_begin(&scope);
	if (kfdw_catalog_read(&id_statement, NULL, NULL) != 1)
		elog(ERROR, "table kafka.instance has no row");
	id = MemoryContextStrdup(context, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	kfdw_catalog_end(&scope);
	return id;
}

void
kfdw_instance_adopt(bool new_id)
{
	Datum		values[IDENTITY_COUNT + 1];

	fill_identity(values);
	values[IDENTITY_COUNT] = BoolGetDatum(new_id);
	(void) kfdw_catalog_change(&adopt_statement, values);
	kfdw_roles_renew();
}
