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

/* Remembers what is read, and tells how much that is. */
static void
set_slices(KafkaFetch *fetch, const KafkaSlice *slices, int nslices)
{
	int64		range = 0;

	if (fetch->slices != NULL)
		pfree(fetch->slices);
	fetch->slices = MemoryContextAlloc(GetMemoryChunkContext(fetch->buffer), (nslices + 1) * sizeof(KafkaSlice));
	memcpy(fetch->slices, slices, nslices * sizeof(KafkaSlice));
	fetch->nslices = nslices;
	for (int i = 0; i < nslices; i++)
		range += slices[i].end - slices[i].from;
	kfdw_activity_add(fetch->activity, KAFKA_PROGRESS_RANGE, range);
	fetch->done = kfdw_activity_get(fetch->activity, KAFKA_PROGRESS_DONE);
}

void
kfdw_fetch_start(KafkaFetch *fetch, const KafkaSlice *slices, int nslices)
{
	kfdw_buffer_clear(fetch->buffer);
	fetch->next = 0;
	set_slices(fetch, slices, nslices);
	kfdw_consumer_start(fetch->consumer, slices, nslices);
}

/* Gaps and transaction markers count as done, too. */
static void
show_progress(KafkaFetch *fetch)
{
	int64		done = fetch->done;

	for (int i = 0; i < fetch->nslices; i++)
		done += kfdw_consumer_position(fetch->consumer, fetch->slices[i].partition) - fetch->slices[i].from;
	kfdw_activity_set(fetch->activity, KAFKA_PROGRESS_DONE, done);
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
		added = kfdw_consumer_fill(fetch->consumer, fetch->buffer);
		show_progress(fetch);
		if (added > 0)
			continue;
		if (kfdw_consumer_finished(fetch->consumer))
			return NULL;
		kfdw_consumer_wait(fetch->consumer, FETCH_WAIT_MS);
	}
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
