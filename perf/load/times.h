/* SPDX-License-Identifier: MIT */
#ifndef TORC_PERF_LOAD_TIMES_H
#define TORC_PERF_LOAD_TIMES_H

/*
 * times - a queue of points in time, numbered from 0 for ever
 *
 *   popped            first       next
 *   0 1 2 ... 4711  | 4712 ...  | not pushed yet
 *
 * Lifetime  All zero is empty. Grows when full; freed with the process.
 */

#include <stdbool.h>
#include <stdint.h>

struct load_times {
	uint64_t first; /* the oldest that is in it */
	uint64_t next;  /* the number of the next to be pushed */
	/* Runtime only. */
	uint64_t *_at;
	uint64_t _mask;
};

/* The slow half of load_times_push; leaves with 1 without memory. */
void load_times_grow(struct load_times *t);

static inline uint64_t
load_times_count(const struct load_times *t)
{
	return t->next - t->first;
}

/* Where number `n` is; it must be in the queue. */
static inline uint64_t *
load_times_at(struct load_times *t, uint64_t n)
{
	return &t->_at[n & t->_mask];
}

static inline void
load_times_push(struct load_times *t, uint64_t ns)
{
	if (!t->_at || load_times_count(t) > t->_mask)
		load_times_grow(t);
	*load_times_at(t, t->next++) = ns;
}

/* The queue must not be empty. */
static inline uint64_t
load_times_pop(struct load_times *t)
{
	return *load_times_at(t, t->first++);
}

#endif /* TORC_PERF_LOAD_TIMES_H */
