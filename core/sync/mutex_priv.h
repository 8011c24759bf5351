/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SYNC_MUTEX_PRIV_H
#define TORC_CORE_SYNC_MUTEX_PRIV_H

#include <torc/core/sync/mutex.h>

/*
 * Let `waiter` hold it, at once or when its turn has come, and only then
 * complete it with `value`: no cancel shortens that. Its task counts it among
 * its locks already.
 */
void torc__mutex_give(
	struct torc_mutex *mutex, struct torc_waiter *waiter, int value);

/* End the program with both names unless the running task holds it. */
void torc__mutex_assert_mine(const struct torc_mutex *mutex, const char *call);

#endif /* TORC_CORE_SYNC_MUTEX_PRIV_H */
