/* SPDX-License-Identifier: MIT */
#include <torc/core/channel/watch.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <torc/alloc/arena.h>

#include "core/channel/references_priv.h"
#include "core/channel/wait_priv.h"
#include "core/shard_priv.h"

#define ITEM_BYTES_MAX ((size_t)1 << 30)

struct torc_watch {
	pthread_mutex_t lock;
	struct torc_references references;
	_Atomic uint64_t version; /* changes under the lock */
	size_t item_bytes;
	bool is_closed;
	struct torc_link waiting;
	_Alignas(16) unsigned char item[];
};

int
torc_watch_create(
	struct torc_watch **watch, size_t item_bytes, const void *item)
{
	struct torc_watch *made;

	if (item_bytes > ITEM_BYTES_MAX)
		return -EINVAL;
	made = torc_malloc(sizeof(*made) + item_bytes);
	if (made == NULL)
		return -ENOMEM;
	*made = (struct torc_watch){ .lock = PTHREAD_MUTEX_INITIALIZER,
		.item_bytes = item_bytes };
	torc__references_init(&made->references);
	atomic_init(&made->version, 1);
	torc__list_init(&made->waiting);
	if (item_bytes != 0)
		memcpy(made->item, item, item_bytes);
	*watch = made;
	return 0;
}

struct torc_watch *
torc_watch_hold(struct torc_watch *watch)
{
	torc__references_hold(&watch->references);
	return watch;
}

void
torc_watch_release(struct torc_watch *watch)
{
	if (!torc__references_drop(&watch->references))
		return;
	if (!torc__list_is_empty(&watch->waiting))
		torc__panic("the last torc_watch_release() while somebody "
			    "waits: whoever uses a watch holds it");
	pthread_mutex_destroy(&watch->lock);
	torc_free(watch);
}

int
torc_watch_update(
	struct torc_watch *watch, bool (*fn)(void *item, void *arg), void *arg)
{
	struct torc_wakes wakes = { NULL, NULL };
	int ret = -EPIPE;

	pthread_mutex_lock(&watch->lock);
	if (!watch->is_closed) {
		ret = 0;
		if (fn(watch->item, arg)) {
			/* Pairs with the load in torc_watch_version(). */
			atomic_fetch_add_explicit(
				&watch->version, 1, memory_order_release);
			wakes = torc__wait_take_all(&watch->waiting, 0);
		}
	}
	pthread_mutex_unlock(&watch->lock);
	torc__wakes_send(&wakes);
	return ret;
}

struct copy {
	const void *item;
	size_t item_bytes;
};

static bool
replace(void *item, void *arg)
{
	const struct copy *copy = arg;

	if (copy->item_bytes != 0)
		memcpy(item, copy->item, copy->item_bytes);
	return true;
}

int
torc_watch_send(struct torc_watch *watch, const void *item)
{
	struct copy copy = { item, watch->item_bytes };

	return torc_watch_update(watch, replace, &copy);
}

void
torc_watch_close(struct torc_watch *watch)
{
	struct torc_wakes wakes;

	pthread_mutex_lock(&watch->lock);
	watch->is_closed = true;
	/* Who waits has seen the latest. */
	wakes = torc__wait_take_all(&watch->waiting, -EPIPE);
	pthread_mutex_unlock(&watch->lock);
	torc__wakes_send(&wakes);
}

uint64_t
torc_watch_version(const struct torc_watch *watch)
{
	/* Pairs with the addition in torc_watch_update(). */
	return atomic_load_explicit(&watch->version, memory_order_acquire);
}

void
torc_watch_get(struct torc_watch *watch, void *item, uint64_t *seen)
{
	pthread_mutex_lock(&watch->lock);
	if (watch->item_bytes != 0)
		memcpy(item, watch->item, watch->item_bytes);
	if (seen != NULL)
		*seen = torc_watch_version(watch);
	pthread_mutex_unlock(&watch->lock);
}

static void
cancel_changed(struct torc_future *done)
{
	struct torc_channel_wait *wait = torc_future_source(done);
	struct torc_watch *watch = wait->_object;

	torc__wait_cancel(wait, &watch->lock);
}

void
torc_watch_changed_start(
	struct torc_watch *watch, uint64_t seen, struct torc_channel_wait *wait)
{
	int ret = -EAGAIN;

	torc__wait_init(
		wait, cancel_changed, watch, "torc_watch_changed_start");
	pthread_mutex_lock(&watch->lock);
	if (torc_watch_version(watch) > seen)
		ret = 0;
	else if (watch->is_closed)
		ret = -EPIPE;
	else
		torc__wait_push(&watch->waiting, wait);
	pthread_mutex_unlock(&watch->lock);
	if (ret != -EAGAIN)
		torc_future_complete(&wait->done, ret);
}

int
torc_watch_changed(struct torc_watch *watch, uint64_t *seen)
{
	struct torc_channel_wait wait;
	int ret = torc__interrupted("torc_watch_changed");

	if (ret < 0)
		return ret;
	if (torc_watch_version(watch) > *seen) {
		torc__budget_spend();
	} else {
		torc_watch_changed_start(watch, *seen, &wait);
		ret = (int)torc_await(&wait.done);
	}
	if (ret == 0)
		*seen = torc_watch_version(watch);
	return ret;
}
