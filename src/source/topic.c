/*
 * topic.c
 *	  Topics as a source: a bounded, repeatable read that moves nothing.
 *
 * The range of a topic is asked for once in a statement, so that a self
 * join, a nested loop or a rescan meets the same records however the topic grows.
 */
#include "postgres.h"

#include "source/fetch.h"
#include "source/source.h"

/* The range that all scans of a topic see under an executor state. */
typedef struct KafkaTopicRange
{
	EState	   *estate;
	const KafkaTableOptions *options;
	KafkaOutlook *outlook;
	struct KafkaTopicRange *next;
	MemoryContextCallback callback;
} KafkaTopicRange;

typedef struct KafkaTopicSource
{
	KafkaSource source;
	EState	   *estate;
	const KafkaTableOptions *options;
	KafkaFetch	fetch;
	KafkaOutlook *outlook;		/* NULL: not open */
	KafkaSlice *slices;
} KafkaTopicSource;

static KafkaTopicRange *known_ranges = NULL;

/* The statement is over. */
static void
forget_range(void *argument)
{
	KafkaTopicRange **link = &known_ranges;

	while (*link != argument)
		link = &(*link)->next;
	*link = (*link)->next;
}

/* True when a range was asked for by a scan of the same statement, of the same brokers in the same way. */
static bool
is_shared(const KafkaTopicRange *range, const EState *estate, const KafkaTableOptions *options)
{
	return range->estate == estate && kfdw_config_equal(&range->options->consumer, &options->consumer);
}

/* The range that another scan of the statement asked for, NULL when this is the first. */
static KafkaOutlook *
find_range(const EState *estate, const KafkaTableOptions *options)
{
	for (KafkaTopicRange *range = known_ranges; range != NULL; range = range->next)
		if (kfdw_selection_equal(&range->options->selection, &options->selection) && is_shared(range, estate, options))
			return range->outlook;
	return NULL;
}

/* Partitions that other scans of the statement see too, among others, end where they do for these. */
static void
adopt_ends(KafkaOutlook *outlook, const EState *estate, const KafkaTableOptions *options)
{
	for (KafkaTopicRange *range = known_ranges; range != NULL; range = range->next)
	{
		if (!kfdw_selection_share_topic(&range->options->selection, &options->selection) ||
			!is_shared(range, estate, options))
			continue;
		for (int p = 0; p < outlook->npartitions; p++)
		{
			KafkaPartition *partition = &outlook->partitions[p];
			const KafkaPartition *known = kfdw_outlook_find(range->outlook, partition->topic, partition->number);

			if (known == NULL || known->end < 0)
				continue;
			partition->low = known->low;
			partition->end = known->end;
			partition->trouble = NULL;
		}
	}
}

/*
 * Asks for the range and keeps it for the other scans.  Partitions whose leader does
 * not answer are to be required by those who read them.
 */
static KafkaOutlook *
ask_range(EState *estate, const KafkaTableOptions *options, KafkaConsumer *consumer)
{
	KafkaTopicRange *range = palloc0(sizeof(KafkaTopicRange));

	range->estate = estate;
	range->options = options;
	range->outlook = kfdw_consumer_outlook(consumer);
	adopt_ends(range->outlook, estate, options);
	range->next = known_ranges;
	known_ranges = range;
	range->callback.func = forget_range;
	range->callback.arg = range;
	MemoryContextRegisterResetCallback(estate->es_query_cxt, &range->callback);
	return range->outlook;
}

static KafkaSource *
begin_topic(const KafkaScanRequest *request)
{
	KafkaTopicSource *source = palloc0(sizeof(KafkaTopicSource));

	source->estate = request->estate;
	source->options = request->options;
	kfdw_source_take_options(&source->source, request->options);
	return &source->source;
}

/* Not before the first fetch, so that a plan that never reads a topic never asks for it. */
static void
open_topic(KafkaTopicSource *source)
{
	MemoryContext old = MemoryContextSwitchTo(source->estate->es_query_cxt);

	kfdw_fetch_open(&source->fetch, source->options, source->source.activity);
	source->outlook = find_range(source->estate, source->options);
	if (source->outlook == NULL)
		source->outlook = ask_range(source->estate, source->options, source->fetch.consumer);
	source->slices = palloc((source->outlook->npartitions + 1) * sizeof(KafkaSlice));
	MemoryContextSwitchTo(old);
}

/*
 * Moves the start of each slice to its first record of the time that is wanted, or later;
 * slices without one are left out.  Returns how many are left.
 */
static int
skip_to_times(const KafkaTopicSource *source, int nslices)
{
	int64	   *times = palloc0((source->outlook->npartitions + 1) * sizeof(int64));
	int64	   *first;
	bool		any = false;
	int			left = 0;

	for (int i = 0; i < nslices; i++)
	{
		times[source->slices[i].partition->index] = source->slices[i].since;
		any |= source->slices[i].since > 0;
	}
	if (!any)
	{
		pfree(times);
		return nslices;
	}
	first = kfdw_consumer_first_since(source->fetch.consumer, source->outlook, times);
	pfree(times);
	for (int i = 0; i < nslices; i++)
	{
		KafkaSlice	slice = source->slices[i];

		if (slice.since > 0)
			slice.from = Max(slice.from, first[slice.partition->index]);
		if (slice.from < slice.end)
			source->slices[left++] = slice;
	}
	pfree(first);
	return left;
}

/* Reads every partition from its first offset to its end, as far as is wanted. */
static void
read_topic(KafkaSource *base, const KafkaSourceFilter *filter)
{
	KafkaTopicSource *source = (KafkaTopicSource *) base;
	int			nslices = 0;

	if (source->outlook == NULL)
		open_topic(source);
	kfdw_consumer_require(source->fetch.consumer, source->outlook, filter ? &filter->partitions : NULL);
	for (int p = 0; p < source->outlook->npartitions; p++)
	{
		const KafkaPartition *partition = &source->outlook->partitions[p];
		KafkaSlice	slice = {partition, partition->low, partition->end};

		if (filter == NULL || filter->narrow(filter->partitions.argument, &slice))
			source->slices[nslices++] = slice;
	}
	nslices = skip_to_times(source, nslices);
	base->partitions = nslices;
	kfdw_fetch_start(&source->fetch, source->slices, nslices);
}

static KafkaRecord *
next_record(KafkaSource *base)
{
	return kfdw_fetch_next(&((KafkaTopicSource *) base)->fetch);
}

static void
end_topic(KafkaSource *base)
{
	kfdw_fetch_close(&((KafkaTopicSource *) base)->fetch);
}

const KafkaSourceKind kfdw_source_topic = {
	.begin = begin_topic,
	.read = read_topic,
	.next = next_record,
	.end = end_topic,
};
