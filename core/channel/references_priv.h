/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_CHANNEL_REFERENCES_PRIV_H
#define TORC_CORE_CHANNEL_REFERENCES_PRIV_H

/*
 * references - how many hold an object that shards and threads share
 *
 * Whoever makes it has the first. Any thread may hold and drop.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert_priv.h"

struct torc_references {
	_Atomic uint32_t count;
};

static inline void
torc__references_init(struct torc_references *references)
{
	atomic_init(&references->count, 1);
}

static inline void
torc__references_hold(struct torc_references *references)
{
	/* The caller's own reference orders everything. */
	uint32_t before = atomic_fetch_add_explicit(
		&references->count, 1, memory_order_relaxed);

	torc_assert(before > 0);
}

/* True: that was the last. */
static inline bool
torc__references_drop(struct torc_references *references)
{
	/* Pairs with itself: the last one sees what all others did. */
	uint32_t before = atomic_fetch_sub_explicit(
		&references->count, 1, memory_order_acq_rel);

	torc_assert(before > 0);
	return before == 1;
}

#endif /* TORC_CORE_CHANNEL_REFERENCES_PRIV_H */
