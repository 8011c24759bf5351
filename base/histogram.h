/* SPDX-License-Identifier: MIT */
#ifndef TORC_BASE_HISTOGRAM_H
#define TORC_BASE_HISTOGRAM_H

/*
 * histogram - how values are spread, in fixed memory
 *
 * Each power of two is cut into 32 equal buckets, so that a value is known
 * to one part in 32 whether it is 50 ns or 50 s; below 64 it is exact.
 *
 *   value   0 1 ... 63 | 64 66 ... 126 | 128 132 ... 252 | ...
 *   bucket  one each   | 2 wide        | 4 wide          | up to 2^64 - 1
 *
 * Lifetime  The caller's memory, about 15 KiB; all zero is empty, and there
 *           is nothing to release.
 * Core      One owner. Histograms of several cores are merged, never shared,
 *           and their quantiles never averaged.
 * Errors    None: every uint64_t is a value, and no count wraps in practice.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TORC_HISTOGRAM_BUCKETS 1920 /* 32 for each power from 2^5, and 32 */

struct torc_histogram {
	/* Runtime only. */
	uint64_t _count;
	uint64_t _max;
	uint64_t _counts[TORC_HISTOGRAM_BUCKETS];
};

/* Make it empty. */
void torc_histogram_reset(struct torc_histogram *h);

/* Add all that `from` holds, as if each value had been added here. */
void torc_histogram_merge(
	struct torc_histogram *into, const struct torc_histogram *from);

/*
 * The smallest bucket that reaches the share `q` of all values.
 *
 * Before   q is from 0 (the least value) to 1 (the greatest); what lies
 *          outside counts as the nearer of the two.
 * Returns  the bucket's upper end, cut to the maximum: never below the true
 *          quantile and at most 1/32 above it. 0 if the histogram is empty.
 * Cost     O(buckets).
 */
uint64_t torc_histogram_quantile(const struct torc_histogram *h, double q);

/* How many values were added. */
static inline uint64_t
torc_histogram_count(const struct torc_histogram *h)
{
	return h->_count;
}

/* The greatest value added, exactly; 0 if the histogram is empty. */
static inline uint64_t
torc_histogram_max(const struct torc_histogram *h)
{
	return h->_max;
}

static inline uint32_t
torc_histogram_index(uint64_t value)
{
	uint32_t shift;

	if (value < 32)
		return (uint32_t)value;
	shift = 58u - (uint32_t)__builtin_clzll(value);
	return shift * 32 + (uint32_t)(value >> shift);
}

/* Cost: one bit scan and three words written. */
static inline void
torc_histogram_add(struct torc_histogram *h, uint64_t value)
{
	h->_counts[torc_histogram_index(value)]++;
	h->_count++;
	if (value > h->_max)
		h->_max = value;
}

#ifdef __cplusplus
}
#endif

#endif /* TORC_BASE_HISTOGRAM_H */
