/*
 * streams.c
 *	  The SQL functions of streams: create, alter, pause, resume, drop.
 *
 * They change rows; a ping after the commit has the launcher look at them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "catalog/instance.h"
#include "catalog/outbox.h"
#include "catalog/streams.h"
#include "function/stream_arguments.h"
#include "function/stream_definition.h"
#include "function/stream_owner.h"
#include "function/stream_waits.h"
#include "worker/news.h"
#include "worker/shared.h"

PG_FUNCTION_INFO_V1(kfdw_create_stream);
PG_FUNCTION_INFO_V1(kfdw_alter_stream);
PG_FUNCTION_INFO_V1(kfdw_drop_stream);
PG_FUNCTION_INFO_V1(kfdw_pause_stream);
PG_FUNCTION_INFO_V1(kfdw_resume_stream);
PG_FUNCTION_INFO_V1(kfdw_adopt_instance);

/* What create_stream is given, as a stream of the current user. */
static KafkaStream *
read_new_stream(const KafkaArguments *arguments)
{
	KafkaStream *stream = palloc0(sizeof(KafkaStream));

	kfdw_arguments_take_stream(arguments, stream);
	stream->statement = kfdw_argument_required(arguments, "statement");
	stream->source = kfdw_argument_oid(arguments, "source");
	return stream;
}

Datum
kfdw_create_stream(PG_FUNCTION_ARGS)
{
	KafkaArguments arguments = kfdw_arguments_of(fcinfo);
	KafkaStream *stream = read_new_stream(&arguments);

	kfdw_stream_create(stream, kfdw_argument_bool(&arguments, "replace"), KAFKA_STATEMENT_GIVEN);
	PG_RETURN_VOID();
}

/* The statement of a stream that parks, and the query of what it parks, have to be of one condition. */
static void
check_restatable(const KafkaStream *stream)
{
	if (stream->parking != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the statement of stream \"%s\", which parks records, cannot be altered", stream->name),
				 errhint("kafka.create_join() with \"replace\" writes another one, and keeps the position and what is parked.")));
}

/* Sets what alter_stream is given of a stream's settings. */
static void
take_settings(const KafkaArguments *arguments, KafkaStream *stream)
{
	if (kfdw_arguments_reset_settings(arguments, &stream->settings))
		stream->workers = KAFKA_STREAM_WORKERS;
	kfdw_arguments_take_settings(arguments, &stream->settings);
	stream->workers = kfdw_argument_int(arguments, "workers", stream->workers);
}

Datum
kfdw_alter_stream(PG_FUNCTION_ARGS)
{
	KafkaArguments arguments = kfdw_arguments_of(fcinfo);
	const char *name = kfdw_argument_required(&arguments, "name");
	KafkaStream *stream;
	char	   *statement = kfdw_argument_text(&arguments, "statement");
	Oid			source = kfdw_argument_oid(&arguments, "source");

	kfdw_stream_check_preloaded();
	do
	{
		stream = kfdw_stream_lock_own(name);
		take_settings(&arguments, stream);
	} while (!kfdw_stream_lock_waits(stream));
	if (statement != NULL)
	{
		check_restatable(stream);
		stream->statement = statement;
		stream->search_path = NULL;
	}
	if (statement != NULL || OidIsValid(source))
		stream->source = source;
	kfdw_stream_redefine(stream, statement != NULL || OidIsValid(source), KAFKA_STATEMENT_GIVEN);
	PG_RETURN_VOID();
}

Datum
kfdw_drop_stream(PG_FUNCTION_ARGS)
{
	KafkaStream *stream = kfdw_stream_lock_own(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	kfdw_stream_delete(stream);
	PG_RETURN_VOID();
}

/* Has a stream run, or not; returns whether it did. */
static bool
set_enabled(const char *name, bool enabled)
{
	KafkaStream *stream;

	kfdw_stream_check_preloaded();
	stream = kfdw_stream_lock_own(name);
	kfdw_streams_set_enabled(name, enabled);
	kfdw_shared_ping_at_end();
	return stream->enabled;
}

/* When this commits, no batch of the stream does any more: it is paused, whatever its workers are at. */
Datum
kfdw_pause_stream(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (set_enabled(name, false))
		kfdw_news_notify(name, -1, KAFKA_STATE_PAUSED, 0);
	PG_RETURN_VOID();
}

/* Resumes a paused stream, or has one that failed try again. */
Datum
kfdw_resume_stream(PG_FUNCTION_ARGS)
{
	(void) set_enabled(text_to_cstring(PG_GETARG_TEXT_PP(0)), true);
	PG_RETURN_VOID();
}

/* Makes this database the one whose workers run. */
Datum
kfdw_adopt_instance(PG_FUNCTION_ARGS)
{
	char	   *mode = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (strcmp(mode, "keep") != 0 && strcmp(mode, "new") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown mode \"%s\"", mode),
				 errhint("Valid modes are \"keep\", in place of the other database, and \"new\", beside it.")));
	PreventCommandIfReadOnly("kafka.adopt_instance()");
	if (strcmp(mode, "new") == 0)
		kfdw_outbox_forget();
	kfdw_instance_adopt(strcmp(mode, "new") == 0);
	kfdw_shared_ping_at_end();
	PG_RETURN_VOID();
}
