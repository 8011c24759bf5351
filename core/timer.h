/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_TIMER_H
#define TORC_CORE_TIMER_H

/*
 * timer - a function that runs once a point in time has passed
 *
 * A member of what public headers declare, a sleep or a ticker: there is
 * nothing to call here, a program that wants one has torc_sleep_start(). What
 * follows is for torc itself.
 *
 * The caller embeds a struct torc_timer in its own object and sets fn;
 * the rest starts zeroed. The runtime never allocates, copies or moves one.
 *
 *   IDLE --arm--> ARMED --deadline--> IDLE, then fn(timer)
 *                   |  ^
 *                   |  +-- arm again moves the deadline
 *                   +-- disarm --> IDLE, fn does not run
 *
 * Time      Nanoseconds of torc_now_ns(). A timer never fires early; in
 *           a loop that is not busy it is late by at most one tick of
 *           2^16 ns (65.5 us). A deadline of UINT64_MAX never fires.
 * Lifetime  While armed, do not move or free it. On fn's first line it is
 *           idle and the caller's again: fn may arm it, free it, or arm,
 *           disarm or free any other timer.
 * Core      Only the shard whose wheel holds it.
 */

#include <stdint.h>

#include <torc/base/list.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_timer;

typedef void torc_timer_fn(struct torc_timer *timer);

struct torc_timer {
	/* Caller: set before it is armed, unchanged until fn. */
	torc_timer_fn *fn;

	/* Runtime only. */
	struct torc_link _link;
	uint64_t _deadline_ns;
};

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_TIMER_H */
