/*
 * read.c
 *	  Checks options when they are set, and reads those of a topic table.
 *
 * What options there are is in table.c, what one option's name and value
 * mean in parse.c.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "commands/defrem.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "option/options.h"
#include "option/table.h"

PG_FUNCTION_INFO_V1(kafka_fdw_validator);

static void read_options(List *options, int place, KafkaOptionSetting *settings);
static void read_defaults(KafkaOptionSetting *settings);

static void check_permissions(const KafkaOptionSetting *settings);
static void check_required(int place, const KafkaOptionSetting *settings);
static void check_security(const KafkaOptionSetting *settings);
static void check_column(const KafkaOptionSetting *settings);
static void check_order(const KafkaOptionSetting *settings, KafkaOptionId lower, KafkaOptionId upper, bool may_equal);
static void check_conflicts(const KafkaOptionSetting *settings);
static void check_credentials(const KafkaOptionSetting *settings, const char *server);

static List *user_mapping_options(Oid userid, Oid serverid);
static void settle_idempotence(KafkaOptionSetting *settings);
static void build_config(KafkaConfig *config, int direction, const KafkaOptionSetting *settings);
static void add_property(KafkaConfig *config, KafkaProperty property);

/*
 * Checks the complete options of one object, whenever they are set.
 */
Datum
kafka_fdw_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	int			place = kfdw_option_place(PG_GETARG_OID(1));
	KafkaOptionSetting settings[KAFKA_OPTION_COUNT] = {{0}};

	read_options(options, place, settings);
	check_permissions(settings);
	check_required(place, settings);
	if (place == KAFKA_ON_SERVER)
		check_security(settings);
	if (place == KAFKA_ON_COLUMN)
		check_column(settings);
	check_conflicts(settings);

	PG_RETURN_VOID();
}

/* A server, user mapping or foreign table changed. */
static void
invalidate_clients(Datum argument, int cache, uint32 hash)
{
	kfdw_client_invalidate_all();
}

void
kfdw_option_init(void)
{
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, invalidate_clients, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, invalidate_clients, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNTABLEREL, invalidate_clients, (Datum) 0);
}

/*
 * See options.h.
 */
KafkaTableOptions *
kfdw_options_table(Oid relid, Oid userid)
{
	ForeignServer *server = GetForeignServer(GetForeignServerIdByRelId(relid));
	KafkaTableOptions *result = palloc0(sizeof(KafkaTableOptions));
	KafkaOptionSetting settings[KAFKA_OPTION_COUNT];

	kfdw_option_read_table(relid, userid, settings);
	check_conflicts(settings);
	check_credentials(settings, server->servername);

	result->relid = relid;
	result->server = server->servername;
	result->topic = settings[KAFKA_OPT_TOPIC].text;
	result->format.value = kfdw_format_lookup(settings[KAFKA_OPT_FORMAT].text);
	if (result->format.value == NULL)
		elog(ERROR, "format \"%s\" is missing", settings[KAFKA_OPT_FORMAT].text);

	result->group_id = settings[KAFKA_OPT_GROUP_ID].text;
	result->auto_offset_reset = settings[KAFKA_OPT_AUTO_OFFSET_RESET].number;
	result->on_offset_out_of_range = settings[KAFKA_OPT_ON_OFFSET_OUT_OF_RANGE].number;
	result->max_poll_records = settings[KAFKA_OPT_MAX_POLL_RECORDS].number;

	result->delivery = settings[KAFKA_OPT_DELIVERY].text;
	result->max_request_size = settings[KAFKA_OPT_MAX_REQUEST_SIZE].number;

	build_config(&result->consumer, KAFKA_READING, settings);
	build_config(&result->producer, KAFKA_WRITING, settings);
	return result;
}

/*
 * See options.h.  The wrapper may be renamed, so its handler tells; by the
 * name of the C function, as looking at its address would load other modules.
 */
bool
kfdw_options_is_our_server(Oid serverid)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(GetForeignServer(serverid)->fdwid);
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(wrapper->fdwhandler));
	Datum		source;
	bool		isnull;
	bool		ours;

	if (!HeapTupleIsValid(tuple))
		return false;			/* a wrapper without a handler */

	source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	ours = !isnull && strcmp(TextDatumGetCString(source), "kafka_fdw_handler") == 0;
	ReleaseSysCache(tuple);
	return ours;
}

bool
kfdw_options_is_topic_table(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE &&
		kfdw_options_is_our_server(GetForeignServerIdByRelId(relid));
}

/* Reading ------------------------------------------------------------------ */

/*
 * All settings of a table for a user.  Later objects override earlier ones; how
 * they go together is not checked.
 */
