/*
 * refusals.c
 *	  Which of the records of a publication Kafka refuses.
 *
 * A broker refuses a batch, and the library says so of all its records.  Which of them
 * are meant, trials tell: transactions of fewer and fewer records that are aborted.  Each
 * takes a producer's life, so one record's refusal counts for all of its topic that are
 * alike in what it was refused for.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "delivery/refusals.h"
#include "format/metadata.h"
#include "kafka/limit.h"

/* A record in the order in which trials take them: by topic, the largest first. */
typedef struct SortedRecord
{
	const KafkaRecord *record;
	size_t		size;
	int			index;			/* among the records of the publication */
} SortedRecord;

typedef struct RefusalSearch
{
	KafkaPublication trial;		/* with the records in that order */
	const KafkaConfig *asker;
	SortedRecord *sorted;
	bool	   *refused;		/* in that order, too */
	bool		by_size;		/* where a record is too large, larger ones are, too */
	List	   *refusals;
} RefusalSearch;

/* Bytes of a number as records have it. */
static size_t
varint_size(int64 number)
{
	uint64		rest = (uint64) number << 1;
	size_t		size = 1;

	while (rest >>= 7)
		size++;
	return size;
}

/* Bytes of a record in a batch of its own, without compression, but for what is the same for all. */
static size_t
record_size(const KafkaRecord *record)
{
	size_t		size = varint_size(record->key_len) + record->key_len + varint_size(record->value_len) + record->value_len +
		varint_size(record->nheaders);

	for (int i = 0; i < record->nheaders; i++)
	{
		size_t		name_len = strlen(record->headers[i].key);

		size += varint_size(name_len) + name_len + varint_size(record->headers[i].value_len) + record->headers[i].value_len;
	}
	return size;
}

static int
compare_records(const void *left, const void *right)
{
	const SortedRecord *one = left;
	const SortedRecord *other = right;
	int			result = strcmp(one->record->topic, other->record->topic);

	if (result == 0 && one->size != other->size)
		result = one->size > other->size ? -1 : 1;
	return result != 0 ? result : one->index - other->index;
}

static int
compare_refusals(const ListCell *left, const ListCell *right)
{
	return ((KafkaRefusal *) lfirst(left))->index - ((KafkaRefusal *) lfirst(right))->index;
}

/* Puts the records in order. */
static RefusalSearch
begin_search(const KafkaPublication *publication)
{
	int			count = publication->nrecords;
	RefusalSearch search = {.trial = *publication,.by_size = !kfdw_config_compresses(publication->producer)};
	KafkaRecord *records = MemoryContextAllocHuge(CurrentMemoryContext, (Size) count * sizeof(KafkaRecord));

	search.refused = palloc0(count * sizeof(bool));
	search.sorted = MemoryContextAllocHuge(CurrentMemoryContext, (Size) count * sizeof(SortedRecord));
	for (int i = 0; i < count; i++)
		search.sorted[i] = (SortedRecord)
	{
		&publication->records[i], record_size(&publication->records[i]), i
	};
	qsort(search.sorted, count, sizeof(SortedRecord), compare_records);
	for (int i = 0; i < count; i++)
		records[i] = *search.sorted[i].record;
	search.trial.records = records;
	return search;
}

/* True when two records of the order have one topic. */
static bool
share_topic(const RefusalSearch *search, int one, int other)
{
	return strcmp(search->trial.records[one].topic, search->trial.records[other].topic) == 0;
}

/*
 * True when a record is refused because one of its topic was: one for a partition that is as
 * high, a larger one, one whose time is further away, one that has no key either.
 */
static bool
is_refused_with(const RefusalSearch *search, int number, int other, const ErrorData *error, bool needs_key)
{
	const KafkaRecord *refused = &search->trial.records[number];
	const KafkaRecord *record = &search->trial.records[other];

	if (other == number)
		return true;
	if (kfdw_publication_lacks_partition(error))
		return record->partition >= refused->partition;
	if (error->sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED)
		return search->by_size && search->sorted[other].size >= search->sorted[number].size;
	if (error->sqlerrcode == ERRCODE_DATETIME_VALUE_OUT_OF_RANGE)
		return refused->timestamp > kfdw_metadata_now() ? record->timestamp >= refused->timestamp :
			record->timestamp <= refused->timestamp;
	return needs_key && record->key == NULL;
}

static void
refuse(RefusalSearch *search, int number, ErrorData *error)
{
	KafkaRefusal *refusal;

	if (search->refused[number])
		return;
	refusal = palloc(sizeof(KafkaRefusal));
	refusal->index = search->sorted[number].index;
	refusal->error = error;
	search->refusals = lappend(search->refusals, refusal);
	search->refused[number] = true;
}

/* Of one record it is known that it is refused, and why. */
static void
refuse_alike(RefusalSearch *search, int number, ErrorData *error)
{
	const KafkaRecord *record = &search->trial.records[number];
	bool		needs_key = record->key == NULL && kfdw_limit_needs_key(search->asker, record->topic);
	int			first = number;

	while (first > 0 && share_topic(search, first - 1, number))
		first--;
	for (int i = first; i < search->trial.nrecords && share_topic(search, i, number); i++)
		if (is_refused_with(search, number, i, error, needs_key))
			refuse(search, i, error);
}

/* Nothing of a topic is taken. */
static void
refuse_topic(RefusalSearch *search, int from, int to, ErrorData *error)
{
	for (int i = from; i < to; i++)
		refuse(search, i, error);
	if (!search->trial.patient)
		kfdw_publication_give_up(search->trial.records[from].topic);
}

/* Finds the refusals of some of the records, the last ones, which are the smallest of their topic, first. */
static void
find_refused(RefusalSearch *search, int from, int to)
{
	KafkaProducer *producer;
	ErrorData  *error;
	int			middle;

	check_stack_depth();
	while (from < to && search->refused[from])
		from++;
	while (from < to && search->refused[to - 1])
		to--;
	if (from == to)
		return;
	error = kfdw_publication_try(&search->trial, from, to, search->refused, &producer);
	middle = from + (to - from) / 2;
	if (error == NULL)
		kfdw_transaction_abort(producer);
	else if (kfdw_publication_is_of_topic(error) && share_topic(search, from, to - 1))
		refuse_topic(search, from, to, error);
	else if (to - from == 1)
		refuse_alike(search, from, error);
	else
	{
		find_refused(search, middle, to);
		find_refused(search, from, middle);
	}
}

List *
kfdw_refusals_find(const KafkaPublication *publication, const KafkaConfig *asker)
{
	RefusalSearch search = begin_search(publication);

	search.asker = asker;
	find_refused(&search, 0, publication->nrecords);
	list_sort(search.refusals, compare_refusals);
	return search.refusals;
}
