/*
 * read.c
 *	  Reads the options of servers and topic tables, and checks those that are set.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "access/xact.h"
#include "catalog/pg_foreign_server.h"
#include "commands/defrem.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "option/check.h"
#include "option/name.h"
#include "option/options.h"
#include "option/read.h"

PG_FUNCTION_INFO_V1(kafka_fdw_validator);

/* Adds the options of one object; those that it does not set stay as they are. */
static void
read_options(List *options, int place, KafkaOptionSetting *settings)
{
	const char *names[KAFKA_OPTION_COUNT] = {0};
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);
		KafkaOptionId id = kfdw_option_find(def->defname, place);

		if (names[id] != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("options \"%s\" and \"%s\" are the same option", names[id], def->defname),
					 errhint("Set one of them only.")));
		names[id] = def->defname;
		settings[id] = kfdw_option_parse(&kfdw_option_table[id], defGetString(def));
		settings[id].given = place;
	}
}

/* The defaults of the table of options, and nothing else. */
static void
read_defaults(KafkaOptionSetting *settings)
{
	memset(settings, 0, KAFKA_OPTION_COUNT * sizeof(KafkaOptionSetting));
	for (int i = 0; i < KAFKA_OPTION_COUNT; i++)
		if (kfdw_option_table[i].def != NULL)
			settings[i] = kfdw_option_parse(&kfdw_option_table[i], kfdw_option_table[i].def);
}

/* The options of the user's mapping, or of the one for everybody; there may be none. */
static List *
user_mapping_options(Oid userid, Oid serverid)
{
	if (!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid), ObjectIdGetDatum(serverid)) &&
		!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid), ObjectIdGetDatum(serverid)))
		return NIL;
	return GetUserMapping(userid, serverid)->options;
}

/*
 * Idempotence is on unless it was switched off or acks does not allow it.  Without it one
 * request is in flight, as more could change places when one of them is sent again.
 */
static void
settle_idempotence(KafkaOptionSetting *settings)
{
	KafkaOptionSetting *idempotence = &settings[KAFKA_OPT_ENABLE_IDEMPOTENCE];
	KafkaOptionSetting *in_flight = &settings[KAFKA_OPT_MAX_IN_FLIGHT];

	if (!idempotence->given)
		idempotence->number = settings[KAFKA_OPT_ACKS].number == -1;
	idempotence->text = idempotence->number ? "true" : "false";
	if (!in_flight->given)
	{
		in_flight->number = idempotence->number ? MAX_IDEMPOTENT_IN_FLIGHT : 1;
		in_flight->text = psprintf("%d", in_flight->number);
	}
}

/* Checks the complete options of one object, whenever they are set. */
Datum
kafka_fdw_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	int			place = kfdw_option_place(PG_GETARG_OID(1));
	KafkaOptionSetting settings[KAFKA_OPTION_COUNT] = {{0}};

	/* what a server does not set is the default; what a table does not set may be its server's */
	if (place == KAFKA_ON_SERVER)
		read_defaults(settings);
	read_options(options, place, settings);
	if (place == KAFKA_ON_SERVER)
		settle_idempotence(settings);
	kfdw_option_check_object(settings, place);
	PG_RETURN_VOID();
}

/* What a server and a user's mapping say. */
static void
read_server(ForeignServer *server, Oid userid, KafkaOptionSetting *settings)
{
	read_defaults(settings);
	read_options(server->options, KAFKA_ON_SERVER, settings);
	read_options(user_mapping_options(userid, server->serverid), KAFKA_ON_USER_MAPPING, settings);
}

void
kfdw_option_read_table(Oid relid, Oid userid, KafkaOptionSetting *settings)
{
	ForeignTable *table = GetForeignTable(relid);

	read_server(GetForeignServer(table->serverid), userid, settings);
	read_options(table->options, KAFKA_ON_TABLE, settings);
	settle_idempotence(settings);
}

/* Appends a property; the array grows a few at a time. */
static void
add_property(KafkaConfig *config, KafkaProperty property)
{
	enum
	{
		STEP = 32
	};

	if (config->nproperties == 0)
		config->properties = palloc(STEP * sizeof(KafkaProperty));
	else if (config->nproperties % STEP == 0)
		config->properties = repalloc(config->properties,
									  (config->nproperties + STEP) * sizeof(KafkaProperty));
	config->properties[config->nproperties++] = property;
}

