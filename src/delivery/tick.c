/*
 * tick.c
 *	  The records of a tick of the outbox.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "delivery/record_bytes.h"
#include "delivery/refusals.h"
#include "delivery/tick.h"
#include "kafka/limit.h"

KafkaTickRecords *
kfdw_tick_read(const KafkaTick *tick, List *rows)
{
	KafkaTickRecords *result = palloc0(sizeof(KafkaTickRecords));
	int			total = 0;
	ListCell   *lc;

	foreach(lc, rows)
		total += ((KafkaOutboxRow *) lfirst(lc))->records;
	result->tick = tick;
	result->records = MemoryContextAllocHuge(CurrentMemoryContext, (Size) Max(total, 1) * sizeof(KafkaRecord));
	result->rows = MemoryContextAllocHuge(CurrentMemoryContext, (Size) Max(total, 1) * sizeof(KafkaOutboxRow *));
	foreach(lc, rows)
	{
		KafkaOutboxRow *row = lfirst(lc);
		const char *data = row->data;

		for (int i = 0; i < row->records; i++)
		{
			data = kfdw_bytes_read(data, &result->records[result->count]);
			result->records[result->count].topic = row->topic;
			result->records[result->count].timestamp_type = KAFKA_TIMESTAMP_CREATE_TIME;
			result->rows[result->count++] = row;
		}
	}
	return result;
}

KafkaConfig
kfdw_tick_limit_batches(const KafkaTickRecords *records, const KafkaConfig *producer)
{
	KafkaConfig config = *producer;

	kfdw_limit_forget();
	for (int i = 0; i < records->count; i++)
		if (i == 0 || strcmp(records->records[i].topic, records->records[i - 1].topic) != 0)
			config = kfdw_limit_batches(&config, records->records[i].topic);
	return config;
}

/* Takes the records that are refused out of the rows of the tick. */
static void
change_rows(const KafkaTickRecords *records, const bool *refused)
{
	for (int i = 0; i < records->count;)
	{
		KafkaOutboxRow *row = records->rows[i];
		KafkaOutboxRow rest = *row;
		StringInfoData data;

		initStringInfo(&data);
		rest.records = 0;
		for (; i < records->count && records->rows[i] == row; i++)
		{
			if (refused[i])
				continue;
			kfdw_bytes_append(&data, &records->records[i]);
			rest.records++;
		}
		rest.data = data.data;
		rest.length = data.len;
		if (rest.records < row->records)
			kfdw_outbox_change_row(records->tick, &rest);
	}
}

void
kfdw_tick_set_aside(const KafkaTickRecords *records, const KafkaReader *reader, List *refused)
{
	KafkaStoredRecords *letters = kfdw_dead_letters_begin();
	bool	   *taken = palloc0(records->count * sizeof(bool));
	ListCell   *lc;

	foreach(lc, refused)
	{
		const KafkaRefusal *refusal = lfirst(lc);
		const KafkaRecord *record = &records->records[refusal->index];

		taken[refusal->index] = true;
		kfdw_dead_letters_add(letters, record, KAFKA_STAGE_PUBLISH, refusal->error);
		if (foreach_current_index(lc) == 0)
			ereport(LOG,
					(errmsg("%d records were set aside; the first one, for topic \"%s\": %s",
							list_length(refused), record->topic, refusal->error->message)));
	}
	kfdw_dead_letters_write(letters, reader);
	kfdw_stored_records_end(letters);
	change_rows(records, taken);
}
