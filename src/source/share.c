/*
 * share.c
 *	  What the processes of a parallel scan share of topics.
 *
 * The range is cut into portions, partitions or large pieces of them, which lie there for
 * whoever comes first.  Reading a piece of a partition makes the client fetch some records
 * behind its end in vain.  So pieces are large, a member takes its portion bit by bit
 * without stopping to fetch, and who finds no portion left takes over the second half of
 * what another one has still ahead only where that is worth it.
 */
#include "postgres.h"

#include "storage/shmem.h"
#include "storage/spin.h"

#include "source/share.h"

/* No piece of a partition is much smaller, in offsets. */
#define LEAST_PIECE 20000

/* How much of a portion a member takes at a time, and how far before the end of that it takes more. */
#define BIT_SIZE 10000
#define BIT_AHEAD 4000

/* Small portions are taken together until they have so many offsets at least. */
#define LEAST_TAKEN 1000

/* What another member has ahead is taken over when it is so much: more than a client fetches in vain. */
#define WORTH_TAKING_OVER 100000

/* Offsets of a partition. */
typedef struct KafkaPortion
{
	int			partition;		/* its index in the outlook */
	int64		from;
	int64		end;
} KafkaPortion;

/* What a member has. */
typedef struct KafkaMemberState
{
	KafkaPortion portion;		/* what it did not take yet of it: others may take it over */
	int64		bit;			/* how much it takes at a time */
	int64		done;			/* offsets that it read */
} KafkaMemberState;

struct KafkaShare
{
	slock_t		mutex;
	bool		stopped;
	int64		range;
	int			nmembers;
	int			nportions;
	int			next_portion;	/* nobody took it, and those behind it */
	int			npartitions;
	KafkaPartition partitions[FLEXIBLE_ARRAY_MEMBER];

	/* the members' states and the portions follow */
};

/* There are no more than so many portions; see cut(). */
static int
max_portions(int npartitions, int nmembers)
{
	return npartitions + nmembers;
}

static Size
members_offset(int npartitions)
{
	return MAXALIGN(add_size(offsetof(KafkaShare, partitions), mul_size(npartitions, sizeof(KafkaPartition))));
}

static Size
portions_offset(int npartitions, int nmembers)
{
	return add_size(members_offset(npartitions), MAXALIGN(mul_size(nmembers, sizeof(KafkaMemberState))));
}

static KafkaMemberState *
members_of(const KafkaShare *share)
{
	return (KafkaMemberState *) ((char *) share + members_offset(share->npartitions));
}

static KafkaPortion *
portions_of(const KafkaShare *share)
{
	return (KafkaPortion *) ((char *) share + portions_offset(share->npartitions, share->nmembers));
}

Size
kfdw_share_size(const KafkaOutlook *outlook, int nmembers)
{
	return add_size(portions_offset(outlook->npartitions, nmembers),
					mul_size(max_portions(outlook->npartitions, nmembers), sizeof(KafkaPortion)));
}

void
kfdw_share_create(KafkaShare *share, const KafkaOutlook *outlook, int nmembers)
{
	SpinLockInit(&share->mutex);
	share->npartitions = outlook->npartitions;
	share->nmembers = nmembers;
	memcpy(share->partitions, outlook->partitions, outlook->npartitions * sizeof(KafkaPartition));
	kfdw_share_set(share, NULL, 0);
}

/*
 * Cuts a slice into portions of about a size.  That is a member's part of the range, so
 * there are no more in all than one for each partition and each member; a range that is
 * not known, as it is too large, must not make more.  Returns how many more than one there are.
 */
static int64
cut(KafkaShare *share, const KafkaSlice *slice, int64 size, int64 most_more)
{
	int64		length = slice->end - slice->from;
	int64		pieces = Min(Max(length / size, length > 0), 1 + most_more);

	for (int64 i = 0; i < pieces; i++)
	{
		KafkaPortion *portion = &portions_of(share)[share->nportions++];

		portion->partition = slice->partition->index;
		portion->from = slice->from + length / pieces * i;
		portion->end = i == pieces - 1 ? slice->end : portion->from + length / pieces;
	}
	return Max(pieces - 1, 0);
}

void
kfdw_share_set(KafkaShare *share, const KafkaSlice *slices, int nslices)
{
	int64		most_more = share->nmembers;

	share->stopped = false;
	share->range = 0;
	share->nportions = share->next_portion = 0;
	memset(members_of(share), 0, share->nmembers * sizeof(KafkaMemberState));
	for (int i = 0; i < nslices; i++)
		share->range = kfdw_add_offsets(share->range, slices[i].end - slices[i].from);
	for (int i = 0; i < nslices; i++)
		most_more -= cut(share, &slices[i], Max(share->range / share->nmembers, LEAST_PIECE), most_more);
}

