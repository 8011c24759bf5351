/* SPDX-License-Identifier: MIT */
#include <torc/core/channel/channel.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include <torc/alloc/arena.h>

#include "core/channel/channel_priv.h"
#include "core/shard_priv.h"

#define CAPACITY_MAX (UINT32_C(1) << 31)
#define ITEM_BYTES_MAX (UINT32_C(1) << 30)
#define LINE_MASK ((uintptr_t)TORC__CHANNEL_LINE_BYTES - 1)

int
torc_channel_create(
	struct torc_channel **channel, size_t item_bytes, uint32_t capacity)
{
	struct torc_channel *made;
	size_t bytes;
	char *block;

	if (capacity == 0 || capacity > CAPACITY_MAX ||
		item_bytes > ITEM_BYTES_MAX)
		return -EINVAL;
	/* At most 2^31 * (2^30 + 16). */
	bytes = capacity * torc__queue_slot_bytes(item_bytes);
	block = torc_malloc(sizeof(*made) + bytes + TORC__CHANNEL_LINE_BYTES);
	if (block == NULL)
		return -ENOMEM;
	made = (struct torc_channel *)(((uintptr_t)block + LINE_MASK) &
				       ~LINE_MASK);
	*made = (struct torc_channel){ .block = block,
		.lock = PTHREAD_MUTEX_INITIALIZER };
	torc__queue_init(&made->queue, capacity, (uint32_t)item_bytes,
		(unsigned char *)(made + 1));
	torc__list_init(&made->senders);
	torc__references_init(&made->references);
	*channel = made;
	return 0;
}

struct torc_channel *
torc_channel_hold(struct torc_channel *channel)
{
	torc__references_hold(&channel->references);
	return channel;
}

void
torc_channel_release(struct torc_channel *channel)
{
	if (!torc__references_drop(&channel->references))
		return;
	if (channel->queue.receiver != NULL ||
		!torc__list_is_empty(&channel->senders))
		torc__panic("the last torc_channel_release() while somebody "
			    "waits: whoever uses a channel holds it");
	if (channel->reserved >= TORC__CHANNEL_RESERVED)
		torc__panic("the last torc_channel_release() while room is "
			    "reserved: use it, or torc_channel_unreserve() it, "
			    "before the channel is released");
	pthread_mutex_destroy(&channel->lock);
	torc_free(channel->block);
}

void
torc__channel_wake(struct torc_channel *channel, int value)
{
	struct torc_channel_wait *wait = channel->queue.receiver;

	channel->queue.receiver = NULL;
	torc__wait_wake(wait, value);
}

/*
 * Under the lock. 0: its item is inside, or its place is reserved; -EAGAIN:
 * there is no room; -EPIPE.
 */
static int
serve_one(struct torc_channel *channel, struct torc_channel_wait *wait,
	bool *wakes_receiver)
{
	uint64_t head = torc__queue_ask_room(&channel->queue);
	uint64_t reserved = torc__channel_reserved(channel);

	if (reserved & TORC__CHANNEL_CLOSING)
		return -EPIPE;
	if ((wait->_is_reserving || reserved != 0) &&
		!torc__queue_fits(&channel->queue, head,
			reserved / TORC__CHANNEL_RESERVED + 1))
		return -EAGAIN;
	if (!wait->_is_reserving)
		return torc__queue_put(
			&channel->queue, wait->_item, true, wakes_receiver);
	torc__channel_reserved_set(channel, reserved + TORC__CHANNEL_RESERVED);
	return 0;
}

void
torc__channel_serve(struct torc_channel *channel)
{
	struct torc_wakes wakes = { NULL, NULL };
	bool wakes_receiver = false;

	pthread_mutex_lock(&channel->lock);
	while (!torc__list_is_empty(&channel->senders)) {
		struct torc_channel_wait *wait = torc__container_of(
			channel->senders.next, struct torc_channel_wait, _link);
		int ret = serve_one(channel, wait, &wakes_receiver);

		if (ret == -EAGAIN)
			break;
		torc__wait_pop(&channel->senders);
		torc__wakes_add(&wakes, wait, ret);
	}
	torc__channel_let_pass(channel);
	pthread_mutex_unlock(&channel->lock);
	if (wakes_receiver)
		torc__channel_wake(channel, 0);
	torc__wakes_send(&wakes);
}

