/*
 * record_log.c
 *	  Records that a transaction holds until it commits.
 *
 * A position in the log is a number of bytes from its start: the first file_length
 * of them are in the temporary file, the rest in memory.  Everything lives until
 * the end of the transaction, in its memory context and resource owner.
 *
 * The file has no buffer but ours: what could not be written does not come back when
 * the file is read or closed, after a savepoint has taken it away.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/tablespace.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "delivery/record_bytes.h"
#include "delivery/record_log.h"

/* However large work_mem is. */
#define MAX_MEMORY_KB	65536

/* What is read of the file at once. */
#define READ_BYTES		65536

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
	File		file;			/* 0 until memory was full */
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

/* Makes a file that lives as long as the transaction. */
static void
create_file(KafkaRecordLog *log)
{
	ResourceOwner owner = CurrentResourceOwner;

	PrepareTempTablespaces();
	CurrentResourceOwner = TopTransactionResourceOwner;
	log->file = OpenTemporaryFile(false);
	CurrentResourceOwner = owner;
}

/* Moves what is in memory to the end of the file, which a subtransaction may have left longer. */
static void
spill(KafkaRecordLog *log)
{
	int			done = 0;

	if (log->file == 0)
		create_file(log);
	while (done < log->memory.len)
	{
		int			written = FileWrite(log->file, log->memory.data + done, log->memory.len - done,
										log->file_length + done, WAIT_EVENT_BUFFILE_WRITE);

		if (written <= 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write to the temporary file of held records: %m")));
		done += written;
	}
	log->file_length += done;
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

/* Reads the file in order. */
typedef struct LogReader
{
	const KafkaRecordLog *log;
	int64		position;		/* in the file, of what is read next */
	char	   *data;			/* what was read: used up to here, and filled up to there */
	size_t		size;
	size_t		used;
	size_t		filled;
} LogReader;

/* Has so many bytes at hand; the file is ours, so less is an error. */
static void
fill(LogReader *reader, size_t length)
{
	reader->filled -= reader->used;
	memmove(reader->data, reader->data + reader->used, reader->filled);
	reader->used = 0;
	if (length > reader->size)
	{
		reader->size = length;
		reader->data = repalloc_huge(reader->data, reader->size);
	}
	while (reader->filled < length)
	{
		int			count = FileRead(reader->log->file, reader->data + reader->filled,
									 Min(reader->size - reader->filled, reader->log->file_length - reader->position),
									 reader->position, WAIT_EVENT_BUFFILE_READ);

		if (count == 0)
			errno = EIO;
		if (count <= 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read the temporary file of held records: %m")));
		reader->position += count;
		reader->filled += count;
	}
}

/* The next bytes of the file, valid until the next ones are read. */
static const char *
read_bytes(LogReader *reader, size_t length)
{
	const char *bytes;

	if (reader->filled - reader->used < length)
		fill(reader, length);
	bytes = reader->data + reader->used;
	reader->used += length;
	return bytes;
}

/* Hands out the part of the log that is in the file. */
static void
replay_file(const KafkaRecordLog *log, KafkaLogTaker take)
{
	LogReader	reader = {.log = log,.size = READ_BYTES};

	if (log->file_length == 0)
		return;
	reader.data = palloc(reader.size);
	while (reader.position < log->file_length || reader.used < reader.filled)
	{
		KafkaLogEntry entry;

		memcpy(&entry, read_bytes(&reader, sizeof(entry)), sizeof(entry));
		replay_entry(&entry, read_bytes(&reader, entry.length), take);
	}
	pfree(reader.data);
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
	if (*log != NULL && (*log)->file != 0)
		FileClose((*log)->file);
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
