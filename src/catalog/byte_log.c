/*
 * byte_log.c
 *	  Bytes that a transaction keeps, in memory up to work_mem and then in a temporary file.
 *
 * The file has no buffer but ours: what could not be written does not come back when
 * the file is read or closed, after a savepoint has taken it away.
 */
#include "postgres.h"

#include "commands/tablespace.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "catalog/byte_log.h"

/* However large work_mem is. */
#define MAX_MEMORY_KB	65536

/* What is read of the file at once. */
#define READ_BYTES		65536

void
kfdw_byte_log_begin(KafkaByteLog *log)
{
	log->file = 0;
	log->file_length = 0;
	initStringInfo(&log->memory);
}

/* Makes a file that lives as long as the transaction, whatever savepoint it is begun in. */
static void
create_file(KafkaByteLog *log)
{
	ResourceOwner owner = CurrentResourceOwner;

	PrepareTempTablespaces();
	CurrentResourceOwner = TopTransactionResourceOwner;
	log->file = OpenTemporaryFile(false);
	CurrentResourceOwner = owner;
}

/* Moves what is in memory to the end of what the file holds. */
static void
spill(KafkaByteLog *log)
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
					 errmsg("could not write to temporary file: %m")));
		done += written;
	}
	log->file_length += done;
	resetStringInfo(&log->memory);
}

void
kfdw_byte_log_make_room(KafkaByteLog *log, int64 length)
{
	if (log->memory.len > 0 && log->memory.len + length > (int64) Min(work_mem, MAX_MEMORY_KB) * 1024)
		spill(log);
}

int64
kfdw_byte_log_position(const KafkaByteLog *log)
{
	return log->file_length + log->memory.len;
}

void
kfdw_byte_log_cut(KafkaByteLog *log, int64 position)
{
	if (position >= log->file_length)
	{
		log->memory.len = (int) (position - log->file_length);
		log->memory.data[log->memory.len] = '\0';
		return;
	}

	/* where it cannot be truncated it is longer than what it holds */
	(void) FileTruncate(log->file, position, WAIT_EVENT_BUFFILE_TRUNCATE);
	log->file_length = position;
	resetStringInfo(&log->memory);
}

void
kfdw_byte_log_end(KafkaByteLog *log)
{
	if (log->file != 0)
		FileClose(log->file);
	log->file = 0;
}

void
kfdw_byte_log_read(KafkaByteReader *reader, const KafkaByteLog *log)
{
	*reader = (KafkaByteReader) {.log = log};
	if (log->file_length == 0)
		return;
	reader->size = READ_BYTES;
	reader->data = palloc(reader->size);
}

/* True when there is more in the file, or of it. */
static bool
has_more_of_file(const KafkaByteReader *reader)
{
	return reader->position < reader->log->file_length || reader->used < reader->filled;
}

bool
kfdw_byte_log_has_more(const KafkaByteReader *reader)
{
	return has_more_of_file(reader) || reader->memory_used < reader->log->memory.len;
}

/* Has so many bytes of the file at hand; the file is ours, so less is an error. */
static void
fill(KafkaByteReader *reader, size_t length)
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
					 errmsg("could not read temporary file: %m")));
		reader->position += count;
		reader->filled += count;
	}
}

const char *
kfdw_byte_log_next(KafkaByteReader *reader, size_t length)
{
	const char *bytes;

	if (has_more_of_file(reader))
	{
		if (reader->filled - reader->used < length)
			fill(reader, length);
		bytes = reader->data + reader->used;
		reader->used += length;
	}
	else
	{
		bytes = reader->log->memory.data + reader->memory_used;
		reader->memory_used += (int) length;
	}
	return bytes;
}

void
kfdw_byte_log_end_read(KafkaByteReader *reader)
{
	if (reader->data != NULL)
		pfree(reader->data);
	reader->data = NULL;
}
