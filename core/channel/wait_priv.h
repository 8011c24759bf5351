/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_CHANNEL_WAIT_PRIV_H
#define TORC_CORE_CHANNEL_WAIT_PRIV_H

#include <pthread.h>

#include <torc/core/channel/wait.h>

#include "base/list_priv.h"

/* `call` needs a shard: its name is for the message that says so. */
void torc__wait_init(struct torc_channel_wait *wait, torc_future_fn *cancel,
	void *object, const char *call);

/*
 * Make it ready, from any thread; once, and by who took it off the object:
 * nobody else will. On its own shard at once, which may run its waiter;
 * so under no lock. Else by one message.
 */
void torc__wait_wake(struct torc_channel_wait *wait, int value);

/* Those that were taken off together, oldest first. */
struct torc_wakes {
	struct torc_channel_wait *first, *last;
};

void torc__wakes_add(
	struct torc_wakes *wakes, struct torc_channel_wait *wait, int value);
void torc__wakes_send(struct torc_wakes *wakes);

/* The queue of an object, under its lock. */
void torc__wait_push(struct torc_link *queue, struct torc_channel_wait *wait);
struct torc_channel_wait *torc__wait_pop(struct torc_link *queue);
/* All there are, each to be woken with `value` once the lock is given up. */
struct torc_wakes torc__wait_take_all(struct torc_link *queue, int value);
/* False: it was popped before. */
bool torc__wait_remove(struct torc_channel_wait *wait);

/* Not under `lock`, the object's: off its queue, unless it is being woken. */
void torc__wait_cancel(struct torc_channel_wait *wait, pthread_mutex_t *lock);

/* The wait of a thread that torc did not make. */
struct torc_thread_wait {
	struct torc_channel_wait wait;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_over;
};

/* Panics on a shard, naming `call` and what to use instead. */
void torc__thread_wait_init(struct torc_thread_wait *thread, void *object,
	const char *call, const char *instead);
int torc__thread_wait_sleep(struct torc_thread_wait *thread);

#endif /* TORC_CORE_CHANNEL_WAIT_PRIV_H */
