/*
 * check.c
 *	  Checks of several options.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "format/columns.h"
#include "option/check.h"
#include "option/options.h"

/* Of two options whose values ascend. */
typedef enum KafkaOrder
{
	MUST_DIFFER,
	MAY_BE_EQUAL
} KafkaOrder;

/* Some options only superusers may set: they name files of the server. */
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

void
kfdw_option_check_required(const KafkaOptionSetting *settings, int place)
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

/* Of the metadata columns only the key may be a field of the value too, and have fields and formats. */
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
	if (settings[KAFKA_OPT_KEY_FIELD].given &&
		(!settings[KAFKA_OPT_METADATA].given || strcmp(settings[KAFKA_OPT_METADATA].text, "key") != 0))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"key_field\" needs metadata \"key\"")));
	if (settings[KAFKA_OPT_METADATA].given && settings[KAFKA_OPT_TIMESTAMP_FORMAT].given &&
		strcmp(settings[KAFKA_OPT_METADATA].text, "key") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"timestamp_format\" conflicts with metadata \"%s\"", settings[KAFKA_OPT_METADATA].text),
				 errhint("It is for fields of the value and the key.")));
}

/*
 * Raises an error when the first of two integer options is above the second, or, where
 * they must differ, not below it.  What is not known yet is not judged.
 */
static void
check_order(const KafkaOptionSetting *settings, KafkaOptionId lower, KafkaOptionId upper, KafkaOrder order)
{
	const KafkaOptionSetting *low = &settings[lower];
	const KafkaOptionSetting *high = &settings[upper];

	if (low->text == NULL || high->text == NULL || low->number < high->number ||
		(order == MAY_BE_EQUAL && low->number == high->number))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("option \"%s\" must be %s \"%s\"", kfdw_option_table[lower].name,
					order == MAY_BE_EQUAL ? "at most" : "less than", kfdw_option_table[upper].name),
			 errdetail("They are %d and %d.", low->number, high->number)));
}

/* The value of an option that was set here, else its default. */
static const char *
text_of(const KafkaOptionSetting *settings, KafkaOptionId id)
{
	return settings[id].text != NULL ? settings[id].text : kfdw_option_table[id].def;
}

/* Fails when the character of an option is another one's too, or in its value. */
static void
check_apart(const KafkaOptionSetting *settings, KafkaOptionId first, KafkaOptionId second)
{
	const char *character = text_of(settings, first);
	const char *text = text_of(settings, second);

	if (text == NULL || strstr(text, character) == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("option \"%s\" conflicts with option \"%s\"",
					kfdw_option_table[first].name, kfdw_option_table[second].name),
			 errdetail("The character %s is in the values of both.", character)));
}

/* The rules of COPY for the options of CSV; other formats have none of them. */
static void
check_csv(const KafkaOptionSetting *settings)
{
	const char *format = settings[KAFKA_OPT_FORMAT].text;
	const char *null = text_of(settings, KAFKA_OPT_NULL);

	if (format == NULL || strcmp(format, "csv") != 0)
	{
		for (KafkaOptionId id = KAFKA_OPT_DELIMITER; id <= KAFKA_OPT_NULL; id++)
			if (settings[id].given)
				ereport(ERROR,
						(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						 errmsg("option \"%s\" is for the format \"csv\" only", kfdw_option_table[id].name)));
		return;
	}
	check_apart(settings, KAFKA_OPT_DELIMITER, KAFKA_OPT_QUOTE);
	check_apart(settings, KAFKA_OPT_DELIMITER, KAFKA_OPT_ESCAPE);
	check_apart(settings, KAFKA_OPT_DELIMITER, KAFKA_OPT_NULL);
	check_apart(settings, KAFKA_OPT_QUOTE, KAFKA_OPT_NULL);
	if (strpbrk(null, "\r\n") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("the value of option \"null\" cannot have a line end")));
}

/* Dead letters belong to a position, and a limit to what has one; both options are a table's. */
static void
check_on_error(const KafkaOptionSetting *settings)
{
	int			on_error = settings[KAFKA_OPT_ON_ERROR].number;

	if (on_error == KAFKA_ON_ERROR_DEAD_LETTER && settings[KAFKA_OPT_GROUP_ID].text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("on_error \"dead_letter\" needs a \"group_id\""),
				 errdetail("A record is set aside in the transaction that moves a position past it; reading a topic table moves none."),
				 errhint("Set \"group_id\", or use \"set_null\" or \"ignore\". For a stream, on_error is an argument of kafka.create_stream().")));
	if (on_error == KAFKA_ON_ERROR_STOP && settings[KAFKA_OPT_REJECT_LIMIT].given)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"reject_limit\" has no use with on_error \"stop\""),
				 errhint("Set \"on_error\" to \"set_null\", \"ignore\" or \"dead_letter\".")));
}

/* An idempotent producer waits for all replicas, and has few requests under way. */
static void
check_idempotence(const KafkaOptionSetting *settings)
{
	const KafkaOptionSetting *idempotence = &settings[KAFKA_OPT_ENABLE_IDEMPOTENCE];
	const KafkaOptionSetting *acks = &settings[KAFKA_OPT_ACKS];
	const KafkaOptionSetting *in_flight = &settings[KAFKA_OPT_MAX_IN_FLIGHT];

	if (idempotence->given && idempotence->number && acks->text != NULL && acks->number != -1)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"enable_idempotence\" conflicts with acks \"%s\"", acks->text),
				 errhint("Set \"acks\" to \"all\", or leave out \"enable_idempotence\".")));
	if (idempotence->number && in_flight->number > MAX_IDEMPOTENT_IN_FLIGHT)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"%s\" conflicts with \"enable_idempotence\"", kfdw_option_table[KAFKA_OPT_MAX_IN_FLIGHT].name),
				 errdetail("An idempotent producer, as it is by default where acks is all, has at most %d requests in flight.",
						   MAX_IDEMPOTENT_IN_FLIGHT),
				 errhint("Set \"enable_idempotence\" to \"false\", after which records may change places.")));
}

