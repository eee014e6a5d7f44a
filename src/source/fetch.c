/*
 * fetch.c
 *	  Records of a topic one by one, as a scan takes them.
 */
#include "postgres.h"

#include "source/fetch.h"

/* Records in hand at a time; the client fetches ahead by itself. */
#define FETCH_RECORDS 1000
#define FETCH_BYTES	(32 * 1024 * 1024)

#define FETCH_WAIT_MS 100

void
kfdw_fetch_open(KafkaFetch *fetch, const KafkaTableOptions *options)
{
	fetch->buffer = kfdw_buffer_create(FETCH_RECORDS, FETCH_BYTES);
	fetch->consumer = kfdw_consumer_open(&options->consumer, options->topic);
	fetch->next = 0;
}

void
kfdw_fetch_start(KafkaFetch *fetch, const KafkaSlice *slices, int nslices)
{
	kfdw_buffer_clear(fetch->buffer);
	fetch->next = 0;
	kfdw_consumer_start(fetch->consumer, slices, nslices);
}

KafkaRecord *
kfdw_fetch_next(KafkaFetch *fetch)
{
	for (;;)
	{
		KafkaRecord *record = kfdw_buffer_get(fetch->buffer, fetch->next);

		if (record != NULL)
		{
			fetch->next++;
			return record;
		}
		kfdw_buffer_clear(fetch->buffer);
		fetch->next = 0;
		if (kfdw_consumer_fill(fetch->consumer, fetch->buffer) > 0)
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
