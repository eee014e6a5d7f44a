/*
 * administration.c
 *	  kafka.brokers(), kafka.topics(), kafka.partitions(), kafka.check_copartitioned(), and
 *	  the functions that create, drop and enlarge topics.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "compat.h"
#include "delivery/partitioner.h"
#include "function/column.h"
#include "function/rights.h"
#include "kafka/cluster.h"
#include "option/options.h"
#include "option/table.h"

/* What a length of 16 bits with a sign can say. */
#define MAX_PROPERTY_LENGTH PG_INT16_MAX

PG_FUNCTION_INFO_V1(kfdw_brokers);
PG_FUNCTION_INFO_V1(kfdw_topics);
PG_FUNCTION_INFO_V1(kfdw_partitions);
PG_FUNCTION_INFO_V1(kfdw_check_copartitioned);
PG_FUNCTION_INFO_V1(kfdw_create_topic);
PG_FUNCTION_INFO_V1(kfdw_drop_topic);
PG_FUNCTION_INFO_V1(kfdw_add_partitions);

/* The columns of kafka.brokers(). */
enum
{
	BROKER_ID,
	BROKER_HOST,
	BROKER_PORT,
	BROKER_IS_CONTROLLER,
	BROKER_COLUMNS
};

/* The columns of kafka.topics(). */
enum
{
	TOPIC_NAME,
	TOPIC_PARTITIONS,
	TOPIC_REPLICATION_FACTOR,
	TOPIC_COLUMNS
};

/* The columns of kafka.partitions(). */
enum
{
	PARTITION_TOPIC,
	PARTITION_NUMBER,
	PARTITION_LEADER,
	PARTITION_REPLICAS,
	PARTITION_IN_SYNC_REPLICAS,
	PARTITION_COLUMNS
};

/* The arguments of kafka.create_topic(). */
enum
{
	CREATE_SERVER,
	CREATE_NAME,
	CREATE_PARTITIONS,
	CREATE_REPLICATION_FACTOR,
	CREATE_CONFIG
};

