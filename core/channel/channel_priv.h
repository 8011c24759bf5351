/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_CHANNEL_CHANNEL_PRIV_H
#define TORC_CORE_CHANNEL_CHANNEL_PRIV_H

/*
 * channel - the queue, those who wait for room, and the room that is reserved
 *
 * A place that is reserved is a number, not a slot: items take slots in the
 * order in which they are sent. While there is such a number, or a sender that
 * waits, all others are held back (see queue_priv.h) and come here, under the
 * lock, where what is inside and what is reserved are added up.
 *
 * A close with room reserved is not yet one of the queue: whoever uses the last
 * reservation completes it. So the receiver waits for what may still come.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <torc/core/channel/channel.h>

#include "core/channel/queue_priv.h"
#include "core/channel/references_priv.h"
#include "core/channel/wait_priv.h"

#define TORC__CHANNEL_LINE_BYTES 64

/* In `reserved`: closed, but for those who have reserved; and one of these. */
#define TORC__CHANNEL_CLOSING 1u
#define TORC__CHANNEL_RESERVED 2u

struct torc_channel {
	struct torc_queue queue;
	void *block; /* what was allocated */
	_Alignas(TORC__CHANNEL_LINE_BYTES) struct torc_references references;
	_Atomic uint64_t reserved; /* written under the lock */
	pthread_mutex_t lock;
	struct torc_link senders; /* that wait, oldest first */
	bool is_held_back;        /* each sender that does not wait */
};

/*
 * Under the lock: without, a reservation that held somebody back may be given
 * back before he looks.
 */
static inline uint64_t
torc__channel_reserved(struct torc_channel *channel)
{
	return atomic_load_explicit(&channel->reserved, memory_order_relaxed);
}

/* Under the lock. The release is for torc_channel_is_closed(). */
static inline void
torc__channel_reserved_set(struct torc_channel *channel, uint64_t reserved)
{
	atomic_store_explicit(
		&channel->reserved, reserved, memory_order_release);
}

/* Under the lock. */
static inline void
torc__channel_hold_back(struct torc_channel *channel)
{
	if (channel->is_held_back)
		return;
	channel->is_held_back = true;
	torc__queue_hold_back(&channel->queue);
}

/* Under the lock: unless somebody waits, or has reserved. */
static inline void
torc__channel_let_pass(struct torc_channel *channel)
{
	if (!channel->is_held_back || !torc__list_is_empty(&channel->senders) ||
		torc__channel_reserved(channel) >= TORC__CHANNEL_RESERVED)
		return;
	channel->is_held_back = false;
	torc__queue_let_pass(&channel->queue);
}

/* After the mark was cleared: this thread, and no other, wakes it. */
void torc__channel_wake(struct torc_channel *channel, int value);

/*
 * Give those who wait what they wait for, oldest first, as far as there is
 * room; once it is closed that is: -EPIPE. Whoever makes room or begins to
 * wait comes here, so that nobody waits for room that is there.
 */
void torc__channel_serve(struct torc_channel *channel);

/* Behind those who wait; not under the lock. */
void torc__channel_queue_up(
	struct torc_channel *channel, struct torc_channel_wait *wait);
void torc__channel_cancel_send(struct torc_future *done);

#endif /* TORC_CORE_CHANNEL_CHANNEL_PRIV_H */
