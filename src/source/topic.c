/*
 * topic.c
 *	  A topic as a source: a bounded, repeatable read that moves nothing.
 *
 * The range of the topic is asked for once in a statement and topic, so that a self
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
	KafkaTopicState *state;
	struct KafkaTopicRange *next;
	MemoryContextCallback callback;
} KafkaTopicRange;

typedef struct KafkaTopicSource
{
	KafkaSource source;
	EState	   *estate;
	const KafkaTableOptions *options;
	KafkaFetch	fetch;
	KafkaTopicState *topic;		/* NULL: not open */
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

/* The range that another scan of the statement asked for, NULL when this is the first. */
static KafkaTopicState *
find_range(const EState *estate, const KafkaTableOptions *options)
{
	for (KafkaTopicRange *range = known_ranges; range != NULL; range = range->next)
		if (range->estate == estate && strcmp(range->options->topic, options->topic) == 0 &&
			kfdw_config_equal(&range->options->consumer, &options->consumer))
			return range->state;
	return NULL;
}

/*
 * Asks for the range and keeps it for the other scans.  Partitions whose leader does
 * not answer are to be required by those who read them.
 */
static KafkaTopicState *
ask_range(EState *estate, const KafkaTableOptions *options, KafkaConsumer *consumer)
{
	KafkaTopicRange *range = palloc0(sizeof(KafkaTopicRange));

	range->estate = estate;
	range->options = options;
	range->state = kfdw_consumer_topic_outlook(consumer);
	range->next = known_ranges;
	known_ranges = range;
	range->callback.func = forget_range;
	range->callback.arg = range;
	MemoryContextRegisterResetCallback(estate->es_query_cxt, &range->callback);
	return range->state;
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
	source->topic = find_range(source->estate, source->options);
	if (source->topic == NULL)
		source->topic = ask_range(source->estate, source->options, source->fetch.consumer);
	source->slices = palloc((source->topic->npartitions + 1) * sizeof(KafkaSlice));
	MemoryContextSwitchTo(old);
}

/*
 * Moves the start of each slice to its first record of the time that is wanted, or later;
 * slices without one are left out.  Returns how many are left.
 */
static int
skip_to_times(KafkaConsumer *consumer, KafkaSlice *slices, int nslices, int npartitions)
{
	int64	   *times = palloc0((npartitions + 1) * sizeof(int64));
	int64	   *first = NULL;
	int			left = 0;

	for (int i = 0; i < nslices; i++)
		times[slices[i].partition] = slices[i].since;
	for (int p = 0; p < npartitions && first == NULL; p++)
		if (times[p] > 0)
			first = kfdw_consumer_first_since(consumer, times, npartitions);
	pfree(times);
	if (first == NULL)
		return nslices;
	for (int i = 0; i < nslices; i++)
	{
		KafkaSlice	slice = slices[i];

		if (slice.since > 0)
			slice.from = Max(slice.from, first[slice.partition]);
		if (slice.from < slice.end)
			slices[left++] = slice;
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

	if (source->topic == NULL)
		open_topic(source);
	kfdw_consumer_require(source->fetch.consumer, source->topic, filter ? &filter->partitions : NULL);
	for (int p = 0; p < source->topic->npartitions; p++)
	{
		KafkaSlice	slice = {p, source->topic->low[p], source->topic->end[p]};

		if (filter == NULL || filter->narrow(filter->partitions.argument, &slice))
			source->slices[nslices++] = slice;
	}
	nslices = skip_to_times(source->fetch.consumer, source->slices, nslices, source->topic->npartitions);
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