KafkaPartition *
kfdw_share_partitions(const KafkaShare *share, const KafkaSelection *selection, int *count)
{
	KafkaPartition *partitions = palloc((share->npartitions + 1) * sizeof(KafkaPartition));

	for (int p = 0; p < share->npartitions; p++)
	{
		partitions[p] = share->partitions[p];
		partitions[p].topic = selection->topics[partitions[p].topic_index];
		partitions[p].trouble = NULL;
	}
	*count = share->npartitions;
	return partitions;
}

/* The member takes the next bit of its portion. */
static KafkaSlice
take_bit(const KafkaShareMember *member, KafkaMemberState *state)
{
	KafkaPortion *portion = &state->portion;
	KafkaSlice	slice = {&member->partitions[portion->partition], portion->from};

	slice.end = portion->from += Min(state->bit, portion->end - portion->from);
	return slice;
}

/* The member has a portion of its own from now on. */
static void
begin_portion(KafkaMemberState *state, KafkaPortion portion)
{
	state->portion = portion;
	state->bit = BIT_SIZE;
}

/* Takes portions that nobody took: a large one, or small ones together. */
static int
take_portions(const KafkaShareMember *member, KafkaMemberState *state, KafkaSlice *slices)
{
	KafkaShare *share = member->share;
	int64		enough = Max(Min(share->range / share->nmembers, BIT_SIZE), LEAST_TAKEN);
	int64		taken = 0;
	int			nslices = 0;

	while (share->next_portion < share->nportions && taken < enough)
	{
		begin_portion(state, portions_of(share)[share->next_portion++]);
		slices[nslices] = take_bit(member, state);
		taken += slices[nslices].end - slices[nslices].from;
		nslices++;
	}
	return nslices;
}

/* Takes over half of what the member with the most work ahead has not taken yet. */
static int
take_over(const KafkaShareMember *member, KafkaMemberState *state, KafkaSlice *slices)
{
	KafkaPortion *most = &state->portion;
	KafkaPortion half;

	for (int i = 0; i < member->share->nmembers; i++)
	{
		KafkaPortion *other = &members_of(member->share)[i].portion;

		if (other->end - other->from > most->end - most->from)
			most = other;
	}
	if (most->end - most->from < WORTH_TAKING_OVER)
		return 0;
	half = *most;
	most->end = half.from = most->from + (most->end - most->from) / 2;
	begin_portion(state, half);
	slices[0] = take_bit(member, state);
	return 1;
}

int
kfdw_share_take(const KafkaShareMember *member, KafkaSlice *slices)
{
	KafkaShare *share = member->share;
	KafkaMemberState *state = &members_of(share)[member->number];
	int			nslices = 0;

	SpinLockAcquire(&share->mutex);
	if (share->stopped)
		nslices = 0;
	else if (state->portion.from < state->portion.end)
	{
		/* a gap in the offsets was larger than what it took: more of them may follow */
		state->bit = kfdw_add_offsets(state->bit, state->bit);
		slices[nslices++] = take_bit(member, state);
	}
	else
	{
		nslices = take_portions(member, state, slices);
		if (nslices == 0)
			nslices = take_over(member, state, slices);
	}
	SpinLockRelease(&share->mutex);
	return nslices;
}

const KafkaPartition *
kfdw_share_current(const KafkaShareMember *member)
{
	const KafkaPortion *portion = &members_of(member->share)[member->number].portion;

	return portion->from < portion->end ? &member->partitions[portion->partition] : NULL;
}

int64
kfdw_share_extend(const KafkaShareMember *member, int64 position)
{
	KafkaShare *share = member->share;
	KafkaMemberState *state = &members_of(share)[member->number];
	int64		end = -1;

	/* only this process moves the start of its portion; where it is there already it is too late */
	if (position >= state->portion.from || state->portion.from - position > BIT_AHEAD)
		return -1;
	SpinLockAcquire(&share->mutex);
	if (!share->stopped && state->portion.from < state->portion.end)
		end = take_bit(member, state).end;
	SpinLockRelease(&share->mutex);
	return end;
}

int64
kfdw_share_tell(const KafkaShareMember *member, int64 done)
{
	KafkaShare *share = member->share;
	int64		all = 0;

	SpinLockAcquire(&share->mutex);
	members_of(share)[member->number].done = done;
	for (int i = 0; i < share->nmembers; i++)
		all += members_of(share)[i].done;
	SpinLockRelease(&share->mutex);
	return all;
}

int64
kfdw_share_range(const KafkaShare *share)
{
	return share->range;
}

void
kfdw_share_stop(KafkaShare *share)
{
	SpinLockAcquire(&share->mutex);
	share->stopped = true;
	SpinLockRelease(&share->mutex);
}

bool
kfdw_share_is_stopped(const KafkaShare *share)
{
	return *(volatile const bool *) &share->stopped;
}