/* What a server of ours says, to a user who may use it. */
static const KafkaConfig *
get_server(const text *argument)
{
	const char *name = text_to_cstring(argument);
	ForeignServer *server = GetForeignServerByName(name, false);

	if (!kfdw_options_is_our_server(server->serverid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not one of kafka_fdw", name)));
	if (!kfdw_server_may_be_used(server->serverid, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FOREIGN_SERVER, name);
	return &kfdw_options_server(server->serverid, GetUserId())->consumer;
}

Datum
kfdw_brokers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	KafkaCluster *cluster = kfdw_cluster_ask(get_server(PG_GETARG_TEXT_PP(0)), NULL);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < cluster->nbrokers; i++)
	{
		const KafkaClusterBroker *broker = &cluster->brokers[i];
		Datum		values[BROKER_COLUMNS];
		bool		nulls[BROKER_COLUMNS];

		kfdw_set_column(values, nulls, BROKER_ID, Int32GetDatum(broker->id), true);
		kfdw_set_column(values, nulls, BROKER_HOST, CStringGetTextDatum(broker->host), true);
		kfdw_set_column(values, nulls, BROKER_PORT, Int32GetDatum(broker->port), true);
		kfdw_set_column(values, nulls, BROKER_IS_CONTROLLER, BoolGetDatum(broker->is_controller), true);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}

Datum
kfdw_topics(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	KafkaCluster *cluster = kfdw_cluster_ask(get_server(PG_GETARG_TEXT_PP(0)), NULL);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < cluster->ntopics; i++)
	{
		const KafkaClusterTopic *topic = &cluster->topics[i];
		int			replicas = topic->npartitions > 0 ? topic->partitions[0].nreplicas : 0;
		Datum		values[TOPIC_COLUMNS];
		bool		nulls[TOPIC_COLUMNS];

		kfdw_set_column(values, nulls, TOPIC_NAME, CStringGetTextDatum(topic->name), true);
		kfdw_set_column(values, nulls, TOPIC_PARTITIONS, Int32GetDatum(topic->npartitions), true);
		kfdw_set_column(values, nulls, TOPIC_REPLICATION_FACTOR, Int32GetDatum(replicas), replicas > 0);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}

/* The ids of brokers as an array. */
static Datum
make_array(const int32 *ids, int count)
{
	Datum	   *elements = palloc((count + 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		elements[i] = Int32GetDatum(ids[i]);
	return PointerGetDatum(construct_array(elements, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/* A row for each partition of a topic. */
static void
put_partitions(ReturnSetInfo *result, const KafkaClusterTopic *topic)
{
	for (int p = 0; p < topic->npartitions; p++)
	{
		const KafkaClusterPartition *partition = &topic->partitions[p];
		Datum		values[PARTITION_COLUMNS];
		bool		nulls[PARTITION_COLUMNS];

		kfdw_set_column(values, nulls, PARTITION_TOPIC, CStringGetTextDatum(topic->name), true);
		kfdw_set_column(values, nulls, PARTITION_NUMBER, Int32GetDatum(partition->number), true);
		kfdw_set_column(values, nulls, PARTITION_LEADER, Int32GetDatum(partition->leader), partition->leader >= 0);
		kfdw_set_column(values, nulls, PARTITION_REPLICAS, make_array(partition->replicas, partition->nreplicas), true);
		kfdw_set_column(values, nulls, PARTITION_IN_SYNC_REPLICAS,
						make_array(partition->in_sync, partition->nin_sync), true);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* The options of a topic table that the user may read. */
static KafkaTableOptions *
get_table(Oid relid)
{
	kfdw_require_right(relid, ACL_SELECT);
	return kfdw_options_table(relid, GetUserId());
}

/* What brokers say of one of its topics, which must be there. */
static const KafkaClusterTopic *
ask_topic(const KafkaTableOptions *options, int index)
{
	const char *topic = options->selection.topics[index];
	KafkaCluster *cluster = kfdw_cluster_ask(&options->consumer, topic);

	if (cluster->ntopics != 1 || !cluster->topics[0].exists)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
				 errmsg("topic \"%s\" does not exist at \"%s\"", topic, options->consumer.bootstrap_servers)));
	return &cluster->topics[0];
}

Datum
kfdw_partitions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	KafkaTableOptions *options = get_table(PG_GETARG_OID(0));

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < options->selection.ntopics; i++)
		put_partitions(result, ask_topic(options, i));
	PG_RETURN_VOID();
}

/* Refuses a topic of a table that has not as many partitions as another one. */
static void
check_as_many(const KafkaClusterTopic *first, const KafkaTableOptions *options)
{
	for (int i = 0; i < options->selection.ntopics; i++)
	{
		const KafkaClusterTopic *topic = ask_topic(options, i);

		if (topic->npartitions != first->npartitions)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("topics \"%s\" and \"%s\" are not copartitioned: they have %d and %d partitions",
							first->name, topic->name, first->npartitions, topic->npartitions),
					 errdetail("Records of the same key are in partitions of different numbers."),
					 errhint("Write one of them into a topic with as many partitions as the other, by a stream.")));
	}
}

/* Raises an error where records of the same key in the topics of two tables can be in partitions of different numbers. */
Datum
kfdw_check_copartitioned(PG_FUNCTION_ARGS)
{
	KafkaTableOptions *tables[] = {get_table(PG_GETARG_OID(0)), get_table(PG_GETARG_OID(1))};
	KafkaKeyPartitioner left = kfdw_partitioner_of_keys(tables[0]->relid);
	KafkaKeyPartitioner right = kfdw_partitioner_of_keys(tables[1]->relid);
	const KafkaClusterTopic *first = ask_topic(tables[0], 0);

	check_as_many(first, tables[0]);
	check_as_many(first, tables[1]);
	if (left.placement == NULL || right.placement == NULL || strcmp(left.placement, right.placement) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("tables \"%s\" and \"%s\" are not copartitioned: their partitioners are \"%s\" and \"%s\"",
						get_rel_name(tables[0]->relid), get_rel_name(tables[1]->relid), left.name, right.name),
				 left.placement == NULL || right.placement == NULL ?
				 errdetail("Partitioner \"%s\" ignores the key.", left.placement == NULL ? left.name : right.name) :
				 errdetail("They put records of the same key into partitions of different numbers.")));
	PG_RETURN_VOID();
}

/* A scalar of jsonb as text. */
static const char *
value_text(const char *name, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return value->val.boolean ? "true" : "false";
		default:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the value of \"%s\" in the topic's configuration must be a string, a number or a boolean", name)));
	}
}