/* What a relay sends with is the same for all tables of its server. */
static void
check_relay_options(const KafkaOptionSetting *settings)
{
	static const KafkaOptionId of_relay[] = {
		KAFKA_OPT_COMPRESSION_TYPE, KAFKA_OPT_PARTITIONER, KAFKA_OPT_LINGER_MS, KAFKA_OPT_BATCH_SIZE, KAFKA_OPT_MAX_BLOCK_MS,
		KAFKA_OPT_BUFFER_MEMORY, KAFKA_OPT_MAX_REQUEST_SIZE, KAFKA_OPT_DELIVERY_TIMEOUT_MS, KAFKA_OPT_TRANSACTION_TIMEOUT_MS,
		KAFKA_OPT_TRANSACTIONAL_ID_PREFIX
	};

	if (settings[KAFKA_OPT_PARTITIONER].number != KAFKA_PARTITIONER_CLIENT)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("delivery \"outbox\" conflicts with partitioner \"%s\"", settings[KAFKA_OPT_PARTITIONER].value),
				 errhint("A relay has the client's own partitioners only. A column with metadata \"partition\" chooses, too.")));
	for (int i = 0; i < lengthof(of_relay); i++)
		if (settings[of_relay[i]].given == KAFKA_ON_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("option \"%s\" of a table has no effect with delivery \"outbox\"",
							kfdw_option_table[of_relay[i]].name),
					 errhint("Set it on the server.")));
}

/* Kafka has no transactions without idempotence, which takes all acknowledgements. */
static void
check_transactions(const KafkaOptionSetting *settings)
{
	const KafkaOptionSetting *delivery = &settings[KAFKA_OPT_DELIVERY];
	const KafkaOptionSetting *acks = &settings[KAFKA_OPT_ACKS];
	const KafkaOptionSetting *idempotence = &settings[KAFKA_OPT_ENABLE_IDEMPOTENCE];
	bool		few_acks = acks->text != NULL && acks->number != -1;

	if (delivery->text == NULL ||
		(strcmp(delivery->text, "transactional") != 0 && strcmp(delivery->text, "outbox") != 0))
		return;
	if (strcmp(delivery->text, "outbox") == 0)
		check_relay_options(settings);
	if (few_acks || (idempotence->given && !idempotence->number))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("delivery \"%s\" conflicts with %s \"%s\"", delivery->text,
						few_acks ? "acks" : "enable_idempotence", few_acks ? acks->text : idempotence->text),
				 errhint("Kafka transactions need \"acks\" to be \"all\", and idempotence.")));
}

/*
 * As Java does: a record must not be given up while its first request may still be
 * answered.  Only where both were set together, as one of them alone is often short.
 */
static void
check_delivery_timeout(const KafkaOptionSetting *settings)
{
	const KafkaOptionSetting *request = &settings[KAFKA_OPT_SOCKET_TIMEOUT_MS];
	const KafkaOptionSetting *delivery = &settings[KAFKA_OPT_DELIVERY_TIMEOUT_MS];
	int64		shortest = (int64) request->number + settings[KAFKA_OPT_LINGER_MS].number;

	if (request->given && delivery->given && delivery->number < shortest)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"delivery_timeout_ms\" must be at least \"linger_ms\" and \"socket_timeout_ms\" together"),
				 errdetail("It is %d, and they are " INT64_FORMAT ".", delivery->number, shortest)));
}

void
kfdw_option_check_reading(const KafkaOptionSetting *settings)
{
	check_csv(settings);
	check_on_error(settings);
	check_order(settings, KAFKA_OPT_RECONNECT_BACKOFF_MS, KAFKA_OPT_RECONNECT_BACKOFF_MAX_MS, MAY_BE_EQUAL);
}

void
kfdw_option_check_writing(const KafkaOptionSetting *settings)
{
	check_idempotence(settings);
	check_transactions(settings);
	check_order(settings, KAFKA_OPT_LINGER_MS, KAFKA_OPT_DELIVERY_TIMEOUT_MS, MUST_DIFFER);
	check_order(settings, KAFKA_OPT_MAX_REQUEST_SIZE, KAFKA_OPT_BUFFER_MEMORY, MAY_BE_EQUAL);
}

/* Who inserts into a table trusts its owner, as with triggers, but not the owner of its server. */
static void
check_server_partitioner(const KafkaOptionSetting *settings)
{
	if (settings[KAFKA_OPT_PARTITIONER].number == KAFKA_PARTITIONER_FUNCTION)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("the partitioner of a server cannot be a function"),
				 errdetail("It would run as everybody who writes by the server."),
				 errhint("Set \"partitioner\" on the foreign tables.")));
}

void
kfdw_option_check_object(const KafkaOptionSetting *settings, int place)
{
	check_permissions(settings);
	kfdw_option_check_required(settings, place);
	if (place == KAFKA_ON_SERVER)
	{
		check_security(settings);
		check_server_partitioner(settings);
	}
	if (place == KAFKA_ON_COLUMN)
		check_column(settings);
	check_delivery_timeout(settings);
	kfdw_option_check_writing(settings);
	kfdw_option_check_reading(settings);
}

void
kfdw_option_check_credentials(const KafkaOptionSetting *settings, const char *server)
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
