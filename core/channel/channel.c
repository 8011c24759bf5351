/* SPDX-License-Identifier: MIT */
#include <torc/core/channel/channel.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include <torc/alloc/arena.h>

#include "core/channel/queue_priv.h"
#include "core/channel/wait_priv.h"
#include "core/shard_priv.h"

#define CAPACITY_MAX (UINT32_C(1) << 31)
#define ITEM_BYTES_MAX (UINT32_C(1) << 30)
#define LINE_BYTES 64

struct torc_channel {
	struct torc_queue queue;
	void *block; /* what was allocated */
	_Alignas(LINE_BYTES) _Atomic uint32_t references;
	pthread_mutex_t lock; /* of the senders that wait, oldest first */
	struct torc_link senders;
	bool is_held_back;
};

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
	block = torc_malloc(sizeof(*made) + bytes + LINE_BYTES);
	if (block == NULL)
		return -ENOMEM;
	made = (struct torc_channel *)(((uintptr_t)block + LINE_BYTES - 1) &
				       ~(uintptr_t)(LINE_BYTES - 1));
	*made = (struct torc_channel){ .block = block,
		.lock = PTHREAD_MUTEX_INITIALIZER };
	torc__queue_init(&made->queue, capacity, (uint32_t)item_bytes,
		(unsigned char *)(made + 1));
	torc__list_init(&made->senders);
	atomic_init(&made->references, 1);
	*channel = made;
	return 0;
}

struct torc_channel *
torc_channel_hold(struct torc_channel *channel)
{
	/* The caller's own reference orders everything. */
	uint32_t before = atomic_fetch_add_explicit(
		&channel->references, 1, memory_order_relaxed);

	torc_assert(before > 0);
	return channel;
}

void
torc_channel_release(struct torc_channel *channel)
{
	/* Pairs with itself: the last one sees what all others did. */
	uint32_t before = atomic_fetch_sub_explicit(
		&channel->references, 1, memory_order_acq_rel);

	torc_assert(before > 0);
	if (before != 1)
		return;
	if (channel->queue.receiver != NULL ||
		!torc__list_is_empty(&channel->senders))
		torc__panic("the last torc_channel_release() while somebody "
			    "waits: whoever uses a channel holds it");
	pthread_mutex_destroy(&channel->lock);
	torc_free(channel->block);
}

/* After the mark was cleared: this thread, and no other, wakes it. */
static void
wake_receiver(struct torc_channel *channel, int value)
{
	struct torc_channel_wait *wait = channel->queue.receiver;

	channel->queue.receiver = NULL;
	torc__wait_wake(wait, value);
}

/*
 * Put the items of those who wait, oldest first, as far as there is room; with
 * a closed queue that is: none. Whoever makes room or begins to wait comes
 * here, so that nobody waits for room that is there.
 */
static void
serve(struct torc_channel *channel)
{
	struct torc_wakes wakes = { NULL, NULL };
	bool wakes_receiver = false;

	pthread_mutex_lock(&channel->lock);
	while (!torc__list_is_empty(&channel->senders)) {
		struct torc_channel_wait *wait = torc__container_of(
			channel->senders.next, struct torc_channel_wait, _link);
		int ret;

		torc__queue_ask_room(&channel->queue);
		ret = torc__queue_put(
			&channel->queue, wait->_item, true, &wakes_receiver);
		if (ret == -EAGAIN)
			break;
		torc__wait_pop(&channel->senders);
		torc__wakes_add(&wakes, wait, ret);
	}
	if (channel->is_held_back && torc__list_is_empty(&channel->senders)) {
		channel->is_held_back = false;
		torc__queue_let_pass(&channel->queue);
	}
	pthread_mutex_unlock(&channel->lock);
	if (wakes_receiver)
		wake_receiver(channel, 0);
	torc__wakes_send(&wakes);
}

int
torc_channel_try_send(struct torc_channel *channel, const void *item)
{
	bool wakes = false;
	int ret = torc__queue_put(&channel->queue, item, false, &wakes);

	if (wakes)
		wake_receiver(channel, 0);
	return ret;
}

static void
queue_up(struct torc_channel *channel, struct torc_channel_wait *wait)
{
	pthread_mutex_lock(&channel->lock);
	torc__wait_push(&channel->senders, wait);
	if (!channel->is_held_back) {
		channel->is_held_back = true;
		torc__queue_hold_back(&channel->queue);
	}
	pthread_mutex_unlock(&channel->lock);
	serve(channel);
}

static void
cancel_send(struct torc_future *done)
{
	struct torc_channel_wait *wait = torc_future_source(done);
	struct torc_channel *channel = wait->_object;
	bool is_removed;

	pthread_mutex_lock(&channel->lock);
	is_removed = torc__wait_remove(wait);
	if (channel->is_held_back && torc__list_is_empty(&channel->senders)) {
		channel->is_held_back = false;
		torc__queue_let_pass(&channel->queue);
	}
	pthread_mutex_unlock(&channel->lock);
	/* Otherwise it was sent, and a message on its way says so. */
	if (is_removed)
		torc_future_complete(done, -ECANCELED);
}

void
torc_channel_send_start(struct torc_channel *channel, const void *item,
	struct torc_channel_wait *wait)
{
	int ret;

	torc__wait_init(wait, cancel_send, channel, "torc_channel_send_start");
	ret = torc_channel_try_send(channel, item);
	if (ret != -EAGAIN) {
		torc_future_complete(&wait->done, ret);
		return;
	}
	wait->_item = item;
	queue_up(channel, wait);
}

static __attribute__((noinline, cold)) int
send_slow(struct torc_channel *channel, const void *item)
{
	struct torc_channel_wait wait;

	torc_channel_send_start(channel, item, &wait);
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
	queue_up(channel, &thread.wait);
	return torc__thread_wait_sleep(&thread);
}

int
torc_channel_try_recv(struct torc_channel *channel, void *item)
{
	bool serves = false;
	int ret = torc__queue_take(&channel->queue, item, &serves);

	if (torc_unlikely(serves))
		serve(channel);
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
		/* Its sender is between two instructions, or it has ended. */
		sched_yield();
	}
}

void
torc_channel_close(struct torc_channel *channel)
{
	if (torc__queue_close(&channel->queue))
		wake_receiver(channel, -EPIPE);
	serve(channel);
}

bool
torc_channel_is_closed(const struct torc_channel *channel)
{
	return atomic_load_explicit(
		       &channel->queue.tail, memory_order_acquire) &
	       TORC__QUEUE_CLOSED;
}

/* How many items came before this position. */
static uint64_t
items_before(const struct torc_queue *queue, uint64_t position)
{
	return position / queue->lap * queue->capacity +
	       (position & (queue->lap - 1));
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
	uint64_t count = items_before(queue, tail >> TORC__QUEUE_TAIL_SHIFT) -
			 items_before(queue, head >> TORC__QUEUE_HEAD_SHIFT);

	return count < queue->capacity ? (uint32_t)count : queue->capacity;
}

uint32_t
torc_channel_capacity(const struct torc_channel *channel)
{
	return channel->queue.capacity;
}
