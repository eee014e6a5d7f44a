/*
 * analyze.c
 *	  ANALYZE of a topic table: rows of some records, taken evenly, and how many there are.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "fdw/fdw.h"
#include "format/codec.h"
#include "source/sample.h"

/* What becomes rows. */
typedef struct KafkaRowSample
{
	TupleDesc	tupdesc;
	KafkaRowCodec *codec;
	KafkaSample *records;
	MemoryContext context;		/* of a row, until it is formed */
	int64		bad;			/* records that could not be decoded */
} KafkaRowSample;

/* The row of a record; NULL for one that cannot be decoded. */
static HeapTuple
form_row(KafkaRowSample *sample, KafkaRecord *record)
{
	Datum	   *values;
	bool	   *nulls;
	bool		decoded;
	HeapTuple	row = NULL;
	MemoryContext old = MemoryContextSwitchTo(sample->context);

	values = palloc0(sample->tupdesc->natts * sizeof(Datum));
	nulls = palloc(sample->tupdesc->natts * sizeof(bool));
	decoded = kfdw_codec_try_decode(sample->codec, record, values, nulls) == NULL;
	MemoryContextSwitchTo(old);
	if (decoded)
		row = heap_form_tuple(sample->tupdesc, values, nulls);
	else
		sample->bad++;
	MemoryContextReset(sample->context);
	return row;
}

/* Takes rows until there are enough or no more records; returns how many. */
static int
take_rows(KafkaRowSample *sample, HeapTuple *rows, int wanted)
{
	int			taken = 0;
	KafkaRecord *record;

	while (taken < wanted && (record = kfdw_sample_next(sample->records)) != NULL)
	{
		HeapTuple	row = form_row(sample, record);

		if (row != NULL)
			rows[taken++] = row;
	}
	return taken;
}

static int
acquire_rows(Relation relation, int elevel, HeapTuple *rows, int wanted, double *total, double *dead)
{
	KafkaTableOptions *options = kfdw_options_table(RelationGetRelid(relation), GetUserId());
	KafkaRowSample sample = {RelationGetDescr(relation)};
	KafkaColumns *columns = kfdw_columns_create(RelationGetRelid(relation), sample.tupdesc, true, NULL);
	int			taken;

	sample.codec = kfdw_codec_create(columns, &options->format);
	sample.context = AllocSetContextCreate(CurrentMemoryContext, "kafka_fdw sample", ALLOCSET_DEFAULT_SIZES);
	sample.records = kfdw_sample_begin(options, wanted);
	taken = take_rows(&sample, rows, wanted);
	*total = kfdw_sample_total(sample.records);
	*dead = 0;
	kfdw_sample_end(sample.records);
	elog(elevel, "\"%s\": topic has about %.0f records; %d of them are in the sample, and " INT64_FORMAT " could not be decoded",
		 RelationGetRelationName(relation), *total, taken, sample.bad);
	return taken;
}

bool
kafkaAnalyzeForeignTable(Relation relation, AcquireSampleRowsFunc *function, BlockNumber *pages)
{
	*function = acquire_rows;
	*pages = 1;					/* nobody knows before; the planner looks at rows and widths */
	return true;
}
