/*
 * byte_log.h
 *	  Bytes that a transaction keeps, in memory up to work_mem and then in a temporary file.
 *
 * They are appended and read piece by piece.  What fails leaves the log as it was: a
 * savepoint may take the error back.
 */
#ifndef KFDW_BYTE_LOG_H
#define KFDW_BYTE_LOG_H

#include "lib/stringinfo.h"
#include "storage/fd.h"

/* A position is a number of bytes from the start: the first ones are in the file, the rest in memory. */
typedef struct KafkaByteLog
{
	File		file;			/* 0 until memory was full */
	int64		file_length;
	StringInfoData memory;		/* pieces are appended to it */
} KafkaByteLog;

/* Reads a log in order. */
typedef struct KafkaByteReader
{
	const KafkaByteLog *log;
	int64		position;		/* in the file, of what is read next */
	char	   *data;			/* what was read of it: used up to here, and filled up to there */
	size_t		size;
	size_t		used;
	size_t		filled;
	int			memory_used;
} KafkaByteReader;

/* Begins a log in the current memory context; the file is the transaction's. */
extern void kfdw_byte_log_begin(KafkaByteLog *log);

/* Makes room in memory for the next piece, of about so many bytes. */
extern void kfdw_byte_log_make_room(KafkaByteLog *log, int64 length);

/* The end of the log. */
extern int64 kfdw_byte_log_position(const KafkaByteLog *log);

/* Cuts off what is behind a position.  Never fails. */
extern void kfdw_byte_log_cut(KafkaByteLog *log, int64 position);

/* To be called before a commit: closes the file, if there is one.  Never fails. */
extern void kfdw_byte_log_end(KafkaByteLog *log);

/* Begins to read from the start, in the current memory context. */
extern void kfdw_byte_log_read(KafkaByteReader *reader, const KafkaByteLog *log);
extern bool kfdw_byte_log_has_more(const KafkaByteReader *reader);

/* The next bytes, of one piece, valid until the next ones are read, and not aligned. */
extern const char *kfdw_byte_log_next(KafkaByteReader *reader, size_t length);

/* Reads no more. */
extern void kfdw_byte_log_end_read(KafkaByteReader *reader);

#endif							/* KFDW_BYTE_LOG_H */
