/* SPDX-License-Identifier: MIT */
#include <torc/base/histogram.h>

#include <string.h>

_Static_assert(sizeof(struct torc_histogram) < 20 * 1024,
	"a histogram per shard and stage must stay cheap");

/* The greatest value that falls into a bucket. */
static uint64_t
bucket_end(uint32_t index)
{
	uint32_t shift = index < 64 ? 0 : index / 32 - 1;
	uint64_t first = (uint64_t)(index - shift * 32) << shift;

	return first + ((1ull << shift) - 1);
}

void
torc_histogram_reset(struct torc_histogram *h)
{
	memset(h, 0, sizeof(*h));
}

void
torc_histogram_merge(
	struct torc_histogram *into, const struct torc_histogram *from)
{
	for (uint32_t i = 0; i < TORC_HISTOGRAM_BUCKETS; i++)
		into->_counts[i] += from->_counts[i];
	into->_count += from->_count;
	if (from->_max > into->_max)
		into->_max = from->_max;
}

/* The rank of the value asked for: from 1 to count, rounded up. */
static uint64_t
rank_of(uint64_t count, double q)
{
	double rank = q * (double)count;
	uint64_t whole;

	if (!(rank > 1))
		return 1;
	if (rank >= (double)count)
		return count;
	whole = (uint64_t)rank;
	return whole + ((double)whole < rank);
}

uint64_t
torc_histogram_quantile(const struct torc_histogram *h, double q)
{
	uint64_t left;
	uint32_t i = 0;

	if (h->_count == 0)
		return 0;
	left = rank_of(h->_count, q);
	while (h->_counts[i] < left)
		left -= h->_counts[i++];
	return bucket_end(i) < h->_max ? bucket_end(i) : h->_max;
}
