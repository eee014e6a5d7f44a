/*
 * sample.c
 *	  Some of the records of topics, taken evenly from all of their offsets.
 *
 * The offsets of all partitions, one behind the other, are cut into stretches of the
 * same length, and the first records of each are taken.  How many offsets they stand for
 * tells how many records there are: compaction, transaction markers and aborted records
 * leave gaps.  What retention removes meanwhile is done without.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "source/fetch.h"
#include "source/sample.h"
#include "stat/wait.h"

/* How many places records are taken from: each costs an answer of a broker. */
#define STRETCHES 100

/* What there is no time for is left out. */
#define LONGEST_MS 20000

struct KafkaSample
{
	KafkaFetch	fetch;
	KafkaOutlook *outlook;
	TimestampTz began;

	int64		offsets;		/* of all partitions */
	bool		all;			/* of them are read, each partition as one stretch */
	int64		length;			/* of a stretch */
	int			per_stretch;	/* records of one */

	int			partition;		/* of the stretch that is read; -1: before the first one */
	KafkaSlice	stretch;
	int64		taken;			/* records of it */
	int64		last;			/* the offset of the last one */

	/* of all that were read */
	double		stood_for;		/* offsets that they stand for */
	double		estimate;		/* records among these */
};

KafkaSample *
kfdw_sample_begin(const KafkaTableOptions *options, int wanted)
{
	KafkaSample *sample = palloc0(sizeof(KafkaSample));

	sample->began = kfdw_wait_now();
	kfdw_fetch_open(&sample->fetch, options, kfdw_activity_create(KAFKA_ACTIVITY_SCAN, options->relid));
	kfdw_consumer_skip_lost(sample->fetch.consumer);
	sample->outlook = kfdw_consumer_outlook(sample->fetch.consumer);
	kfdw_consumer_require(sample->fetch.consumer, sample->outlook, NULL);
	for (int p = 0; p < sample->outlook->npartitions; p++)
		sample->offsets = kfdw_add_offsets(sample->offsets,
										   sample->outlook->partitions[p].end - sample->outlook->partitions[p].low);
	sample->partition = -1;
	sample->all = sample->offsets <= wanted;
	sample->per_stretch = sample->all ? Max(wanted, 1) : Max(wanted / STRETCHES, 1);
	sample->length = sample->all ? wanted : Max(sample->offsets / STRETCHES, 1);
	return sample;
}

/* Where the next stretch begins; false when there is none. */
static bool
find_stretch(KafkaSample *sample)
{
	const KafkaOutlook *outlook = sample->outlook;
	int64		offset = sample->partition < 0 ? 0 :
		sample->all ? sample->stretch.end : kfdw_add_offsets(sample->stretch.from, sample->length);

	/* behind the end of a partition it is as far in the next one */
	while (sample->partition < 0 || offset >= outlook->partitions[sample->partition].end)
	{
		offset -= sample->partition < 0 ? 0 : outlook->partitions[sample->partition].end;
		if (++sample->partition >= outlook->npartitions)
			return false;
		offset += outlook->partitions[sample->partition].low;
	}
	sample->stretch.partition = &outlook->partitions[sample->partition];
	sample->stretch.from = offset;
	sample->stretch.end = Min(kfdw_add_offsets(offset, sample->length), sample->stretch.partition->end);
	return true;
}

/* Goes to the next stretch; false when there is none, or no time for it. */
static bool
begin_stretch(KafkaSample *sample)
{
	if (TimestampDifferenceExceeds(sample->began, kfdw_wait_now(), LONGEST_MS) || !find_stretch(sample))
		return false;
	sample->taken = 0;
	kfdw_fetch_start(&sample->fetch, &sample->stretch, 1);
	return true;
}

/* A stretch was read, up to its end or to the last record taken: it stands for all of its offsets. */
static void
end_stretch(KafkaSample *sample)
{
	const KafkaSlice *stretch = &sample->stretch;
	double		length = (double) (stretch->end - stretch->from);
	double		read = sample->taken == sample->per_stretch ? sample->last + 1 - stretch->from : length;

	sample->stood_for += length;
	sample->estimate += length * sample->taken / read;
}

/* The next record of the stretch; NULL when it has no more, or enough of them were taken. */
static KafkaRecord *
take_record(KafkaSample *sample)
{
	KafkaRecord *record = sample->taken == sample->per_stretch ? NULL : kfdw_fetch_next(&sample->fetch);

	if (record == NULL)
	{
		end_stretch(sample);
		return NULL;
	}
	sample->taken++;
	sample->last = record->offset;
	return record;
}

KafkaRecord *
kfdw_sample_next(KafkaSample *sample)
{
	KafkaRecord *record = sample->partition < 0 ? NULL : take_record(sample);

	while (record == NULL && begin_stretch(sample))
		record = take_record(sample);
	return record;
}

double
kfdw_sample_total(const KafkaSample *sample)
{
	return sample->stood_for == 0 ? 0 : sample->offsets * sample->estimate / sample->stood_for;
}

void
kfdw_sample_end(KafkaSample *sample)
{
	kfdw_fetch_close(&sample->fetch);
}