/* The properties of one of the two clients, always in the same order. */
static void
build_config(KafkaConfig *config, int direction, const KafkaOptionSetting *settings)
{
	int			protocol = settings[KAFKA_OPT_SECURITY_PROTOCOL].number;

	config->kind = direction == KAFKA_WRITING ? KAFKA_CLIENT_PRODUCER : KAFKA_CLIENT_SCAN;
	config->bootstrap_servers = settings[KAFKA_OPT_BOOTSTRAP_SERVERS].text;
	config->request_timeout_ms = settings[KAFKA_OPT_REQUEST_TIMEOUT_MS].number;
	if (direction == KAFKA_WRITING)
	{
		config->delivery_timeout_ms = settings[KAFKA_OPT_DELIVERY_TIMEOUT_MS].number;
		config->max_block_ms = settings[KAFKA_OPT_MAX_BLOCK_MS].number;
	}

	for (int i = 0; i < KAFKA_OPTION_COUNT; i++)
	{
		const KafkaOption *option = &kfdw_option_table[i];
		int			needs = option->flags & (KAFKA_OPTION_SASL | KAFKA_OPTION_SSL);
		KafkaProperty property = {option->property};

		if (settings[i].text != NULL)
			property.value = kfdw_config_utf8(settings[i].text);
		property.secret = (option->flags & KAFKA_OPTION_SECRET) != 0;
		if (property.id != KAFKA_PROPERTY_NONE && property.value != NULL &&
			(option->directions & direction) != 0 && (needs & ~protocol) == 0)
			add_property(config, property);
	}
}

/* What a server's options for a user are read from. */
static KafkaOrigins
server_origins(Oid serverid, Oid userid)
{
	KafkaOrigins origins = {
		.server = GetSysCacheHashValue1(FOREIGNSERVEROID, ObjectIdGetDatum(serverid)),
		.user_mapping = GetSysCacheHashValue2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid),
											  ObjectIdGetDatum(serverid)),
		.public_mapping = GetSysCacheHashValue2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
												ObjectIdGetDatum(serverid)),
	};

	return origins;
}

KafkaServerOptions *
kfdw_options_server(Oid serverid, Oid userid)
{
	ForeignServer *server = GetForeignServer(serverid);
	KafkaServerOptions *result = palloc0(sizeof(KafkaServerOptions));
	KafkaOptionSetting settings[KAFKA_OPTION_COUNT];

	read_server(server, userid, settings);
	settle_idempotence(settings);
	kfdw_option_check_required(settings, KAFKA_ON_SERVER);
	kfdw_option_check_credentials(settings, server->servername);

	result->serverid = serverid;
	result->name = server->servername;
	result->transactional_id_prefix = settings[KAFKA_OPT_TRANSACTIONAL_ID_PREFIX].text;
	result->transaction_timeout_ms = settings[KAFKA_OPT_TRANSACTION_TIMEOUT_MS].number;
	result->outbox_position_topic = settings[KAFKA_OPT_OUTBOX_POSITION_TOPIC].text;
	build_config(&result->consumer, KAFKA_READING, settings);
	build_config(&result->producer, KAFKA_WRITING, settings);
	result->consumer.origins = result->producer.origins = server_origins(server->serverid, userid);
	return result;
}

/* What is done about a position is done about records that go away in the middle of a scan. */
static KafkaLostRecords
lost_records_of(KafkaOffsetReset on_offset_out_of_range)
{
	switch (on_offset_out_of_range)
	{
		case KAFKA_RESET_EARLIEST:
			return KAFKA_LOST_TO_FIRST;
		case KAFKA_RESET_LATEST:
			return KAFKA_LOST_TO_END;
		case KAFKA_RESET_NONE:
			break;
	}
	return KAFKA_LOST_ERROR;
}

/* Watches what options are about to be read from. */
static void
begin_watch(KafkaTableOptions *options, Oid serverid)
{
	KafkaOrigins origins = server_origins(serverid, options->userid);

	origins.table = GetSysCacheHashValue1(FOREIGNTABLEREL, ObjectIdGetDatum(options->relid));
	kfdw_watch_begin_in(CurrentMemoryContext, &options->watch, &origins);
}

