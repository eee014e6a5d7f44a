/*
 * pace.c
 *	  When a worker may run the next batch, and how many records it may hold.
 *
 * Each worker has an equal part of the stream's rate.  A batch holds what it may read in a
 * second, or in the interval of commits where that is longer; the next one waits until the
 * time that its records may take has passed.  Nothing is saved up while there are none.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "stat/wait.h"
#include "stream/pace.h"

KafkaPace
kfdw_pace_of(const KafkaStream *stream)
{
	const KafkaStreamSettings *settings = &stream->settings;
	KafkaPace	pace = {.interval_us = settings->commit_interval * 1000, .max_records = settings->max_poll_records};

	if (settings->max_records_per_second > 0)
	{
		pace.record_us = (double) USECS_PER_SEC * stream->workers / settings->max_records_per_second;
		pace.max_records = Max(Min(Max(pace.interval_us, USECS_PER_SEC) / pace.record_us, pace.max_records), 1);
	}
	return pace;
}

long
kfdw_pace_wait_ms(const KafkaPace *pace, bool is_full)
{
	return TimestampDifferenceMilliseconds(kfdw_wait_now(), is_full ? pace->allowed : Max(pace->allowed, pace->gathered));
}

void
kfdw_pace_begin(KafkaPace *pace, int records)
{
	pace->allowed = kfdw_wait_now() + (int64) (records * pace->record_us);
}

void
kfdw_pace_commit(KafkaPace *pace)
{
	pace->gathered = kfdw_wait_now() + pace->interval_us;
}