/* Beside what is reserved; behind those who wait. */
static __attribute__((noinline, cold)) int
send_beside(struct torc_channel *channel, const void *item, bool *wakes)
{
	uint64_t head, reserved;
	int ret = -EAGAIN;

	pthread_mutex_lock(&channel->lock);
	/* Pairs with the exchange in torc__queue_take(). */
	head = atomic_load_explicit(&channel->queue.head, memory_order_acquire);
	reserved = torc__channel_reserved(channel);
	if (reserved & TORC__CHANNEL_CLOSING)
		ret = -EPIPE;
	else if (torc__list_is_empty(&channel->senders) &&
		 (reserved == 0 ||
			 torc__queue_fits(&channel->queue, head,
				 reserved / TORC__CHANNEL_RESERVED + 1)))
		ret = torc__queue_put(&channel->queue, item, true, wakes);
	pthread_mutex_unlock(&channel->lock);
	return ret;
}

int
torc_channel_try_send(struct torc_channel *channel, const void *item)
{
	bool wakes = false;
	int ret = torc__queue_put(&channel->queue, item, false, &wakes);

	/* What held it back may be over: only the lock tells. */
	if (torc_unlikely(ret == -EBUSY))
		ret = send_beside(channel, item, &wakes);
	if (wakes)
		torc__channel_wake(channel, 0);
	return ret;
}

void
torc__channel_queue_up(
	struct torc_channel *channel, struct torc_channel_wait *wait)
{
	pthread_mutex_lock(&channel->lock);
	torc__wait_push(&channel->senders, wait);
	torc__channel_hold_back(channel);
	pthread_mutex_unlock(&channel->lock);
	torc__channel_serve(channel);
}

void
torc__channel_cancel_send(struct torc_future *done)
{
	struct torc_channel_wait *wait = torc_future_source(done);
	struct torc_channel *channel = wait->_object;
	bool is_removed;

	pthread_mutex_lock(&channel->lock);
	is_removed = torc__wait_remove(wait);
	torc__channel_let_pass(channel);
	pthread_mutex_unlock(&channel->lock);
	/* Otherwise it was served, and a message on its way says so. */
	if (is_removed)
		torc_future_complete(done, -ECANCELED);
}

void
torc_channel_send_start(struct torc_channel *channel, const void *item,
	struct torc_channel_wait *wait)
{
	int ret;

	torc__wait_init(wait, torc__channel_cancel_send, channel,
		"torc_channel_send_start");
	ret = torc_channel_try_send(channel, item);
	if (ret != -EAGAIN) {
		torc_future_complete(&wait->done, ret);
		return;
	}
	wait->_item = item;
	torc__channel_queue_up(channel, wait);
}

static __attribute__((noinline, cold)) int
send_slow(struct torc_channel *channel, const void *item)
{
	struct torc_channel_wait wait;

	torc__wait_init(
		&wait, torc__channel_cancel_send, channel, "torc_channel_send");
	wait._item = item;
	torc__channel_queue_up(channel, &wait);
	return (int)torc_await(&wait.done);
}

int
torc_channel_send(struct torc_channel *channel, const void *item)
{
	int ret = torc__interrupted("torc_channel_send");

	if (torc_unlikely(ret < 0))
		return ret;
	ret = torc_channel_try_send(channel, item);
	if (torc_unlikely(ret == -EAGAIN))
		return send_slow(channel, item);
	torc__budget_spend();
	return ret;
}

int
torc_channel_send_blocking(struct torc_channel *channel, const void *item)
{
	struct torc_thread_wait thread;
	int ret;

	torc__thread_wait_init(&thread, channel, "torc_channel_send_blocking()",
		"torc_channel_send()");
	ret = torc_channel_try_send(channel, item);
	if (ret != -EAGAIN)
		return ret;
	thread.wait._item = item;
	torc__channel_queue_up(channel, &thread.wait);
	return torc__thread_wait_sleep(&thread);
}

int
torc_channel_try_recv(struct torc_channel *channel, void *item)
{
	bool serves = false;
	int ret = torc__queue_take(&channel->queue, item, &serves);

	if (torc_unlikely(serves))
		torc__channel_serve(channel);
	if (torc_unlikely(ret == -EAGAIN) &&
		torc__queue_is_over(&channel->queue))
		return -EPIPE;
	return ret;
}

static void
stop_waiting(
	struct torc_channel *channel, struct torc_channel_wait *wait, int value)
{
	channel->queue.receiver = NULL;
	torc_future_complete(&wait->done, value);
}

static void look(struct torc_channel *channel, struct torc_channel_wait *wait);

static void
on_look_again(struct torc_msg *msg)
{
	struct torc_channel_wait *wait =
		torc__container_of(msg, struct torc_channel_wait, _msg);

	if (wait->_is_canceled)
		stop_waiting(wait->_object, wait, -ECANCELED);
	else
		look(wait->_object, wait);
}