/* The format that an option names. */
static const KafkaFormat *
lookup_format(const KafkaOptionSetting *setting)
{
	const KafkaFormat *format = kfdw_format_lookup(setting->text);

	if (format == NULL)
		elog(ERROR, "format \"%s\" is missing", setting->text);
	return format;
}

/* How the records of a table are written. */
static void
read_format(KafkaFormatOptions *format, const KafkaOptionSetting *settings)
{
	const char *escape = settings[KAFKA_OPT_ESCAPE].text;

	format->value = lookup_format(&settings[KAFKA_OPT_FORMAT]);
	format->key = lookup_format(&settings[KAFKA_OPT_KEY_FORMAT]);
	format->csv.delimiter = settings[KAFKA_OPT_DELIMITER].text[0];
	format->csv.quote = settings[KAFKA_OPT_QUOTE].text[0];
	format->csv.escape = escape == NULL ? format->csv.quote : escape[0];
	format->csv.null = settings[KAFKA_OPT_NULL].text;
}

/* What is read: topics and partitions, which were checked when they were set. */
static void
read_selection(KafkaTableOptions *options, const KafkaOptionSetting *settings)
{
	options->topic = settings[KAFKA_OPT_TOPIC].text;
	(void) kfdw_selection_set_topics(&options->selection, options->topic);
	options->partitions = settings[KAFKA_OPT_PARTITIONS].text;
	if (options->partitions != NULL)
		(void) kfdw_selection_set_partitions(&options->selection, options->partitions);
}

/* Where positions are reported it takes a client that may commit for the group. */
static void
set_group(KafkaTableOptions *options, const char *group_id)
{
	options->group_id = group_id;
	if (group_id != NULL && options->report_offsets)
		kfdw_config_set(&options->consumer, KAFKA_PROPERTY_GROUP_ID, kfdw_config_utf8(group_id));
}

/* Reads the options of a table, and checks them. */
static KafkaTableOptions *
read_table(Oid relid, Oid userid, bool is_written)
{
	ForeignServer *server = GetForeignServer(GetForeignServerIdByRelId(relid));
	KafkaTableOptions *result = palloc0(sizeof(KafkaTableOptions));
	KafkaOptionSetting settings[KAFKA_OPTION_COUNT];

	result->relid = relid;
	result->serverid = server->serverid;
	result->userid = userid;
	begin_watch(result, server->serverid);

	kfdw_option_read_table(relid, userid, settings);
	kfdw_option_check_required(settings, KAFKA_ON_SERVER);
	kfdw_option_check_required(settings, KAFKA_ON_TABLE);
	if (is_written)
		kfdw_option_check_writing(settings);
	kfdw_option_check_reading(settings);
	kfdw_option_check_credentials(settings, server->servername);

	result->server = server->servername;
	read_selection(result, settings);
	read_format(&result->format, settings);

	result->auto_offset_reset = settings[KAFKA_OPT_AUTO_OFFSET_RESET].number;
	result->on_offset_out_of_range = settings[KAFKA_OPT_ON_OFFSET_OUT_OF_RANGE].number;
	result->max_poll_records = settings[KAFKA_OPT_MAX_POLL_RECORDS].number;
	result->max_poll_bytes = settings[KAFKA_OPT_MAX_POLL_BYTES].number;
	result->max_partitions = settings[KAFKA_OPT_MAX_PARTITIONS].number;
	result->max_poll_interval_ms = settings[KAFKA_OPT_MAX_POLL_INTERVAL_MS].number;
	result->on_error = settings[KAFKA_OPT_ON_ERROR].number;
	result->reject_limit = settings[KAFKA_OPT_REJECT_LIMIT].number;

	/* an application may use the group of a table, but not of a stream, which reads a table without one */
	result->report_offsets = settings[KAFKA_OPT_REPORT_OFFSETS].given ?
		settings[KAFKA_OPT_REPORT_OFFSETS].number : settings[KAFKA_OPT_GROUP_ID].text == NULL;

	result->delivery = settings[KAFKA_OPT_DELIVERY].text;
	result->max_request_size = settings[KAFKA_OPT_MAX_REQUEST_SIZE].number;
	result->transactional_id_prefix = settings[KAFKA_OPT_TRANSACTIONAL_ID_PREFIX].text;
	result->transaction_timeout_ms = settings[KAFKA_OPT_TRANSACTION_TIMEOUT_MS].number;
	result->partitioner = settings[KAFKA_OPT_PARTITIONER].number;
	result->partitioner_name = settings[KAFKA_OPT_PARTITIONER].value;
	result->batch_size = settings[KAFKA_OPT_BATCH_SIZE].number;

	build_config(&result->consumer, KAFKA_READING, settings);
	build_config(&result->producer, KAFKA_WRITING, settings);
	result->consumer.origins = result->producer.origins = server_origins(server->serverid, userid);
	result->consumer.lost_records = lost_records_of(result->on_offset_out_of_range);
	result->is_consuming = settings[KAFKA_OPT_GROUP_ID].text != NULL;
	set_group(result, settings[KAFKA_OPT_GROUP_ID].text);
	return result;
}

