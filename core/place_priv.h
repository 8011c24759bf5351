/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_PLACE_PRIV_H
#define TORC_CORE_PLACE_PRIV_H

/*
 * shelf - tasks of a shard that have not begun, for it or for an idle one
 *
 * No wake is lost: who puts something on a shelf looks afterwards whether a
 * shard is idle, and nudges it; who becomes idle says so and then looks at
 * all shelves. Both in this order, sequentially consistent, so that at least
 * one sees the other. A nudge is a message, and those are never lost.
 *
 * Before the first use no shard looks at a shelf or says anything. The first
 * use nudges them all, and from then on they do.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <torc/core/place.h>

#include "base/list_priv.h"

struct torc_shelf {
	/* Others read and write these: cache lines of their own. */
	_Alignas(64) struct {
		/* Changed under the lock; see above for who looks without. */
		atomic_uint count;
		/* Since when the present turn runs; 0: idle. */
		_Atomic uint64_t busy_since_ns;
		_Atomic uint64_t turn_ns; /* the last one's length */
		atomic_bool is_nudged;    /* `nudge` is in the inbox */
		struct torc_msg nudge;
		pthread_mutex_t lock;
		struct torc_link placed; /* oldest first; under the lock */
	} remote;

	/* The shard's own. */
	_Alignas(64) bool is_used; /* false: nothing below matters */
	bool has_rested;           /* since it last published its load */
	uint32_t begun_count;      /* in this turn */
	uint64_t turn;             /* in which it last published its load */
	uint64_t began_ns;         /* that turn */
};

/* A shelf of a shard that is open. */
void torc__place_open(struct torc_shard *shard);
void torc__place_close(struct torc_shard *shard);

/* Before a runtime's first shard opens. */
void torc__place_reset(void);

/* Onto the shelf where it will begin first, likely. From a task, or inside the
 * gate. */
void torc__place_put(struct torc_placed *placed);

/* From whichever shelf it is on. False: it has begun, on placed->_shard. */
bool torc__place_take_back(struct torc_placed *placed);

/* How many lie on its shelf. */
unsigned torc__place_count(const struct torc_shard *shard);

/* What the inline functions below do once the shelf is in use. */
bool torc__place_begin(struct torc_shard *shard);
bool torc__place_may_rest_slow(struct torc_shard *shard);
void torc__place_wake_slow(struct torc_shard *shard);

/*
 * The FIFO is empty, or has had its share of the turn: begin the oldest task
 * of the shelf. True: it is in the FIFO. Cost: one load when not in use.
 */
static inline bool
torc__place_next(struct torc_shard *shard, const struct torc_shelf *shelf)
{
	return __builtin_expect(shelf->is_used, 0) && torc__place_begin(shard);
}

/* Before a wait. False: there was something on a shelf, and it is here. */
static inline bool
torc__place_may_rest(struct torc_shard *shard, const struct torc_shelf *shelf)
{
	return __builtin_expect(!shelf->is_used, 1) ||
	       torc__place_may_rest_slow(shard);
}

/* After the wait: it is busy again. */
static inline void
torc__place_wake(struct torc_shard *shard, const struct torc_shelf *shelf)
{
	if (__builtin_expect(shelf->is_used, 0))
		torc__place_wake_slow(shard);
}

#endif /* TORC_CORE_PLACE_PRIV_H */
