/*
 * record_log.c
 *	  Records that a transaction holds until it commits.
 *
 * A position in the log is a number of bytes from its start: the first file_length
 * of them are in the temporary file, the rest in memory.  Everything lives until
 * the end of the transaction, in its memory context and resource owner.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "delivery/record_bytes.h"
#include "delivery/record_log.h"

/* However large work_mem is. */
#define MAX_MEMORY_KB	65536

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
	BufFile    *file;			/* NULL until memory was full */
	int64		file_length;
	StringInfoData memory;

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
	initStringInfo(&log->memory);
	MemoryContextSwitchTo(old);
	return log;
}

/* The end of the log. */
static int64
log_position(const KafkaRecordLog *log)
{
	return log->file_length + log->memory.len;
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
	log->marks[log->nmarks].position = log_position(log);
	log->nmarks++;
}

/* Moves what is in memory to the end of the file, which lives as long as the transaction. */
static void
spill(KafkaRecordLog *log)
{
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	CurrentResourceOwner = TopTransactionResourceOwner;
	if (log->file == NULL)
		log->file = BufFileCreateTemp(false);
	CurrentResourceOwner = owner;
	MemoryContextSwitchTo(old);

	/* a subtransaction may have cut the log below the end of the file */
	if (BufFileSeek(log->file, 0, log->file_length, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in the temporary file of held records: %m")));
	BufFileWrite(log->file, log->memory.data, log->memory.len);
	log->file_length += log->memory.len;
	resetStringInfo(&log->memory);
}

void
kfdw_log_append(KafkaRecordLog **where, void *target, const KafkaRecord *record)
{
	KafkaRecordLog *log = *where != NULL ? *where : create_log();
	StringInfo	out = &log->memory;
	KafkaLogEntry entry = {0};
	int			start;

	*where = log;
	mark_subtransaction(log);
	if (log->memory.len > 0 &&
		log->memory.len + record->key_len + record->value_len > (int64) Min(work_mem, MAX_MEMORY_KB) * 1024)
		spill(log);

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
	return log == NULL || log_position(log) == 0;
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

/* Reads bytes of the file; the file is ours, so less than asked for is an error. */
static void
read_file(KafkaRecordLog *log, void *data, size_t length)
{
	if (BufFileRead(log->file, data, length) != length)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read the temporary file of held records: %m")));
}

/* Hands out the part of the log that is in the file. */
static void
replay_file(KafkaRecordLog *log, KafkaLogTaker take)
{
	StringInfoData data;

	if (log->file_length == 0)
		return;
	initStringInfo(&data);
	if (BufFileSeek(log->file, 0, 0, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in the temporary file of held records: %m")));
	for (int64 done = 0; done < log->file_length;)
	{
		KafkaLogEntry entry;

		read_file(log, &entry, sizeof(entry));
		resetStringInfo(&data);
		enlargeStringInfo(&data, (int) entry.length);
		read_file(log, data.data, entry.length);
		replay_entry(&entry, data.data, take);
		done += sizeof(entry) + entry.length;
	}
	pfree(data.data);
}

/* Hands out the part of the log that is in memory. */
static void
replay_memory(const KafkaRecordLog *log, KafkaLogTaker take)
{
	for (int done = 0; done < log->memory.len;)
	{
		KafkaLogEntry entry;

		memcpy(&entry, log->memory.data + done, sizeof(entry));
		done += sizeof(entry);
		replay_entry(&entry, log->memory.data + done, take);
		done += (int) entry.length;
	}
}

void
kfdw_log_replay(KafkaRecordLog *log, KafkaLogTaker take)
{
	if (log == NULL)
		return;
	replay_file(log, take);
	replay_memory(log, take);
}

void
kfdw_log_close(KafkaRecordLog **log)
{
	if (*log != NULL && (*log)->file != NULL)
		BufFileClose((*log)->file);
	*log = NULL;
}

/* Cuts the log at a position. */
static void
cut_log(KafkaRecordLog *log, int64 position)
{
	if (position >= log->file_length)
	{
		log->memory.len = (int) (position - log->file_length);
		log->memory.data[log->memory.len] = '\0';
		return;
	}
	log->file_length = position;
	resetStringInfo(&log->memory);
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
		cut_log(log, mark->position);
	if (committed && level > 2 && (log->nmarks == 1 || mark[-1].level < level - 1))
		mark->level = level - 1;
	else
		log->nmarks--;
}