KafkaTableOptions *
kfdw_options_table(Oid relid, Oid userid)
{
	return read_table(relid, userid, false);
}

KafkaTableOptions *
kfdw_options_written_table(Oid relid, Oid userid)
{
	return read_table(relid, userid, true);
}

void
kfdw_options_set_group(KafkaTableOptions *options, const char *group_id)
{
	options->group_is_given = true;
	set_group(options, group_id);
}

/* ALTER SERVER ... RENAME and DROP SERVER lock the same object. */
void
kfdw_options_keep_server(Oid serverid)
{
	LockDatabaseObject(ForeignServerRelationId, serverid, 0, AccessShareLock);
}

/* True when two clients have the same properties, whatever they are for. */
static bool
are_equal_configs(const KafkaConfig *left, const KafkaConfig *right)
{
	KafkaConfig same = *left;

	same.kind = right->kind;
	return kfdw_config_equal(&same, right);
}

/* True when both are the same name, or there is none. */
static bool
are_equal_names(const char *left, const char *right)
{
	return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

/* True when a table's options are those that were read before. */
static bool
are_equal(const KafkaTableOptions *left, const KafkaTableOptions *right)
{
	return strcmp(left->server, right->server) == 0 && are_equal_names(left->group_id, right->group_id) &&
		left->is_consuming == right->is_consuming &&
		kfdw_selection_equal(&left->selection, &right->selection) &&
		kfdw_format_options_equal(&left->format, &right->format) &&
		left->auto_offset_reset == right->auto_offset_reset &&
		left->on_offset_out_of_range == right->on_offset_out_of_range &&
		left->max_poll_records == right->max_poll_records && left->report_offsets == right->report_offsets &&
		strcmp(left->delivery, right->delivery) == 0 && left->max_request_size == right->max_request_size &&
		strcmp(left->partitioner_name, right->partitioner_name) == 0 &&
		are_equal_configs(&left->consumer, &right->consumer) &&
		are_equal_configs(&left->producer, &right->producer);
}

/* Those of a table as they are now, for the group that may be given. */
static KafkaTableOptions *
read_for_group(const KafkaTableOptions *options)
{
	KafkaTableOptions *current = kfdw_options_table(options->relid, options->userid);

	if (options->group_is_given)
		kfdw_options_set_group(current, options->group_id);
	return current;
}

/* Reads a table's options again, and compares them. */
static bool
read_again(const KafkaTableOptions *options)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw options", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		equal = kfdw_options_is_topic_table(options->relid) &&
		are_equal(options, read_for_group(options));

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return equal;
}

bool
kfdw_options_are_current(KafkaTableOptions *options)
{
	MemoryContext old = CurrentMemoryContext;
	bool		own_transaction = !IsTransactionState();
	bool		current;

	if (!options->watch.changed && !options->watch.in_doubt)
		return true;
	options->watch.changed = options->watch.in_doubt = false;
	if (own_transaction)
		StartTransactionCommand();
	current = read_again(options);
	if (own_transaction)
		CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	options->watch.changed |= !current;
	return current;
}

/* A server, user mapping or foreign table changed. */
static void
notify(Datum argument, int cache, uint32 hash)
{
	kfdw_watch_notify(hash);
}

void
kfdw_option_init(void)
{
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, notify, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGUSERSERVER, notify, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNTABLEREL, notify, (Datum) 0);
}