static void
look(struct torc_channel *channel, struct torc_channel_wait *wait)
{
	/* Whoever clears the mark must find it. */
	channel->queue.receiver = wait;
	switch (torc__queue_wait(&channel->queue)) {
	case TORC__QUEUE_WAITING:
		return;
	case TORC__QUEUE_READY:
		stop_waiting(channel, wait, 0);
		return;
	case TORC__QUEUE_ENDED:
		stop_waiting(channel, wait, -EPIPE);
		return;
	case TORC__QUEUE_SOON:
		/* Its sender is between two instructions: next turn. */
		wait->_msg.fn = on_look_again;
		torc__shard_post_remote(torc__shard, &wait->_msg);
	}
}

static void
cancel_recv(struct torc_future *done)
{
	struct torc_channel_wait *wait = torc_future_source(done);

	wait->_is_canceled = true;
	if (torc__queue_unwait(&((struct torc_channel *)wait->_object)->queue))
		stop_waiting(wait->_object, wait, -ECANCELED);
}

static __attribute__((cold, noinline, noreturn)) void
two_receive(void)
{
	torc__panic("two receive from one channel: it has one receiver at a "
		    "time");
}

static void
check_alone(const struct torc_channel *channel)
{
	if (torc_unlikely(channel->queue.receiver != NULL))
		two_receive();
}

void
torc_channel_recv_start(
	struct torc_channel *channel, struct torc_channel_wait *wait)
{
	torc__wait_init(wait, cancel_recv, channel, "torc_channel_recv_start");
	check_alone(channel);
	look(channel, wait);
}

static __attribute__((noinline, cold)) int
recv_slow(struct torc_channel *channel, void *item)
{
	struct torc_channel_wait wait;
	int ret;

	torc_channel_recv_start(channel, &wait);
	ret = (int)torc_await(&wait.done);
	if (ret < 0)
		return ret;
	ret = torc_channel_try_recv(channel, item);
	if (torc_unlikely(ret < 0))
		two_receive();
	return ret;
}

int
torc_channel_recv(struct torc_channel *channel, void *item)
{
	int ret = torc__interrupted("torc_channel_recv");

	if (torc_unlikely(ret < 0))
		return ret;
	ret = torc_channel_try_recv(channel, item);
	if (torc_unlikely(ret == -EAGAIN))
		return recv_slow(channel, item);
	torc__budget_spend();
	return ret;
}

int
torc_channel_recv_blocking(struct torc_channel *channel, void *item)
{
	struct torc_thread_wait thread;
	int ret;

	for (;;) {
		torc__thread_wait_init(&thread, channel,
			"torc_channel_recv_blocking()", "torc_channel_recv()");
		ret = torc_channel_try_recv(channel, item);
		if (ret != -EAGAIN)
			return ret;
		check_alone(channel);
		channel->queue.receiver = &thread.wait;
		if (torc__queue_wait(&channel->queue) == TORC__QUEUE_WAITING) {
			torc__thread_wait_sleep(&thread);
			continue;
		}
		channel->queue.receiver = NULL;
		/* There is one now, or all but; or the channel has ended. */
		sched_yield();
	}
}

void
torc_channel_close(struct torc_channel *channel)
{
	uint64_t reserved;
	bool wakes = false;

	pthread_mutex_lock(&channel->lock);
	reserved = torc__channel_reserved(channel) | TORC__CHANNEL_CLOSING;
	torc__channel_reserved_set(channel, reserved);
	/* Else the last one who has reserved does it. */
	if (reserved == TORC__CHANNEL_CLOSING)
		wakes = torc__queue_close(&channel->queue);
	pthread_mutex_unlock(&channel->lock);
	if (wakes)
		torc__channel_wake(channel, -EPIPE);
	torc__channel_serve(channel);
}

bool
torc_channel_is_closed(const struct torc_channel *channel)
{
	return atomic_load_explicit(&channel->reserved, memory_order_acquire) &
	       TORC__CHANNEL_CLOSING;
}

uint32_t
torc_channel_count(const struct torc_channel *channel)
{
	const struct torc_queue *queue = &channel->queue;
	/* The head first: it never overtakes the tail. */
	uint64_t head =
		atomic_load_explicit(&queue->head, memory_order_acquire);
	uint64_t tail =
		atomic_load_explicit(&queue->tail, memory_order_acquire);
	uint64_t count =
		torc__queue_before(queue, tail >> TORC__QUEUE_TAIL_SHIFT) -
		torc__queue_before(queue, head >> TORC__QUEUE_HEAD_SHIFT);

	return count < queue->capacity ? (uint32_t)count : queue->capacity;
}

uint32_t
torc_channel_capacity(const struct torc_channel *channel)
{
	return channel->queue.capacity;
}