/* Lengths have 16 bits in a request, and the client does not look: the rest would be read as something else. */
static const char *
check_length(const char *property)
{
	if (strlen(property) > MAX_PROPERTY_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a name or a value in the topic's configuration has more than %d bytes", MAX_PROPERTY_LENGTH)));
	return property;
}

/* The same of a topic's name. */
static char *
get_topic_name(const text *argument)
{
	char	   *name = text_to_cstring(argument);
	const char *problem = kfdw_topic_name_problem(name);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name of a topic: \"%.*s\"", pg_mbcliplen(name, (int) strlen(name), NAMEDATALEN - 1), name),
				 errdetail_internal("%s", problem)));
	return name;
}

/* Adds the properties of a configuration, an object of scalars. */
static void
read_config(Jsonb *config, KafkaNewTopic *topic)
{
	JsonbIterator *iterator = JsonbIteratorInit(&config->root);
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(config))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the topic's configuration must be a JSON object")));
	topic->properties = palloc((JB_ROOT_COUNT(config) + 1) * sizeof(KafkaTopicProperty));
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		KafkaTopicProperty *property = &topic->properties[topic->nproperties];

		if (token == WJB_KEY)
			property->name = check_length(pnstrdup(value.val.string.val, value.val.string.len));
		else if (token == WJB_VALUE)
		{
			property->value = check_length(value_text(property->name, &value));
			topic->nproperties++;
		}
	}
}

/* A number that is counted from one; NULL: the broker's default. */
static int
get_count(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		return KAFKA_BROKER_DEFAULT;
	if (PG_GETARG_INT32(argument) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be at least 1", name)));
	return PG_GETARG_INT32(argument);
}

Datum
kfdw_create_topic(PG_FUNCTION_ARGS)
{
	KafkaNewTopic topic = {0};

	PreventCommandIfReadOnly("kafka.create_topic()");
	if (PG_ARGISNULL(CREATE_SERVER) || PG_ARGISNULL(CREATE_NAME))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("server and name cannot be null")));
	topic.name = get_topic_name(PG_GETARG_TEXT_PP(CREATE_NAME));
	topic.partitions = get_count(fcinfo, CREATE_PARTITIONS, "partitions");
	topic.replication_factor = get_count(fcinfo, CREATE_REPLICATION_FACTOR, "replication_factor");
	if (!PG_ARGISNULL(CREATE_CONFIG))
		read_config(PG_GETARG_JSONB_P(CREATE_CONFIG), &topic);
	kfdw_cluster_create_topic(get_server(PG_GETARG_TEXT_PP(CREATE_SERVER)), &topic);
	PG_RETURN_VOID();
}

Datum
kfdw_drop_topic(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("kafka.drop_topic()");
	kfdw_cluster_drop_topic(get_server(PG_GETARG_TEXT_PP(0)), get_topic_name(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

Datum
kfdw_add_partitions(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("kafka.add_partitions()");
	kfdw_cluster_add_partitions(get_server(PG_GETARG_TEXT_PP(0)), get_topic_name(PG_GETARG_TEXT_PP(1)),
								get_count(fcinfo, 2, "total"));
	PG_RETURN_VOID();
}
