/*
 * stored_records.h
 *	  Records as rows of our tables, and back.
 *
 * On their way into a table they are collected, in memory and then in a temporary file.
 * The columns of a record stand together.
 */
#ifndef KFDW_STORED_RECORDS_H
#define KFDW_STORED_RECORDS_H

#include "access/htup.h"
#include "catalog/byte_log.h"
#include "catalog/spi.h"
#include "kafka/record.h"

#define KAFKA_STORED_COLUMNS 8

/* In SQL, these columns of a row ("x.") or by themselves (""). */
#define KAFKA_STORED_NAMES(row) \
	row "_topic, " row "_partition, " row "_offset, " row "_timestamp, " row "_timestamp_type, " \
	row "key, " row "value, " row "headers"

/* In SQL, how large the record of a row is; what is NULL takes nothing. */
#define KAFKA_STORED_BYTES(row) \
	"(COALESCE(pg_catalog.octet_length(" row ".key), 0) OPERATOR(pg_catalog.+) " \
	"COALESCE(pg_catalog.octet_length(" row ".value), 0) OPERATOR(pg_catalog.+) " \
	"COALESCE(pg_catalog.pg_column_size(" row ".headers), 0))"

typedef struct KafkaStoredRecords
{
	Oid			relid;			/* the table */
	int			first;			/* the first of a record's columns, from 0 */
	TupleDesc	desc;
	TupleDesc	header;			/* of an element of its headers */
	KafkaByteLog rows;			/* of the table */
	MemoryContext row_context;	/* reset for each row */
} KafkaStoredRecords;

/*
 * Begins to collect rows of a table with so many columns, until the end of the transaction,
 * in the current memory context.  Needs to be ended before a commit, which never fails; after
 * an error that is not needed.
 */
extern KafkaStoredRecords *kfdw_stored_records_begin(const char *table, int first, int ncolumns);
extern void kfdw_stored_records_end(KafkaStoredRecords *records);

/* How many bytes were collected, of NULL none; and takes back what came behind so many.  Neither fails. */
extern int64 kfdw_stored_records_position(const KafkaStoredRecords *records);
extern void kfdw_stored_records_cut(KafkaStoredRecords *records, int64 position);

/* Adds a row; what is not the record's is set, in the context of the row. */
extern void kfdw_stored_records_add(KafkaStoredRecords *records, const KafkaRecord *record,
									Datum *values, bool *nulls);

/* Runs a statement that reads the rows under a name. */
extern uint64 kfdw_stored_records_write(KafkaStoredRecords *records, const char *name,
										KafkaStatement *statement, Datum *values, const char *nulls);

/* The element of the headers in the rows of a query, where a record's columns begin at the first. */
extern TupleDesc kfdw_stored_records_header(TupleDesc desc, int first);

/* A row as the record that it was, in the current memory context. */
extern KafkaRecord *kfdw_stored_records_read(HeapTuple row, TupleDesc desc, int first, TupleDesc header);

#endif							/* KFDW_STORED_RECORDS_H */
