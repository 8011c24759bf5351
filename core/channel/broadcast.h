/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_CHANNEL_BROADCAST_H
#define TORC_CORE_CHANNEL_BROADCAST_H

/*
 * broadcast - every subscriber sees every item that is sent after it came
 *
 * A send never waits: the newest `capacity` items are kept, and a subscriber
 * that is slower than that is told how many it has missed.
 *
 *   sent     0 1 2 3 4 5 6 7        capacity 4: 4 to 7 are kept
 *   A is at          4              recv: 4
 *   B is at      2                  recv: -EOVERFLOW, missed_count 2; then 4
 *   C subscribes             8      recv: waits for 8
 *
 * Lifetime  The broadcast is counted: create gives one reference,
 *           torc_broadcast_hold() one more, each is given back by
 *           torc_broadcast_release(). A subscriber is the caller's memory,
 *           from torc_broadcast_subscribe() to torc_broadcast_unsubscribe(),
 *           and holds a reference. A release ends nothing: who sends last says
 *           torc_broadcast_close().
 * Shard     Senders and subscribers: tasks of any shards; all that does not
 *           wait: any thread. A subscriber belongs to one task at a time.
 * Errors    -EPIPE: closed, and everything was seen; -EOVERFLOW as drawn;
 *           -EAGAIN from try_recv; -ECANCELED, -ETIMEDOUT. -ENOMEM, -EINVAL.
 */

#include <stddef.h>
#include <stdint.h>

#include <torc/core/channel/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_broadcast;

struct torc_subscriber {
	/* Result: items missed so far, in all. */
	uint64_t missed_count;

	/* Runtime only. */
	struct torc_broadcast *_broadcast;
	uint64_t _next; /* number of the item to be seen */
};

/* Takes memory for all items. Returns 0; -EINVAL: no capacity, more than 2^31,
 * or items over 1 GiB; -ENOMEM. */
int torc_broadcast_create(struct torc_broadcast **broadcast, size_t item_bytes,
	uint32_t capacity) __attribute__((warn_unused_result));
struct torc_broadcast *torc_broadcast_hold(struct torc_broadcast *broadcast);
void torc_broadcast_release(struct torc_broadcast *broadcast);

/*
 * Show the item to all who have subscribed. Never waits.
 *
 * Returns  how many subscribers there are, 0 or more; -EPIPE.
 * Cost     one lock, one copy, and one wake per subscriber that waits.
 */
int torc_broadcast_send(struct torc_broadcast *broadcast, const void *item)
	__attribute__((warn_unused_result));

/* No more is sent; what was sent can still be received. */
void torc_broadcast_close(struct torc_broadcast *broadcast);

/* From the next item on. */
void torc_broadcast_subscribe(
	struct torc_broadcast *broadcast, struct torc_subscriber *subscriber);
/* Nothing of it may wait any more. */
void torc_broadcast_unsubscribe(struct torc_subscriber *subscriber);

/*
 * The next item, when there is one.
 *
 * Returns  0; -EOVERFLOW: items were missed, missed_count has grown by their
 *          number, and the next call gives the oldest that is kept; -EPIPE;
 *          -ECANCELED or -ETIMEDOUT: nothing was taken.
 */
int torc_broadcast_recv(struct torc_subscriber *subscriber, void *item)
	__attribute__((warn_unused_result));

/* The same without waiting: -EAGAIN when there is none yet. */
int torc_broadcast_try_recv(struct torc_subscriber *subscriber, void *item)
	__attribute__((warn_unused_result));

/*
 * Start to wait for an item, and take none: wait->done gets 0 when
 * torc_broadcast_try_recv() has something to say, or -EPIPE.
 */
void torc_broadcast_recv_start(
	struct torc_subscriber *subscriber, struct torc_channel_wait *wait);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_CHANNEL_BROADCAST_H */
