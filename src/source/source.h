/*
 * source.h
 *	  Where the records of a scan come from.
 *
 * Each kind of source is a struct of functions in a file of its own: batch.c is the batch
 * of a stream, group.c a topic as a consumer group reads it, topic.c a topic from its
 * first record to its end.
 */
#ifndef KFDW_SOURCE_H
#define KFDW_SOURCE_H

#include "nodes/execnodes.h"

#include "format/columns.h"
#include "kafka/consumer.h"
#include "option/options.h"
#include "stat/activity.h"

/* What is to be scanned. */
typedef struct KafkaScanRequest
{
	EState	   *estate;			/* of the query, see kfdw_source_statement() */
	Relation	relation;
	Oid			userid;			/* whose rights count */
	bool		limited;		/* it may stop before it has everything */
	const KafkaTableOptions *options;
} KafkaScanRequest;

/* What a scan wants to read; NULL instead of it: everything. */
typedef struct KafkaSourceFilter
{
	KafkaPartitionFilter partitions;

	/* narrows a slice to what may be wanted of it; false for nothing; has the same argument */
	bool		(*narrow) (const void *argument, KafkaSlice *slice);
} KafkaSourceFilter;

/* What the processes of a parallel query share of a source. */
typedef struct KafkaSharing
{
	void	   *memory;
	int			nmembers;
	bool		is_new;			/* else: for a rescan */
} KafkaSharing;

/* A source embeds it at the start of what it keeps of a scan. */
typedef struct KafkaSource
{
	const struct KafkaSourceKind *kind;
	const KafkaSlice *slices;	/* that are read, as far as is known */
	int			nslices;
	KafkaActivity *activity;	/* where it tells how far it is */
	KafkaOnError on_error;		/* what becomes of a record that cannot be decoded */
	int			reject_limit;	/* how many of them one scan gets over; 0: any number */
} KafkaSource;

typedef struct KafkaSourceKind
{
	/*
	 * When the executor starts: takes the scan, or returns NULL where another kind is
	 * to.  Checks what can be checked without a broker.
	 */
	KafkaSource *(*begin) (const KafkaScanRequest *request);

	/* Is told which columns the scan decodes; NULL: no matter. */
	void		(*note_columns) (KafkaSource *source, const KafkaColumns *columns);

	/* Begins to read what is wanted: before the first record, and at each rescan. */
	void		(*read) (KafkaSource *source, const KafkaSourceFilter *filter);

	/* The next record, NULL at the end; it is good until the next call. */
	KafkaRecord *(*next) (KafkaSource *source);

	/* Sets the record at hand aside, where that is what becomes of one with an error. */
	void		(*set_aside) (KafkaSource *source, const KafkaRecord *record, const ErrorData *error);

	/* When the executor ends; after an error the memory context does the same. */
	void		(*end) (KafkaSource *source);

	/* Of kinds that the processes of a parallel query can share; NULL in others: */

	/* The size of what they share of it, in the process that began the query. */
	Size		(*share_size) (KafkaSource *source, int nmembers);

	/*
	 * Makes that, in its place or (again) anew for a rescan, with what is wanted now.  The
	 * process is the first member; it begins to read by read(), as do others.
	 */
	void		(*share) (KafkaSource *source, const KafkaSourceFilter *filter, KafkaSharing *sharing);

	/* In another process: takes part. */
	void		(*join) (KafkaSource *source, void *memory, int member);

	/* Takes no part any more; the process that made it: nobody wants more of it. */
	void		(*leave) (KafkaSource *source);
} KafkaSourceKind;

extern const KafkaSourceKind kfdw_source_batch;
extern const KafkaSourceKind kfdw_source_group;
extern const KafkaSourceKind kfdw_source_topic;

/* For kinds of sources: what the table says of records that cannot be decoded. */
extern void kfdw_source_take_options(KafkaSource *source, const KafkaTableOptions *options);

/* The source of a scan, in the current memory context; it tells how far it is by the activity. */
extern KafkaSource *kfdw_source_begin(const KafkaScanRequest *request, KafkaActivity *activity);

/*
 * The query itself; where a row that another transaction has changed meanwhile is judged again, by a copy
 * of the plan, the query for which that is done: the copy sees the same records.
 */
extern const EState *kfdw_source_statement(const EState *query);

/*
 * The ctid of a row tells how many records its scan took before: in a batch of which no
 * record is passed over, the place of its record.
 */
extern void kfdw_source_set_tid(ItemPointer tid, int64 number);
extern int64 kfdw_source_tid_number(ItemPointer tid);

#endif							/* KFDW_SOURCE_H */
