/*
 * selection.c
 *	  What is read together: some topics, and which of their partitions.
 */
#include "postgres.h"

#include "kafka/selection.h"

/* A name without the blanks around it. */
static char *
strip(char *name)
{
	char	   *end = name + strlen(name);

	while (*name == ' ')
		name++;
	while (end > name && end[-1] == ' ')
		*--end = '\0';
	return name;
}

const char *
kfdw_selection_set_topics(KafkaSelection *selection, const char *list)
{
	char	   *rest = pstrdup(list);
	char	   *name;
	int			count = 1;

	for (const char *c = list; *c != '\0'; c++)
		count += *c == ',';
	selection->topics = palloc(count * sizeof(char *));
	selection->ntopics = 0;
	while ((name = strsep(&rest, ",")) != NULL)
	{
		if (count > 1)
			name = strip(name);
		if (*name == '\0')
			return "The list has an empty name.";
		if (kfdw_selection_has_topic(selection, name))
			return psprintf("The list has topic \"%s\" twice.", name);
		selection->topics[selection->ntopics++] = name;
	}
	return NULL;
}

/* Reads a number and what stands behind it; -1 where there is none. */
static int32
parse_number(const char **text)
{
	int64		number = 0;
	const char *begin = *text;

	for (; **text >= '0' && **text <= '9' && number < KAFKA_ALL_LATER; (*text)++)
		number = number * 10 + **text - '0';
	return *text > begin && number < KAFKA_ALL_LATER ? (int32) number : -1;
}

/* One of a list: "7", "0-3", or "9-"; false when it is none of these. */
static bool
parse_range(const char *text, KafkaPartitionRange *range)
{
	range->first = range->last = parse_number(&text);
	if (range->first < 0)
		return false;
	if (*text == '-')
	{
		text++;
		range->last = *text == '\0' ? KAFKA_ALL_LATER : parse_number(&text);
	}
	return *text == '\0' && range->last >= range->first;
}

static int
compare_ranges(const void *a, const void *b)
{
	const KafkaPartitionRange *left = a;
	const KafkaPartitionRange *right = b;

	return left->first < right->first ? -1 : left->first > right->first;
}

const char *
kfdw_selection_set_partitions(KafkaSelection *selection, const char *list)
{
	char	   *rest = pstrdup(list);
	char	   *text;

	selection->ranges = palloc((strlen(list) + 1) * sizeof(KafkaPartitionRange));
	selection->nranges = 0;
	while ((text = strsep(&rest, ",")) != NULL)
		if (!parse_range(strip(text), &selection->ranges[selection->nranges++]))
			return "The value must be a list of partitions and ranges of them, as \"0-3,7,9-\".";
	qsort(selection->ranges, selection->nranges, sizeof(KafkaPartitionRange), compare_ranges);
	for (int i = 1; i < selection->nranges; i++)
		if (selection->ranges[i].first <= selection->ranges[i - 1].last)
			return psprintf("The list has partition %d twice.", selection->ranges[i].first);
	return NULL;
}

bool
kfdw_selection_has(const KafkaSelection *selection, int32 number)
{
	for (int i = 0; i < selection->nranges; i++)
		if (number >= selection->ranges[i].first && number <= selection->ranges[i].last)
			return true;
	return selection->nranges == 0;
}

bool
kfdw_selection_has_topic(const KafkaSelection *selection, const char *topic)
{
	for (int t = 0; t < selection->ntopics; t++)
		if (strcmp(selection->topics[t], topic) == 0)
			return true;
	return false;
}

bool
kfdw_selection_share_topic(const KafkaSelection *left, const KafkaSelection *right)
{
	for (int t = 0; t < left->ntopics; t++)
		if (kfdw_selection_has_topic(right, left->topics[t]))
			return true;
	return false;
}

bool
kfdw_selection_equal(const KafkaSelection *left, const KafkaSelection *right)
{
	if (left->ntopics != right->ntopics || left->nranges != right->nranges)
		return false;
	for (int t = 0; t < left->ntopics; t++)
		if (strcmp(left->topics[t], right->topics[t]) != 0)
			return false;
	return left->nranges == 0 ||
		memcmp(left->ranges, right->ranges, left->nranges * sizeof(KafkaPartitionRange)) == 0;
}

KafkaSelection
kfdw_selection_copy(const KafkaSelection *selection)
{
	KafkaSelection copy = *selection;

	copy.topics = palloc(selection->ntopics * sizeof(char *));
	for (int t = 0; t < selection->ntopics; t++)
		copy.topics[t] = pstrdup(selection->topics[t]);
	copy.ranges = palloc((selection->nranges + 1) * sizeof(KafkaPartitionRange));
	for (int i = 0; i < selection->nranges; i++)
		copy.ranges[i] = selection->ranges[i];
	return copy;
}
