/* SPDX-License-Identifier: MIT */
/*
 * Room that is reserved. All of it is under the senders' lock, and while there
 * is any, so is every send: who reserves nothing pays nothing.
 */
#include <errno.h>

#include "core/channel/channel_priv.h"
#include "core/shard_priv.h"

/* Held back first: the tail stands still while it is looked at. */
static int
reserve(struct torc_channel *channel)
{
	uint64_t reserved = torc__channel_reserved(channel), head;

	if (reserved & TORC__CHANNEL_CLOSING)
		return -EPIPE;
	if (!torc__list_is_empty(&channel->senders))
		return -EAGAIN;
	reserved += TORC__CHANNEL_RESERVED;
	torc__channel_hold_back(channel);
	/* Pairs with the exchange in torc__queue_take(). */
	head = atomic_load_explicit(&channel->queue.head, memory_order_acquire);
	if (!torc__queue_fits(
		    &channel->queue, head, reserved / TORC__CHANNEL_RESERVED)) {
		torc__channel_let_pass(channel);
		return -EAGAIN;
	}
	torc__channel_reserved_set(channel, reserved);
	return 0;
}

int
torc_channel_try_reserve(struct torc_channel *channel)
{
	int ret;

	pthread_mutex_lock(&channel->lock);
	ret = reserve(channel);
	pthread_mutex_unlock(&channel->lock);
	return ret;
}

void
torc_channel_reserve_start(
	struct torc_channel *channel, struct torc_channel_wait *wait)
{
	int ret;

	torc__wait_init(wait, torc__channel_cancel_send, channel,
		"torc_channel_reserve_start");
	ret = torc_channel_try_reserve(channel);
	if (ret != -EAGAIN) {
		torc_future_complete(&wait->done, ret);
		return;
	}
	wait->_is_reserving = true;
	torc__channel_queue_up(channel, wait);
}

int
torc_channel_reserve(struct torc_channel *channel)
{
	struct torc_channel_wait wait;
	int ret = torc__interrupted("torc_channel_reserve");

	if (torc_unlikely(ret < 0))
		return ret;
	ret = torc_channel_try_reserve(channel);
	if (ret != -EAGAIN) {
		torc__budget_spend();
		return ret;
	}
	torc_channel_reserve_start(channel, &wait);
	return (int)torc_await(&wait.done);
}

/*
 * Under the lock: one place less is reserved. True: with it a close is
 * complete, and the receiver is to be told.
 */
static bool
give_back(struct torc_channel *channel, const char *call)
{
	uint64_t reserved = torc__channel_reserved(channel);
	bool wakes = false;

	if (torc_unlikely(reserved < TORC__CHANNEL_RESERVED))
		torc__panic("%s: nothing is reserved in this channel; each "
			    "torc_channel_reserve() is used once",
			call);
	reserved -= TORC__CHANNEL_RESERVED;
	torc__channel_reserved_set(channel, reserved);
	if (reserved == TORC__CHANNEL_CLOSING)
		wakes = torc__queue_close(&channel->queue);
	torc__channel_let_pass(channel);
	return wakes;
}

void
torc_channel_send_reserved(struct torc_channel *channel, const void *item)
{
	bool wakes = false, wakes_at_end;

	pthread_mutex_lock(&channel->lock);
	/* First: with the last one a close may be complete. */
	if (torc__channel_reserved(channel) >= TORC__CHANNEL_RESERVED) {
		int ret = torc__queue_put(&channel->queue, item, true, &wakes);

		torc_assert(ret == 0);
	}
	wakes_at_end = give_back(channel, "torc_channel_send_reserved");
	pthread_mutex_unlock(&channel->lock);
	torc_check(!wakes_at_end || !wakes);
	if (wakes)
		torc__channel_wake(channel, 0);
	else if (wakes_at_end)
		torc__channel_wake(channel, -EPIPE);
}

void
torc_channel_unreserve(struct torc_channel *channel)
{
	bool wakes;

	pthread_mutex_lock(&channel->lock);
	wakes = give_back(channel, "torc_channel_unreserve");
	pthread_mutex_unlock(&channel->lock);
	if (wakes)
		torc__channel_wake(channel, -EPIPE);
	torc__channel_serve(channel);
}
