/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_CHANNEL_WATCH_H
#define TORC_CORE_CHANNEL_WATCH_H

/*
 * watch - the latest value of something, and who wants to know when it changes
 *
 * Only the latest is kept; who looks rarely sees less of them, never an old
 * one. A receiver is nothing but a number, the version that it has seen:
 *
 *   uint64_t seen = 0;                          0: nothing yet
 *   while (torc_watch_changed(watch, &seen) == 0) {
 *           torc_watch_get(watch, &config, &seen);
 *           ...
 *   }
 *
 * Lifetime  Counted: create gives one reference, torc_watch_hold() one more,
 *           each is given back by torc_watch_release(). Who receives owns one.
 *           A release ends nothing: who sends last says torc_watch_close().
 * Shard     torc_watch_changed(): a task of any shard. All else: any thread.
 * Errors    -EPIPE: closed, and the latest value was seen; -ECANCELED and
 *           -ETIMEDOUT. -ENOMEM, -EINVAL.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <torc/core/channel/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_watch;

/*
 * `item`, copied, is version 1. Returns 0; -EINVAL: over 1 GiB; -ENOMEM.
 */
int torc_watch_create(struct torc_watch **watch, size_t item_bytes,
	const void *item) __attribute__((warn_unused_result));
struct torc_watch *torc_watch_hold(struct torc_watch *watch);
void torc_watch_release(struct torc_watch *watch);

/* Replace the value and tell all who wait. 0; -EPIPE. Never waits. */
int torc_watch_send(struct torc_watch *watch, const void *item)
	__attribute__((warn_unused_result));

/*
 * Change the value where it is: fn(value, arg), under the lock: it calls
 * nothing of this watch, and waits for nothing. True: it has changed, tell
 * all. 0; -EPIPE: fn was not called.
 */
int torc_watch_update(
	struct torc_watch *watch, bool (*fn)(void *item, void *arg), void *arg)
	__attribute__((warn_unused_result));

/* No more is sent; the last value can still be read. */
void torc_watch_close(struct torc_watch *watch);

/* Copy the latest value; `seen`, unless NULL, becomes its version. */
void torc_watch_get(struct torc_watch *watch, void *item, uint64_t *seen);

/* The latest version. Cost: one load. */
uint64_t torc_watch_version(const struct torc_watch *watch);

/*
 * Wait until there is a version newer than *seen, which then becomes it.
 *
 * Returns  0; -EPIPE; -ECANCELED or -ETIMEDOUT: *seen is as it was.
 * Cost     one load when there is one.
 */
int torc_watch_changed(struct torc_watch *watch, uint64_t *seen)
	__attribute__((warn_unused_result));

/* Start only: wait->done gets 0 once there is a newer version, or -EPIPE. */
void torc_watch_changed_start(struct torc_watch *watch, uint64_t seen,
	struct torc_channel_wait *wait);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_CHANNEL_WATCH_H */