void
kfdw_option_read_table(Oid relid, Oid userid, KafkaOptionSetting *settings)
{
	ForeignTable *table = GetForeignTable(relid);
	ForeignServer *server = GetForeignServer(table->serverid);

	read_defaults(settings);
	read_options(server->options, KAFKA_ON_SERVER, settings);
	read_options(user_mapping_options(userid, server->serverid), KAFKA_ON_USER_MAPPING, settings);
	read_options(table->options, KAFKA_ON_TABLE, settings);
	settle_idempotence(settings);
}

/*
 * Adds the options of one object; those that it does not set stay as they are.
 */
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

/*
 * The defaults of the table of options, and nothing else.
 */
static void
read_defaults(KafkaOptionSetting *settings)
{
	memset(settings, 0, KAFKA_OPTION_COUNT * sizeof(KafkaOptionSetting));
	for (int i = 0; i < KAFKA_OPTION_COUNT; i++)
		if (kfdw_option_table[i].def != NULL)
			settings[i] = kfdw_option_parse(&kfdw_option_table[i], kfdw_option_table[i].def);
}


/* Checks of several options ------------------------------------------------ */

/*
 * Some options only superusers may set: they name files of the server.
 */
static void
check_permissions(const KafkaOptionSetting *settings)
{
	if (superuser())
		return;
	for (int i = 0; i < KAFKA_OPTION_COUNT; i++)
		if (settings[i].given && (kfdw_option_table[i].flags & KAFKA_OPTION_SUPERUSER) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied to set option \"%s\"", kfdw_option_table[i].name),
					 errdetail("Only superusers may set or change an object that has this option.")));
}

/*
 * An object without a required option is an error as soon as it is made.
 */
static void
check_required(int place, const KafkaOptionSetting *settings)
{
	for (int i = 0; i < KAFKA_OPTION_COUNT; i++)
	{
		const KafkaOption *option = &kfdw_option_table[i];

		if ((option->places & place) != 0 && (option->flags & KAFKA_OPTION_REQUIRED) != 0 && !settings[i].given)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
					 errmsg("option \"%s\" is required", option->name)));
	}
}

/*
 * An option of a server that its security_protocol makes useless is refused.
 * SASL needs a mechanism, as the library's default would run kinit.
 */
static void
check_security(const KafkaOptionSetting *settings)
{
	int			protocol = settings[KAFKA_OPT_SECURITY_PROTOCOL].number;

	for (int i = 0; i < KAFKA_OPTION_COUNT; i++)
	{
		int			needs = kfdw_option_table[i].flags & (KAFKA_OPTION_SASL | KAFKA_OPTION_SSL);

		if (settings[i].given && (needs & ~protocol) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("option \"%s\" has no use without %s", kfdw_option_table[i].name,
							needs == KAFKA_OPTION_SASL ? "SASL" : "SSL"),
					 errhint("Set \"security_protocol\" to \"%s\" or \"sasl_ssl\".",
							 needs == KAFKA_OPTION_SASL ? "sasl_plaintext" : "ssl")));
	}

	if ((protocol & KAFKA_OPTION_SASL) != 0 && !settings[KAFKA_OPT_SASL_MECHANISM].given)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"sasl_mechanism\" is required with security_protocol \"%s\"",
						settings[KAFKA_OPT_SECURITY_PROTOCOL].text)));
}

/*
 * Of the metadata columns only the key is also a field of the value.
 */
static void
check_column(const KafkaOptionSetting *settings)
{
	KafkaColumnKind kind;

	if (settings[KAFKA_OPT_METADATA].given && settings[KAFKA_OPT_FIELD].given &&
		kfdw_columns_metadata_kind(settings[KAFKA_OPT_METADATA].text, &kind) &&
		kind != KAFKA_COLUMN_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"field\" conflicts with metadata \"%s\"", settings[KAFKA_OPT_METADATA].text),
				 errhint("Only a column with metadata \"key\" can be a field of the value too.")));
}

/*
 * Raises an error when the first of two integer options is not below (or, with
 * may_equal, is above) the second.  What is not known yet is not judged.
 */
static void
check_order(const KafkaOptionSetting *settings, KafkaOptionId lower, KafkaOptionId upper, bool may_equal)
{
	const KafkaOptionSetting *low = &settings[lower];
	const KafkaOptionSetting *high = &settings[upper];

	if (low->text == NULL || high->text == NULL || low->number < high->number ||
		(may_equal && low->number == high->number))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("option \"%s\" must be %s \"%s\"", kfdw_option_table[lower].name,
					may_equal ? "at most" : "less than", kfdw_option_table[upper].name),
			 errdetail("They are %d and %d.", low->number, high->number)));
}

