/*
 * record_log.c
 *	  Records that a transaction holds until it commits.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "catalog/byte_log.h"
#include "delivery/record_bytes.h"
#include "delivery/record_log.h"

/* A record in the log; its bytes follow. */
typedef struct KafkaLogEntry
{
	void	   *target;
	uint32		length;			/* of what follows */
} KafkaLogEntry;

/* Where the log stood when a subtransaction first appended to it. */
typedef struct KafkaLogMark
{
	int			level;
	int64		position;
} KafkaLogMark;

struct KafkaRecordLog
{
	KafkaByteLog bytes;

	KafkaLogMark *marks;		/* ascending by level */
	int			nmarks;
	int			marks_allocated;
};

static KafkaRecordLog *
create_log(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	KafkaRecordLog *log = palloc0(sizeof(KafkaRecordLog));

	log->marks_allocated = 8;
	log->marks = palloc(log->marks_allocated * sizeof(KafkaLogMark));
	kfdw_byte_log_begin(&log->bytes);
	MemoryContextSwitchTo(old);
	return log;
}

/* Remembers where the log stood before the current subtransaction's first record. */
static void
mark_subtransaction(KafkaRecordLog *log)
{
	int			level = GetCurrentTransactionNestLevel();

	if (level == 1 || (log->nmarks > 0 && log->marks[log->nmarks - 1].level >= level))
		return;
	if (log->nmarks == log->marks_allocated)
	{
		log->marks_allocated *= 2;
		log->marks = repalloc(log->marks, log->marks_allocated * sizeof(KafkaLogMark));
	}
	log->marks[log->nmarks].level = level;
	log->marks[log->nmarks].position = kfdw_byte_log_position(&log->bytes);
	log->nmarks++;
}

void
kfdw_log_append(KafkaRecordLog **where, void *target, const KafkaRecord *record)
{
	KafkaRecordLog *log = *where != NULL ? *where : create_log();
	StringInfo	out = &log->bytes.memory;
	KafkaLogEntry entry = {0};
	int			start;

	*where = log;
	mark_subtransaction(log);
	kfdw_byte_log_make_room(&log->bytes, (int64) record->key_len + record->value_len);

	start = out->len;
	entry.target = target;
	appendBinaryStringInfo(out, (char *) &entry, sizeof(entry));
	kfdw_bytes_append(out, record);
	entry.length = out->len - start - sizeof(entry);
	memcpy(out->data + start, &entry, sizeof(entry));
}

bool
kfdw_log_is_empty(const KafkaRecordLog *log)
{
	return log == NULL || kfdw_byte_log_position(&log->bytes) == 0;
}

/* Hands out one record from its bytes in the log. */
static void
replay_entry(const KafkaLogEntry *entry, const char *data, KafkaLogTaker take)
{
	KafkaRecord record;

	(void) kfdw_bytes_read(data, &record);
	take(entry->target, &record);
	if (record.headers)
		pfree(record.headers);
}

void
kfdw_log_replay(KafkaRecordLog *log, KafkaLogTaker take)
{
	KafkaByteReader reader;

	if (log == NULL)
		return;
	kfdw_byte_log_read(&reader, &log->bytes);
	while (kfdw_byte_log_has_more(&reader))
	{
		KafkaLogEntry entry;

		memcpy(&entry, kfdw_byte_log_next(&reader, sizeof(entry)), sizeof(entry));
		replay_entry(&entry, kfdw_byte_log_next(&reader, entry.length), take);
	}
	kfdw_byte_log_end_read(&reader);
}

void
kfdw_log_close(KafkaRecordLog **log)
{
	if (*log != NULL)
		kfdw_byte_log_end(&(*log)->bytes);
	*log = NULL;
}

void
kfdw_log_end_subtransaction(KafkaRecordLog *log, int level, bool committed)
{
	KafkaLogMark *mark;

	if (log == NULL || log->nmarks == 0)
		return;
	mark = &log->marks[log->nmarks - 1];
	if (mark->level < level)
		return;
	if (!committed)
		kfdw_byte_log_cut(&log->bytes, mark->position);
	if (committed && level > 2 && (log->nmarks == 1 || mark[-1].level < level - 1))
		mark->level = level - 1;
	else
		log->nmarks--;
}
