/*
 * materialize.c
 *	  kafka.materialize(): creates a stream that keeps a table of the newest record of each key.
 */
#include "postgres.h"

#include "fmgr.h"

#include "function/stream_arguments.h"
#include "function/stream_definition.h"
#include "function/stream_owner.h"
#include "stream/materialize.h"

PG_FUNCTION_INFO_V1(kfdw_materialize);

/* Shows the statement, and what its table does not tell. */
static void
give_notices(const KafkaStream *stream, bool guarded)
{
	ereport(NOTICE,
			(errmsg("stream \"%s\" runs this statement:\n%s", stream->name, stream->statement)));
	if (!guarded)
		ereport(NOTICE,
				(errmsg("the rows of the stream's table do not tell which records they are of"),
				 errdetail("After kafka.reset_stream() or kafka.retry_dead_letters() an older record can take the place of a newer one."),
				 errhint("Give both tables columns of the same names for the partition and the offset, and where there are several topics for the topic.")));
}

Datum
kfdw_materialize(PG_FUNCTION_ARGS)
{
	KafkaArguments arguments = kfdw_arguments_of(fcinfo);
	char	   *into_table = kfdw_argument_required(&arguments, "into_table");
	KafkaStream stream = {0};
	bool		guarded;

	kfdw_stream_check_preloaded();
	kfdw_arguments_take_stream(&arguments, &stream);
	stream.source = kfdw_argument_relation(&arguments, "source");
	kfdw_stream_check_source(stream.source);
	stream.statement = kfdw_materialize_statement(stream.source, into_table,
												  kfdw_argument_names(&arguments, "key_columns"), &guarded);
	give_notices(&stream, guarded);
	kfdw_stream_create(&stream, kfdw_argument_bool(&arguments, "replace"), KAFKA_STATEMENT_WRITTEN);
	PG_RETURN_VOID();
}
