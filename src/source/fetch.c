/*
 * fetch.c
 *	  Records of a topic one by one, as a scan takes them.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "source/fetch.h"

/* Records in hand at a time; the client fetches ahead by itself. */
#define FETCH_RECORDS 1000
#define FETCH_BYTES	(32 * 1024 * 1024)

#define FETCH_WAIT_MS 100

void
kfdw_fetch_open(KafkaFetch *fetch, const KafkaTableOptions *options, KafkaActivity *activity)
{
	fetch->buffer = kfdw_buffer_create(FETCH_RECORDS, FETCH_BYTES);
	fetch->consumer = kfdw_consumer_open(&options->consumer, &options->selection);
	fetch->next = 0;
	fetch->activity = activity;
}

/* Remembers what is read, from now on. */
static void
set_slices(KafkaFetch *fetch, const KafkaSlice *slices, int nslices)
{
	if (fetch->slices != NULL)
		pfree(fetch->slices);
	fetch->slices = MemoryContextAlloc(GetMemoryChunkContext(fetch->buffer), (nslices + 1) * sizeof(KafkaSlice));
	memcpy(fetch->slices, slices, nslices * sizeof(KafkaSlice));
	fetch->nslices = nslices;
}

/* Begins to read slices, after what was read before. */
static void
read_slices(KafkaFetch *fetch, const KafkaSlice *slices, int nslices)
{
	kfdw_buffer_clear(fetch->buffer);
	fetch->next = 0;
	set_slices(fetch, slices, nslices);
	kfdw_consumer_start(fetch->consumer, slices, nslices);
}

void
kfdw_fetch_start(KafkaFetch *fetch, const KafkaSlice *slices, int nslices)
{
	int64		range = 0;

	for (int i = 0; i < nslices; i++)
		range = kfdw_add_offsets(range, slices[i].end - slices[i].from);
	kfdw_activity_add(fetch->activity, KAFKA_PROGRESS_RANGE, range);
	fetch->done = kfdw_activity_get(fetch->activity, KAFKA_PROGRESS_DONE);
	read_slices(fetch, slices, nslices);
}

/* Offsets that were read; gaps and transaction markers count, too. */
static int64
count_done(KafkaFetch *fetch)
{
	int64		done = fetch->done;

	for (int i = 0; i < fetch->nslices; i++)
		done += kfdw_consumer_position(fetch->consumer, fetch->slices[i].partition) - fetch->slices[i].from;
	return done;
}

static void
show_progress(KafkaFetch *fetch)
{
	int64		done = count_done(fetch);

	if (fetch->member.share != NULL)
		done = kfdw_share_tell(&fetch->member, done);
	kfdw_activity_set(fetch->activity, KAFKA_PROGRESS_DONE, done);
}

void
kfdw_fetch_start_shared(KafkaFetch *fetch, const KafkaShareMember *member, int npartitions)
{
	if (fetch->taken == NULL)
		fetch->taken = MemoryContextAlloc(GetMemoryChunkContext(fetch->buffer), (npartitions + 1) * sizeof(KafkaSlice));
	kfdw_buffer_clear(fetch->buffer);
	fetch->next = 0;
	fetch->done = 0;
	fetch->nslices = 0;
	fetch->member = *member;
	kfdw_activity_set(fetch->activity, KAFKA_PROGRESS_RANGE, kfdw_share_range(member->share));
}

void
kfdw_fetch_leave(KafkaFetch *fetch)
{
	fetch->member.share = NULL;
}

/* Takes something to read from the share; false when there is nothing. */
static bool
take_slices(KafkaFetch *fetch)
{
	int			nslices = kfdw_share_take(&fetch->member, fetch->taken);

	if (nslices == 0)
		return false;
	fetch->done = count_done(fetch);
	read_slices(fetch, fetch->taken, nslices);
	return true;
}

/* Takes more of a partition that is read before reading comes to the end of what was taken. */
static void
extend_slice(KafkaFetch *fetch)
{
	const KafkaPartition *partition = kfdw_share_current(&fetch->member);
	int64		end;

	if (partition == NULL || kfdw_consumer_finished(fetch->consumer))
		return;
	end = kfdw_share_extend(&fetch->member, kfdw_consumer_position(fetch->consumer, partition));
	if (end >= 0)
		kfdw_consumer_extend(fetch->consumer, partition, end);
}

/* Sees to it that there is something to read where it comes from a share; false when there is nothing more. */
static bool
look_at_share(KafkaFetch *fetch)
{
	if (fetch->member.share == NULL)
		return true;
	if (kfdw_share_is_stopped(fetch->member.share))
		return false;
	if (fetch->nslices == 0)
		return take_slices(fetch);
	extend_slice(fetch);
	return true;
}

KafkaRecord *
kfdw_fetch_next(KafkaFetch *fetch)
{
	for (;;)
	{
		KafkaRecord *record = kfdw_buffer_get(fetch->buffer, fetch->next);
		int			added;

		if (record != NULL)
		{
			fetch->next++;
			return record;
		}
		kfdw_buffer_clear(fetch->buffer);
		fetch->next = 0;
		if (!look_at_share(fetch))
			return NULL;
		added = kfdw_consumer_fill(fetch->consumer, fetch->buffer);
		show_progress(fetch);
		if (added > 0)
			continue;
		if (!kfdw_consumer_finished(fetch->consumer))
			kfdw_consumer_wait(fetch->consumer, FETCH_WAIT_MS);
		else if (fetch->member.share == NULL || !take_slices(fetch))
			return NULL;
	}
}

void
kfdw_fetch_rest(KafkaFetch *fetch)
{
	kfdw_consumer_close(fetch->consumer);
}

void
kfdw_fetch_close(KafkaFetch *fetch)
{
	if (fetch->consumer == NULL)
		return;
	kfdw_buffer_clear(fetch->buffer);
	kfdw_consumer_close(fetch->consumer);
	fetch->consumer = NULL;
}
