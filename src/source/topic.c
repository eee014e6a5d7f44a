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

/* The range that all scans of a topic see in a statement; it lives as long as that. */
typedef struct KafkaTopicRange
{
	const EState *statement;
	KafkaConfig config;
	KafkaSelection selection;
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
	KafkaOutlook *outlook;		/* NULL: not asked for */
	KafkaSlice *slices;

	KafkaShareMember member;	/* share NULL: it reads alone */
	int			npartitions;	/* that the share has */
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
is_shared(const KafkaTopicRange *range, const EState *statement, const KafkaTableOptions *options)
{
	return range->statement == statement && kfdw_config_equal(&range->config, &options->consumer);
}

/* The range that another scan of the statement asked for, NULL when this is the first. */
static KafkaOutlook *
find_range(const EState *statement, const KafkaTableOptions *options)
{
	for (KafkaTopicRange *range = known_ranges; range != NULL; range = range->next)
		if (kfdw_selection_equal(&range->selection, &options->selection) && is_shared(range, statement, options))
			return range->outlook;
	return NULL;
}

/* Partitions that other scans of the statement see too, among others, end where they do for these. */
static void
adopt_ends(KafkaOutlook *outlook, const EState *statement, const KafkaTableOptions *options)
{
	for (KafkaTopicRange *range = known_ranges; range != NULL; range = range->next)
	{
		if (!kfdw_selection_share_topic(&range->selection, &options->selection) ||
			!is_shared(range, statement, options))
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
ask_range(const EState *statement, const KafkaTableOptions *options, KafkaConsumer *consumer)
{
	MemoryContext old = MemoryContextSwitchTo(statement->es_query_cxt);
	KafkaTopicRange *range = palloc0(sizeof(KafkaTopicRange));

	range->statement = statement;
	range->config = kfdw_config_copy(&options->consumer);
	range->selection = kfdw_selection_copy(&options->selection);
	range->outlook = kfdw_consumer_outlook(consumer);
	adopt_ends(range->outlook, statement, options);
	range->next = known_ranges;
	known_ranges = range;
	range->callback.func = forget_range;
	range->callback.arg = range;
	MemoryContextRegisterResetCallback(statement->es_query_cxt, &range->callback);
	MemoryContextSwitchTo(old);
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
	const EState *statement = kfdw_source_statement(source->estate);
	MemoryContext old = MemoryContextSwitchTo(source->estate->es_query_cxt);

	kfdw_fetch_open(&source->fetch, source->options, source->source.activity);
	source->outlook = find_range(statement, source->options);
	if (source->outlook == NULL)
		source->outlook = ask_range(statement, source->options, source->fetch.consumer);
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

/* What is wanted of every partition between its first offset and its end; returns how many slices that are. */
static int
choose_slices(KafkaTopicSource *source, const KafkaSourceFilter *filter)
{
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
	source->source.slices = source->slices;
	source->source.nslices = nslices;
	return nslices;
}

/* Alone, or what is left in a share, which was filled with what is wanted. */
static void
read_topic(KafkaSource *base, const KafkaSourceFilter *filter)
{
	KafkaTopicSource *source = (KafkaTopicSource *) base;

	if (source->member.share != NULL)
		kfdw_fetch_start_shared(&source->fetch, &source->member, source->npartitions);
	else
		kfdw_fetch_start(&source->fetch, source->slices, choose_slices(source, filter));
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

/* The leader prepares all scans of a plan before the first is read: each rests until its turn comes. */
static Size
share_size(KafkaSource *base, int nmembers)
{
	KafkaTopicSource *source = (KafkaTopicSource *) base;

	if (source->outlook == NULL)
		open_topic(source);
	kfdw_fetch_rest(&source->fetch);
	return kfdw_share_size(source->outlook, nmembers);
}

static void
share_topic(KafkaSource *base, const KafkaSourceFilter *filter, KafkaSharing *sharing)
{
	KafkaTopicSource *source = (KafkaTopicSource *) base;

	if (sharing->is_new)
		kfdw_share_create(sharing->memory, source->outlook, sharing->nmembers);
	source->member = (KafkaShareMember) {sharing->memory, 0, source->outlook->partitions};
	source->npartitions = source->outlook->npartitions;
	kfdw_share_set(sharing->memory, source->slices, choose_slices(source, filter));
	kfdw_fetch_rest(&source->fetch);
}

static void
join_share(KafkaSource *base, void *memory, int member)
{
	KafkaTopicSource *source = (KafkaTopicSource *) base;
	KafkaPartition *partitions;
	MemoryContext old = MemoryContextSwitchTo(source->estate->es_query_cxt);

	kfdw_fetch_open(&source->fetch, source->options, base->activity);
	partitions = kfdw_share_partitions(memory, &source->options->selection, &source->npartitions);
	source->member = (KafkaShareMember) {memory, member, partitions};
	MemoryContextSwitchTo(old);
}

static void
leave_share(KafkaSource *base)
{
	KafkaTopicSource *source = (KafkaTopicSource *) base;

	if (source->member.share == NULL)
		return;
	if (source->member.number == 0)
		kfdw_share_stop(source->member.share);
	source->member.share = NULL;
	kfdw_fetch_leave(&source->fetch);
}

const KafkaSourceKind kfdw_source_topic = {
	.begin = begin_topic,
	.read = read_topic,
	.next = next_record,
	.end = end_topic,
	.share_size = share_size,
	.share = share_topic,
	.join = join_share,
	.leave = leave_share,
};