/*
 * Options that exclude each other.  A validator knows what one object sets; when
 * the options of a table are read, everything is known.
 */
static void
check_conflicts(const KafkaOptionSetting *settings)
{
	const KafkaOptionSetting *idempotence = &settings[KAFKA_OPT_ENABLE_IDEMPOTENCE];
	const KafkaOptionSetting *acks = &settings[KAFKA_OPT_ACKS];

	if (idempotence->given && idempotence->number && acks->text != NULL && acks->number != -1)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"enable_idempotence\" conflicts with acks \"%s\"", acks->text),
				 errhint("Set \"acks\" to \"all\", or leave out \"enable_idempotence\".")));

	check_order(settings, KAFKA_OPT_LINGER_MS, KAFKA_OPT_DELIVERY_TIMEOUT_MS, false);
	check_order(settings, KAFKA_OPT_MAX_REQUEST_SIZE, KAFKA_OPT_BUFFER_MEMORY, true);
	check_order(settings, KAFKA_OPT_RECONNECT_BACKOFF_MS, KAFKA_OPT_RECONNECT_BACKOFF_MAX_MS, true);
}

/*
 * SASL needs a name and a password from the user mapping.
 */
static void
check_credentials(const KafkaOptionSetting *settings, const char *server)
{
	KafkaOptionId missing;

	if ((settings[KAFKA_OPT_SECURITY_PROTOCOL].number & KAFKA_OPTION_SASL) == 0)
		return;
	if (settings[KAFKA_OPT_SASL_USERNAME].text == NULL)
		missing = KAFKA_OPT_SASL_USERNAME;
	else if (settings[KAFKA_OPT_SASL_PASSWORD].text == NULL)
		missing = KAFKA_OPT_SASL_PASSWORD;
	else
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
			 errmsg("option \"%s\" is required by server \"%s\"", kfdw_option_table[missing].name, server),
			 errhint("Set it in a user mapping for this server.")));
}


/* Client properties -------------------------------------------------------- */

/*
 * The options of the user's mapping, or of the one for everybody; there may be none.
 */
static List *
user_mapping_options(Oid userid, Oid serverid)
{
	if (!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(userid), ObjectIdGetDatum(serverid)) &&
		!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid), ObjectIdGetDatum(serverid)))
		return NIL;
	return GetUserMapping(userid, serverid)->options;
}

/*
 * Idempotence is on unless it was switched off or acks does not allow it.
 */
static void
settle_idempotence(KafkaOptionSetting *settings)
{
	KafkaOptionSetting *idempotence = &settings[KAFKA_OPT_ENABLE_IDEMPOTENCE];

	if (!idempotence->given)
		idempotence->number = settings[KAFKA_OPT_ACKS].number == -1;
	idempotence->text = idempotence->number ? "true" : "false";
}

/*
 * The properties of one of the two clients, always in the same order.  Without
 * idempotence one request is in flight, as more could change places when one of
 * them is sent again.
 */
static void
build_config(KafkaConfig *config, int direction, const KafkaOptionSetting *settings)
{
	int			protocol = settings[KAFKA_OPT_SECURITY_PROTOCOL].number;

	config->bootstrap_servers = settings[KAFKA_OPT_BOOTSTRAP_SERVERS].text;
	config->request_timeout_ms = settings[KAFKA_OPT_REQUEST_TIMEOUT_MS].number;
	config->delivery_timeout_ms = settings[KAFKA_OPT_DELIVERY_TIMEOUT_MS].number;

	for (const KafkaFixedProperty *fixed = kfdw_fixed_properties; fixed->directions != 0; fixed++)
		if ((fixed->directions & direction) != 0)
			add_property(config, fixed->property);

	for (int i = 0; i < KAFKA_OPTION_COUNT; i++)
	{
		const KafkaOption *option = &kfdw_option_table[i];
		int			needs = option->flags & (KAFKA_OPTION_SASL | KAFKA_OPTION_SSL);
		KafkaProperty property = {option->property, settings[i].text};

		property.secret = (option->flags & KAFKA_OPTION_SECRET) != 0;
		if (property.name != NULL && property.value != NULL &&
			(option->directions & direction) != 0 && (needs & ~protocol) == 0)
			add_property(config, property);
	}

	if (direction == KAFKA_WRITING)
		add_property(config, (KafkaProperty) {"max.in.flight.requests.per.connection",
					 settings[KAFKA_OPT_ENABLE_IDEMPOTENCE].number ? "5" : "1"});
}

/*
 * Appends a property; the array grows a few at a time.
 */
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
