/*
 * instance.c
 *	  The row of kafka.instance: the identity under which workers run.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "catalog/instance.h"
#include "catalog/spi.h"

static KafkaStatement read_statement = {
	"SELECT i.system_identifier OPERATOR(pg_catalog.=) $1 AND i.database_oid OPERATOR(pg_catalog.=) $2 "
	"FROM kafka.instance i",
	2, {INT8OID, OIDOID}
};

static KafkaStatement insert_statement = {
	"INSERT INTO kafka.instance (system_identifier, database_oid) VALUES ($1, $2) ON CONFLICT DO NOTHING",
	2, {INT8OID, OIDOID}
};

static KafkaStatement adopt_statement = {
	"UPDATE kafka.instance i SET system_identifier = $1, database_oid = $2, "
	"id = CASE WHEN $3 THEN pg_catalog.gen_random_uuid() ELSE i.id END",
	3, {INT8OID, OIDOID, BOOLOID}
};

/* What the row of this database holds. */
static void
fill_identity(Datum *values)
{
	values[0] = Int64GetDatum((int64) GetSystemIdentifier());
	values[1] = ObjectIdGetDatum(MyDatabaseId);
}

KafkaInstanceState
kfdw_instance_state(void)
{
	KafkaInstanceState state = KAFKA_INSTANCE_NONE;
	KafkaCatalogScope scope;
	Datum		values[2];
	bool		isnull;

	kfdw_catalog_begin(&scope);
	fill_identity(values);
	if (kfdw_catalog_read(&read_statement, values, NULL) > 0)
		state = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) ?
			KAFKA_INSTANCE_OURS : KAFKA_INSTANCE_FOREIGN;
	kfdw_catalog_end(&scope);
	return state;
}

void
kfdw_instance_ensure(void)
{
	KafkaCatalogScope scope;
	Datum		values[2];

	if (kfdw_instance_state() == KAFKA_INSTANCE_FOREIGN)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the streams of this database belong to another one"),
				 errdetail("It was restored or copied from there, or its cluster was upgraded."),
				 errhint("SELECT kafka.adopt_instance('keep') goes on in place of the other one, 'new' beside it.")));
	kfdw_catalog_begin(&scope);
	fill_identity(values);
	kfdw_catalog_write(&insert_statement, values, NULL);
	kfdw_catalog_end(&scope);
}

void
kfdw_instance_adopt(bool new_id)
{
	KafkaCatalogScope scope;
	Datum		values[3];

	kfdw_catalog_begin(&scope);
	fill_identity(values);
	values[2] = BoolGetDatum(new_id);
	kfdw_catalog_write(&adopt_statement, values, NULL);
	kfdw_catalog_end(&scope);
}
