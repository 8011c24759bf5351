/* SPDX-License-Identifier: MIT */
/*
 * One lock for the ring and for who waits. It is held for a copy; what is woken
 * is woken after it.
 */
#include <torc/core/channel/broadcast.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <torc/alloc/arena.h>

#include "core/channel/references_priv.h"
#include "core/channel/wait_priv.h"
#include "core/shard_priv.h"

#define CAPACITY_MAX (UINT32_C(1) << 31)
#define ITEM_BYTES_MAX ((size_t)1 << 30)

struct torc_broadcast {
	pthread_mutex_t lock;
	struct torc_references references;
	uint32_t capacity;
	uint32_t subscribers_count;
	bool is_closed;
	size_t item_bytes;
	uint64_t sent_count;
	struct torc_link waiting;
	unsigned char items[];
};

int
torc_broadcast_create(
	struct torc_broadcast **broadcast, size_t item_bytes, uint32_t capacity)
{
	struct torc_broadcast *made;

	if (capacity == 0 || capacity > CAPACITY_MAX ||
		item_bytes > ITEM_BYTES_MAX)
		return -EINVAL;
	/* At most 2^61. */
	made = torc_malloc(sizeof(*made) + capacity * item_bytes);
	if (made == NULL)
		return -ENOMEM;
	*made = (struct torc_broadcast){ .lock = PTHREAD_MUTEX_INITIALIZER,
		.capacity = capacity,
		.item_bytes = item_bytes };
	torc__references_init(&made->references);
	torc__list_init(&made->waiting);
	*broadcast = made;
	return 0;
}

struct torc_broadcast *
torc_broadcast_hold(struct torc_broadcast *broadcast)
{
	torc__references_hold(&broadcast->references);
	return broadcast;
}

void
torc_broadcast_release(struct torc_broadcast *broadcast)
{
	if (!torc__references_drop(&broadcast->references))
		return;
	if (!torc__list_is_empty(&broadcast->waiting))
		torc__panic("the last torc_broadcast_release() while somebody "
			    "waits: whoever uses a broadcast holds it");
	pthread_mutex_destroy(&broadcast->lock);
	torc_free(broadcast);
}

static void *
item_of(struct torc_broadcast *broadcast, uint64_t number)
{
	return broadcast->items +
	       number % broadcast->capacity * broadcast->item_bytes;
}

int
torc_broadcast_send(struct torc_broadcast *broadcast, const void *item)
{
	struct torc_wakes wakes = { NULL, NULL };
	int ret = -EPIPE;

	pthread_mutex_lock(&broadcast->lock);
	if (!broadcast->is_closed) {
		if (broadcast->item_bytes != 0)
			memcpy(item_of(broadcast, broadcast->sent_count), item,
				broadcast->item_bytes);
		broadcast->sent_count++;
		wakes = torc__wait_take_all(&broadcast->waiting, 0);
		ret = (int)broadcast->subscribers_count;
	}
	pthread_mutex_unlock(&broadcast->lock);
	torc__wakes_send(&wakes);
	return ret;
}

void
torc_broadcast_close(struct torc_broadcast *broadcast)
{
	struct torc_wakes wakes;

	pthread_mutex_lock(&broadcast->lock);
	broadcast->is_closed = true;
	/* Who waits has seen everything. */
	wakes = torc__wait_take_all(&broadcast->waiting, -EPIPE);
	pthread_mutex_unlock(&broadcast->lock);
	torc__wakes_send(&wakes);
}

void
torc_broadcast_subscribe(
	struct torc_broadcast *broadcast, struct torc_subscriber *subscriber)
{
	pthread_mutex_lock(&broadcast->lock);
	broadcast->subscribers_count++;
	*subscriber = (struct torc_subscriber){
		._broadcast = torc_broadcast_hold(broadcast),
		._next = broadcast->sent_count,
	};
	pthread_mutex_unlock(&broadcast->lock);
}

void
torc_broadcast_unsubscribe(struct torc_subscriber *subscriber)
{
	struct torc_broadcast *broadcast = subscriber->_broadcast;

	torc_assert(broadcast != NULL);
	subscriber->_broadcast = NULL;
	pthread_mutex_lock(&broadcast->lock);
	broadcast->subscribers_count--;
	pthread_mutex_unlock(&broadcast->lock);
	torc_broadcast_release(broadcast);
}

/* Under the lock: what torc_broadcast_try_recv() would say. */
static int
look(const struct torc_subscriber *subscriber)
{
	const struct torc_broadcast *broadcast = subscriber->_broadcast;
	uint64_t behind = broadcast->sent_count - subscriber->_next;

	if (behind > broadcast->capacity)
		return -EOVERFLOW;
	if (behind > 0)
		return 0;
	return broadcast->is_closed ? -EPIPE : -EAGAIN;
}

int
torc_broadcast_try_recv(struct torc_subscriber *subscriber, void *item)
{
	struct torc_broadcast *broadcast = subscriber->_broadcast;
	int ret;

	pthread_mutex_lock(&broadcast->lock);
	ret = look(subscriber);
	if (ret == -EOVERFLOW) {
		uint64_t oldest = broadcast->sent_count - broadcast->capacity;

		subscriber->missed_count += oldest - subscriber->_next;
		subscriber->_next = oldest;
	} else if (ret == 0) {
		if (broadcast->item_bytes != 0)
			memcpy(item, item_of(broadcast, subscriber->_next),
				broadcast->item_bytes);
		subscriber->_next++;
	}
	pthread_mutex_unlock(&broadcast->lock);
	return ret;
}

static void
cancel_recv(struct torc_future *done)
{
	struct torc_channel_wait *wait = torc_future_source(done);
	struct torc_broadcast *broadcast = wait->_object;

	torc__wait_cancel(wait, &broadcast->lock);
}

void
torc_broadcast_recv_start(
	struct torc_subscriber *subscriber, struct torc_channel_wait *wait)
{
	struct torc_broadcast *broadcast = subscriber->_broadcast;
	int ret;

	torc__wait_init(
		wait, cancel_recv, broadcast, "torc_broadcast_recv_start");
	pthread_mutex_lock(&broadcast->lock);
	ret = look(subscriber);
	if (ret == -EAGAIN)
		torc__wait_push(&broadcast->waiting, wait);
	pthread_mutex_unlock(&broadcast->lock);
	if (ret != -EAGAIN)
		torc_future_complete(&wait->done, ret == -EPIPE ? -EPIPE : 0);
}

int
torc_broadcast_recv(struct torc_subscriber *subscriber, void *item)
{
	struct torc_channel_wait wait;
	int ret = torc__interrupted("torc_broadcast_recv");

	if (ret < 0)
		return ret;
	ret = torc_broadcast_try_recv(subscriber, item);
	if (ret != -EAGAIN) {
		torc__budget_spend();
		return ret;
	}
	torc_broadcast_recv_start(subscriber, &wait);
	ret = (int)torc_await(&wait.done);
	return ret < 0 ? ret : torc_broadcast_try_recv(subscriber, item);
}
