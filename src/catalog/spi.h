/*
 * spi.h
 *	  SQL on our own tables, as their owner, in the current transaction.
 *
 * Statements name everything with its schema and every operator as
 * OPERATOR(pg_catalog.=), so that no search_path can change what they mean.
 */
#ifndef KFDW_SPI_H
#define KFDW_SPI_H

#include "executor/spi.h"

#include "catalog/role_scope.h"

/* A statement, prepared at its first use in a backend. */
typedef struct KafkaStatement
{
	const char *sql;
	int			nargs;
	Oid			argtypes[12];
	SPIPlanPtr	plan;			/* filled in */
} KafkaStatement;

typedef struct KafkaCatalogScope
{
	KafkaRoleScope role;		/* the owner's */
	bool		has_snapshot;	/* of its own */
} KafkaCatalogScope;

/*
 * Between begin and end the current user is the owner of our tables and SPI is
 * connected; an error restores both with the (sub)transaction.
 */
extern void kfdw_catalog_begin(KafkaCatalogScope *scope);
extern void kfdw_catalog_end(KafkaCatalogScope *scope);

/* The OID of one of our tables, by its name without schema; InvalidOid when it is not there. */
extern Oid	kfdw_catalog_table(const char *name);

/* Empties one of our tables; what is decoded from the log does not have it, so no subscriber's is emptied, too. */
extern void kfdw_catalog_truncate(Oid relid);

/*
 * True when no other transaction is about to insert the row that a name stands for:
 * its insert would have to wait for that one's end.  Never waits itself; the other
 * one does.
 */
extern bool kfdw_catalog_try_alone(const char *name);

/* This one waits, unless it is a prepared transaction that is about to: that is an error. */
extern void kfdw_catalog_be_alone(const char *name);

/* The same, shared with others that share it: somebody who is alone waits for all of them. */
extern void kfdw_catalog_share(const char *name);

/* Runs a statement that writes under the transaction's snapshot; returns the number of rows. */
extern uint64 kfdw_catalog_write(KafkaStatement *statement, Datum *values, const char *nulls);

/* Rows of one of our tables, which a statement reads under a name. */
typedef struct KafkaRows
{
	const char *name;
	Oid			relid;			/* the table */
	struct Tuplestorestate *store;
} KafkaRows;

/* Runs a statement that writes them; the plan is kept, so the name and the table are always the same. */
extern uint64 kfdw_catalog_write_rows(KafkaStatement *statement, Datum *values, const char *nulls,
									  const KafkaRows *rows);

/* Runs a query under the newest snapshot, whatever the isolation level; the rows are in SPI_tuptable. */
extern uint64 kfdw_catalog_read(KafkaStatement *statement, Datum *values, const char *nulls);

/* The same under another snapshot. */
extern uint64 kfdw_catalog_read_as_of(KafkaStatement *statement, Datum *values, const char *nulls,
									  Snapshot snapshot);

/*
 * The whole of it, from begin to end.  A change is made to the rows as they are now: also at
 * REPEATABLE READ it misses none that is younger than the transaction's snapshot.  Returns
 * the number of rows.
 */
extern uint64 kfdw_catalog_change(KafkaStatement *statement, Datum *values);
extern uint64 kfdw_catalog_change_nulls(KafkaStatement *statement, Datum *values, const char *nulls);
extern bool kfdw_catalog_has_row(KafkaStatement *statement, Datum *values);

/* A row that was read: each call takes its next column. */
typedef struct KafkaRow
{
	HeapTuple	tuple;
	TupleDesc	desc;
	int			column;			/* taken so far */
} KafkaRow;

/* A row of those that the last query has read. */
extern KafkaRow kfdw_catalog_row(uint64 index);

/* Columns that are not NULL; what is not passed by value is the row's, which goes with the query. */
extern Datum kfdw_row_value(KafkaRow *row);
extern bool kfdw_row_bool(KafkaRow *row);
extern int32 kfdw_row_int4(KafkaRow *row);
extern int64 kfdw_row_int8(KafkaRow *row);
extern Oid	kfdw_row_oid(KafkaRow *row);
extern TransactionId kfdw_row_xid(KafkaRow *row);

/* A column of any type as text in the current memory context, NULL where it is NULL. */
extern char *kfdw_row_text(KafkaRow *row);

/* What a function makes of each row that a query finds, in the current memory context, unless that is NULL. */
extern List *kfdw_catalog_list(KafkaStatement *statement, Datum *values, void *(*make) (KafkaRow *row));

/* The same of the one row that it finds; NULL when there is none. */
extern void *kfdw_catalog_get(KafkaStatement *statement, Datum *values, void *(*make) (KafkaRow *row));

/* Opens and closes a cursor for a query, under the newest snapshot. */
extern Portal kfdw_catalog_open_cursor(KafkaStatement *statement, Datum *values);
extern void kfdw_catalog_close_cursor(Portal cursor);

#endif							/* KFDW_SPI_H */
