/* SPDX-License-Identifier: MIT */
#ifndef TORC_BASE_CONDITION_PRIV_H
#define TORC_BASE_CONDITION_PRIV_H

/*
 * condition - a pthread condition whose deadlines are times of torc_clock_ns()
 *
 * Lifetime  pthread_cond_destroy() ends it.
 */

#include <pthread.h>

#include <torc/base/clock.h>

static inline void
torc__condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attr);
	pthread_condattr_destroy(&attr);
}

/* 0: woken, perhaps for no reason; ETIMEDOUT. `lock` is held, and is again. */
static inline int
torc__condition_wait_until(
	pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t until_ns)
{
	struct timespec until = { .tv_sec = (time_t)(until_ns / TORC_S),
		.tv_nsec = (long)(until_ns % TORC_S) };

	return pthread_cond_timedwait(condition, lock, &until);
}

#endif /* TORC_BASE_CONDITION_PRIV_H */
