/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SLEEP_H
#define TORC_CORE_SLEEP_H

/*
 * sleep - let time pass without holding the thread
 *
 * Time      Nanoseconds, as torc_now_ns() tells them.
 * Lifetime  A struct torc_sleep belongs to the runtime from start until its
 *           future is ready.
 * Shard     The caller's, from a task (torc_sleep) or anywhere on the shard.
 *           torc_now_ns(): anywhere on a shard.
 * Errors    0; -ECANCELED, -ETIMEDOUT. Never early; late by at most 66 us
 *           when the shard is not busy.
 */

#include <stdint.h>

#include <torc/base/clock.h>
#include <torc/core/future.h>
#include <torc/core/timer.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The shard's time as of this turn of its loop, on any engine: the base of
 * whatever is given as a point in time. Simulated where time is simulated,
 * which torc_clock_ns() is not. Cost: a call and two loads, no clock.
 */
uint64_t torc_now_ns(void);

/* Wait for `delay_ns`. Cost: one timer and one task switch pair. */
int torc_sleep(uint64_t delay_ns);

/* Wait until torc_now_ns() has reached `when_ns`; at once in the past. */
int torc_sleep_until(uint64_t when_ns);

struct torc_sleep {
	struct torc_future done; /* value 0 */

	/* Runtime only. */
	struct torc_timer _timer;
};

/* Start only; await, select on or cancel sleep->done. */
void torc_sleep_start(struct torc_sleep *sleep, uint64_t delay_ns);
void torc_sleep_until_start(struct torc_sleep *sleep, uint64_t when_ns);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_SLEEP_H */
