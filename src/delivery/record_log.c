/*
 * record_log.c
 *	  The records that a transaction holds until it commits.
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

#include "delivery/record_log.h"
#include "kafka/producer.h"
#include "xact.h"

/* However large work_mem is. */
#define MAX_MEMORY_KB	65536

/* What is sent alike: a topic and the properties of its producer. */
typedef struct KafkaTarget
{
	Oid			relid;
	Oid			userid;
	uint64		generation;		/* of the catalogs, when the options were read */
	char	   *topic;
	KafkaConfig config;
	KafkaProducer *producer;	/* while the log is sent */
} KafkaTarget;

/* The fixed part of a record in the log; key, value and headers follow it. */
typedef struct KafkaLogEntry
{
	uint32		length;			/* of what follows */
	int32		target;
	int32		partition;
	int32		nheaders;
	int64		timestamp;
	int64		key_len;		/* -1: NULL */
	int64		value_len;		/* -1: NULL */
} KafkaLogEntry;

/* Where the log stood when a subtransaction first appended to it. */
typedef struct KafkaLogMark
{
	int			level;
	int64		position;
} KafkaLogMark;

typedef struct KafkaRecordLog
{
	KafkaTarget *targets;
	int			ntargets;
	int			targets_allocated;

	BufFile    *file;			/* NULL until memory was full */
	int64		file_length;
	StringInfoData memory;

	KafkaLogMark *marks;		/* ascending by level */
	int			nmarks;
	int			marks_allocated;
} KafkaRecordLog;

static KafkaRecordLog *record_log = NULL;

/* The log of this transaction, made at its first use. */
static KafkaRecordLog *
get_log(void)
{
	MemoryContext old;

	if (record_log != NULL)
		return record_log;
	old = MemoryContextSwitchTo(TopTransactionContext);
	record_log = palloc0(sizeof(KafkaRecordLog));
	record_log->targets_allocated = 4;
	record_log->targets = palloc(record_log->targets_allocated * sizeof(KafkaTarget));
	record_log->marks_allocated = 8;
	record_log->marks = palloc(record_log->marks_allocated * sizeof(KafkaLogMark));
	initStringInfo(&record_log->memory);
	MemoryContextSwitchTo(old);
	return record_log;
}

/* A copy of a client's properties in the current memory context. */
static KafkaConfig
copy_config(const KafkaConfig *source)
{
	KafkaConfig copy = *source;

	copy.bootstrap_servers = pstrdup(source->bootstrap_servers);
	copy.properties = palloc(source->nproperties * sizeof(KafkaProperty));
	for (int i = 0; i < source->nproperties; i++)
	{
		copy.properties[i] = source->properties[i];
		copy.properties[i].name = pstrdup(source->properties[i].name);
		copy.properties[i].value = pstrdup(source->properties[i].value);
	}
	return copy;
}

