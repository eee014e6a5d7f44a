/*
 * join.c
 *	  kafka.create_join(): creates a stream that joins its records to a table; and the
 *	  trigger that tells when the table has changed.
 */
#include "postgres.h"

#include "access/relation.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "function/stream_arguments.h"
#include "function/stream_definition.h"
#include "option/options.h"
#include "stream/join.h"
#include "stream/naming.h"
#include "stream/wake.h"
#include "worker/changes.h"

PG_FUNCTION_INFO_V1(kfdw_create_join);
PG_FUNCTION_INFO_V1(kfdw_wake_streams);

static const char *const kinds[] = {"inner", "left", NULL};
static const char *const ways[] = {"drop", "park", NULL};

/* A relation that stays what it is: what is written names it, and names may be somebody else's after a wait. */
static Oid
lock_relation(const KafkaArguments *arguments, const char *name)
{
	Oid			relid = kfdw_argument_relation(arguments, name);

	relation_close(kfdw_options_open_relation(relid, AccessShareLock), NoLock);
	return relid;
}

/* What is to be joined. */
static KafkaJoin
read_join(const KafkaArguments *arguments)
{
	KafkaJoin	join = {0};
	Datum		columns;

	join.source = lock_relation(arguments, "source");
	kfdw_options_require_topic_table(join.source);
	join.table = lock_relation(arguments, "join_table");
	join.target = lock_relation(arguments, "into_table");
	join.condition = kfdw_argument_required(arguments, "join_on");
	join.is_left = kfdw_argument_word(arguments, "kind", kinds) == 1;
	join.parks = kfdw_argument_word(arguments, "unmatched", ways) == 1;
	if (kfdw_argument_get(arguments, "columns", &columns))
		join.columns = DatumGetJsonbP(columns);
	return join;
}

/* How its records are parked. */
static KafkaStreamParking *
make_parking(const KafkaJoin *join, const KafkaJoinText *text)
{
	KafkaStreamParking *parking = palloc(sizeof(KafkaStreamParking));

	parking->query = text->unmatched;
	parking->table = quote_qualified_identifier(get_namespace_name(get_rel_namespace(join->table)), get_rel_name(join->table));
	parking->condition = pstrdup(join->condition);
	parking->is_left = join->is_left;
	return parking;
}

Datum
kfdw_create_join(PG_FUNCTION_ARGS)
{
	KafkaArguments arguments = kfdw_arguments_of(fcinfo);
	KafkaStream stream = {0};
	KafkaJoin	join;
	KafkaJoinText text;

	kfdw_arguments_take_stream(&arguments, &stream);
	join = read_join(&arguments);
	text = kfdw_join_write(&join);
	stream.source = join.source;
	stream.statement = text.statement;
	if (join.parks)
		stream.parking = make_parking(&join, &text);
	kfdw_stream_create(&stream, kfdw_argument_bool(&arguments, "replace"), KAFKA_STATEMENT_GIVEN);
	if (join.parks)
		kfdw_wake_make_trigger(join.table);
	ereport(NOTICE,
			(errmsg("stream \"%s\" runs this statement:\n%s", stream.name, stream.statement)));
	PG_RETURN_VOID();
}

/* A trigger for each statement that inserts into a table or updates it. */
Datum
kfdw_wake_streams(PG_FUNCTION_ARGS)
{
	const TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("not called by a trigger")));

	/* what it returns would be the row, and there is none yet that a stream could find */
	if (!TRIGGER_FIRED_AFTER(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" must be AFTER", data->tg_trigger->tgname)));
	kfdw_changes_note(RelationGetRelid(data->tg_relation));
	PG_RETURN_POINTER(NULL);
}
