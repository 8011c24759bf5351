/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_SYNC_WAITER_H
#define TORC_CORE_SYNC_WAITER_H

/*
 * waiter - one place in the queue of a mutex, semaphore, barrier ...
 *
 * What the _start() calls of core/sync take: the future to await, select on
 * or cancel, and the place in the queue. The calls that await have one on
 * their own stack. A zeroed queue is an empty one.
 *
 * Lifetime  The runtime's from start until `done` is ready.
 * Shard     The one that started it; the queue is of that shard, too, as
 *           long as somebody waits in it: asserted.
 * Errors    `done` gets what the awaiting call would have returned. A value
 *           of 0 or more was given and is to be given back, also to a loser
 *           of torc_select() and to a task that was cancelled meanwhile: a
 *           mutex is then held, permits are taken, a notification is had.
 */

#include <torc/base/list.h>
#include <torc/core/future.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_task;
struct torc_shard;

struct torc_waiter {
	/* Result. */
	struct torc_future done;

	/* Runtime only. */
	struct torc_link _link;
	struct torc_task *_task; /* who will hold it */
	void *_object;
	uint32_t _want; /* how much of it */
	int _value;     /* for `done`, once it was given */
};

/* The queue, oldest first. */
struct torc_waiters {
	/* Runtime only. */
	struct torc_link _head;
	struct torc_shard *_shard; /* of those who wait */
};

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_SYNC_WAITER_H */
