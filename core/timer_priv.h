/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_TIMER_PRIV_H
#define TORC_CORE_TIMER_PRIV_H

/*
 * wheel - all armed timers of one shard, in hierarchical slots
 *
 *   level 0   64 slots of 1 tick      a slot holds one tick: fire it
 *   level 1   64 slots of 64 ticks    a slot is dealt out to the levels
 *   ...                               below when its first tick comes
 *   level 7   64 slots of 2^42 ticks  8 * 6 bits + 16 = the 64 of a clock
 *
 * A timer sits on the level of the highest 6-bit digit in which its tick
 * differs from the wheel's. Both differ in no higher digit, so slots never
 * wrap, the lowest level that is not empty holds the earliest timer, and
 * its first occupied slot is one count-trailing-zeros away. The digit stays
 * the same until its slot comes, so a timer moves once per level at most.
 *
 * Order     By tick. Timers of one tick fire in no promised order. One that
 *           was armed too late joins those that are already due.
 * Cost      arm and disarm: O(1), a few loads and stores, two neighbours
 *           touched. advance: per timer fired or dealt, never per tick.
 * Bounds    A call fires at most fire_max timers and deals out at most
 *           2 * fire_max, so that a slot with 100,000 timers in it is no
 *           pause: torc__wheel_next_ns() tells when more is to be done.
 */

#include <stdbool.h>
#include <stdint.h>

#include <torc/core/timer.h>

#include "base/list_priv.h"

#define TORC_TICK_BITS 16
#define TORC_WHEEL_LEVELS 8
#define TORC_WHEEL_SLOT_BITS 6
#define TORC_WHEEL_SLOTS (1u << TORC_WHEEL_SLOT_BITS)

struct torc_wheel {
	uint64_t tick;      /* every slot before it is empty */
	uint64_t now_tick;  /* the latest time anybody told us; >= tick */
	uint64_t late_tick; /* late_ready follows the timers of this tick */
	uint64_t timers_count;
	uint64_t occupied[TORC_WHEEL_LEVELS]; /* bit = slot is not empty */
	struct torc_link due;        /* to be fired, oldest tick first */
	struct torc_link dealing;    /* a slot of `tick`, being dealt out */
	struct torc_link late;       /* armed too late: for the next advance */
	struct torc_link late_ready; /* ... and that is the current one */
	struct torc_link never;      /* deadlines beyond the last tick */
	struct torc_link slots[TORC_WHEEL_LEVELS * TORC_WHEEL_SLOTS];
};

void torc__wheel_init(struct torc_wheel *wheel, uint64_t now_ns);

/*
 * Let timer->fn run once deadline_ns has passed.
 *
 * Before   timer->fn is set; the timer may be armed already: it is moved.
 * After    It is armed. A deadline in the past fires at the next advance,
 *          never inside this call nor in an advance under way.
 */
void torc__wheel_arm(struct torc_wheel *wheel, struct torc_timer *timer,
	uint64_t deadline_ns);

/* No-op when it is not armed. */
void torc__wheel_disarm(struct torc_wheel *wheel, struct torc_timer *timer);

/*
 * Fire what is due at now_ns, at most fire_max timers, oldest tick first.
 * A now_ns before an earlier one counts as that earlier one. Not to be
 * called from a timer's fn. Returns how many fired.
 */
unsigned torc__wheel_advance(
	struct torc_wheel *wheel, uint64_t now_ns, unsigned fire_max);

/*
 * A time by which advance must be called again: never after the earliest
 * deadline's tick, sometimes before it; in the past when something is left
 * to do now; UINT64_MAX when nothing will ever fire.
 */
uint64_t torc__wheel_next_ns(const struct torc_wheel *wheel);

/* Walks every list; for torc_audit and tests. */
bool torc__wheel_is_valid(const struct torc_wheel *wheel);

static inline bool
torc__timer_is_armed(const struct torc_timer *timer)
{
	return torc__list_is_linked(&timer->_link);
}

#endif /* TORC_CORE_TIMER_PRIV_H */