int
kfdw_log_target(const KafkaTableOptions *options, Oid userid)
{
	KafkaRecordLog *log = get_log();
	uint64		generation = kfdw_client_generation();
	MemoryContext old;
	KafkaTarget *target;

	for (int i = 0; i < log->ntargets; i++)
		if (log->targets[i].relid == options->relid && log->targets[i].userid == userid &&
			log->targets[i].generation == generation)
			return i;
	old = MemoryContextSwitchTo(TopTransactionContext);
	if (log->ntargets == log->targets_allocated)
	{
		log->targets_allocated *= 2;
		log->targets = repalloc(log->targets, log->targets_allocated * sizeof(KafkaTarget));
	}
	target = &log->targets[log->ntargets];
	target->relid = options->relid;
	target->userid = userid;
	target->generation = generation;
	target->topic = pstrdup(options->topic);
	target->config = copy_config(&options->producer);
	target->producer = NULL;
	MemoryContextSwitchTo(old);
	return log->ntargets++;
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

/* Appends a header: the length of its key and value, then both. */
static void
append_header(StringInfo out, const KafkaHeader *header)
{
	int64		lengths[2];

	lengths[0] = strlen(header->key) + 1;
	lengths[1] = header->value ? (int64) header->value_len : -1;
	appendBinaryStringInfo(out, (char *) lengths, sizeof(lengths));
	appendBinaryStringInfo(out, header->key, (int) lengths[0]);
	if (header->value)
		appendBinaryStringInfo(out, header->value, (int) header->value_len);
}

void
kfdw_log_append(int target, const KafkaRecord *record)
{
	KafkaRecordLog *log = get_log();
	StringInfo	out = &log->memory;
	KafkaLogEntry entry = {0};
	int			start;

	mark_subtransaction(log);
	if (log->memory.len > 0 &&
		log->memory.len + record->key_len + record->value_len > (int64) Min(work_mem, MAX_MEMORY_KB) * 1024)
		spill(log);

	start = out->len;
	entry.target = target;
	entry.partition = record->partition;
	entry.nheaders = record->nheaders;
	entry.timestamp = record->timestamp;
	entry.key_len = record->key ? (int64) record->key_len : -1;
	entry.value_len = record->value ? (int64) record->value_len : -1;
	appendBinaryStringInfo(out, (char *) &entry, sizeof(entry));
	if (record->key)
		appendBinaryStringInfo(out, record->key, (int) record->key_len);
	if (record->value)
		appendBinaryStringInfo(out, record->value, (int) record->value_len);
	for (int i = 0; i < record->nheaders; i++)
		append_header(out, &record->headers[i]);
	entry.length = out->len - start - sizeof(entry);
	memcpy(out->data + start, &entry, sizeof(entry));
}

static bool
is_empty(void)
{
	return record_log == NULL || log_position(record_log) == 0;
}

/* Sets the headers of a record from their bytes in the log. */
static void
read_headers(KafkaRecord *record, const char *data)
{
	record->headers = palloc(record->nheaders * sizeof(KafkaHeader));
	for (int i = 0; i < record->nheaders; i++)
	{
		KafkaHeader *header = &record->headers[i];
		int64		lengths[2];

		memcpy(lengths, data, sizeof(lengths));
		data += sizeof(lengths);
		header->key = data;
		data += lengths[0];
		header->value = lengths[1] >= 0 ? data : NULL;
		header->value_len = Max(lengths[1], 0);
		data += header->value_len;
	}
}

/* Sends one record from its bytes in the log. */
static void
send_entry(KafkaRecordLog *log, const KafkaLogEntry *entry, const char *data)
{
	KafkaTarget *target = &log->targets[entry->target];
	KafkaRecord record = {0};

	record.topic = target->topic;
	record.partition = entry->partition;
	record.timestamp = entry->timestamp;
	record.nheaders = entry->nheaders;
	record.key = entry->key_len >= 0 ? data : NULL;
	record.key_len = Max(entry->key_len, 0);
	data += record.key_len;
	record.value = entry->value_len >= 0 ? data : NULL;
	record.value_len = Max(entry->value_len, 0);
	data += record.value_len;
	if (record.nheaders > 0)
		read_headers(&record, data);
	if (target->producer == NULL)
		target->producer = kfdw_producer_get(&target->config);
	kfdw_producer_send(target->producer, &record);
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

/* Sends the part of the log that is in the file. */
static void
send_file(KafkaRecordLog *log)
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
		send_entry(log, &entry, data.data);
		done += sizeof(entry) + entry.length;
	}
	pfree(data.data);
}

/* Sends the part of the log that is in memory. */
static void
send_memory(KafkaRecordLog *log)
{
	for (int done = 0; done < log->memory.len;)
	{
		KafkaLogEntry entry;

		memcpy(&entry, log->memory.data + done, sizeof(entry));
		done += sizeof(entry);
		send_entry(log, &entry, log->memory.data + done);
		done += (int) entry.length;
	}
}

/*
 * Sends everything and waits until all of it is acknowledged; what fails is an error.
 * Also where a savepoint took all of it back there may be a file to close.
 */
static void
send_log(void)
{
	KafkaRecordLog *log = record_log;
	MemoryContext old;

	if (log == NULL)
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	send_file(log);
	send_memory(log);
	for (int i = 0; i < log->ntargets; i++)
		if (log->targets[i].producer != NULL)
			kfdw_producer_flush(log->targets[i].producer);
	if (log->file != NULL)
		BufFileClose(log->file);
	log->file = NULL;
	MemoryContextSwitchTo(old);
	record_log = NULL;
}

/* The transaction is over; its memory context frees the log. */
static void
end_transaction(bool committed)
{
	record_log = NULL;
	kfdw_producer_end_transaction();
}

/* Held records cannot be prepared: nothing would send them at COMMIT PREPARED. */
static void
refuse_prepare(void)
{
	if (!is_empty())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot prepare a transaction that has inserted into a Kafka topic"),
				 errhint("Use COMMIT.")));
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

/* A subtransaction's records become its parent's, or are cut off. */
static void
end_subtransaction(int level, bool committed)
{
	KafkaRecordLog *log = record_log;
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

static const KafkaParticipant participant = {
	.pre_commit = send_log,
	.pre_prepare = refuse_prepare,
	.end = end_transaction,
	.end_subtransaction = end_subtransaction,
};

void
kfdw_log_init(void)
{
	kfdw_xact_register(&participant);
}
