/* SPDX-License-Identifier: MIT */
#include <torc/core/channel/oneshot.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <torc/alloc/arena.h>

#include "core/channel/references_priv.h"
#include "core/channel/wait_priv.h"
#include "core/shard_priv.h"

#define ITEM_BYTES_MAX ((size_t)1 << 30)

/*
 * All in one word, changed as a whole: whoever takes the mark of the one who
 * waits away, and nobody else, wakes it.
 */
#define WAITED 1u
#define SENT 2u
#define CLOSED 4u

struct torc_oneshot {
	_Atomic uint32_t state;
	struct torc_references references;
	size_t item_bytes;
	struct torc_channel_wait
		*receiver; /* its mark's remover may touch it */
	bool is_taken;     /* the receiver's */
	unsigned char item[];
};

int
torc_oneshot_create(struct torc_oneshot **oneshot, size_t item_bytes)
{
	struct torc_oneshot *made;

	if (item_bytes > ITEM_BYTES_MAX)
		return -EINVAL;
	made = torc_malloc(sizeof(*made) + item_bytes);
	if (made == NULL)
		return -ENOMEM;
	atomic_init(&made->state, 0);
	torc__references_init(&made->references);
	made->item_bytes = item_bytes;
	made->receiver = NULL;
	made->is_taken = false;
	*oneshot = made;
	return 0;
}

struct torc_oneshot *
torc_oneshot_hold(struct torc_oneshot *oneshot)
{
	torc__references_hold(&oneshot->references);
	return oneshot;
}

void
torc_oneshot_release(struct torc_oneshot *oneshot)
{
	if (!torc__references_drop(&oneshot->references))
		return;
	if (oneshot->receiver != NULL)
		torc__panic("the last torc_oneshot_release() while somebody "
			    "waits: whoever uses a oneshot holds it");
	torc_free(oneshot);
}

static void
wake_receiver(struct torc_oneshot *oneshot, int value)
{
	struct torc_channel_wait *wait = oneshot->receiver;

	oneshot->receiver = NULL;
	torc__wait_wake(wait, value);
}

static void
check_first(uint32_t state)
{
	if (torc_unlikely(state & SENT))
		torc__panic("a second torc_oneshot_send(): for more than one "
			    "item there is torc_channel");
}

int
torc_oneshot_send(struct torc_oneshot *oneshot, const void *item)
{
	uint32_t state =
		atomic_load_explicit(&oneshot->state, memory_order_acquire);

	check_first(state);
	if (oneshot->item_bytes != 0)
		memcpy(oneshot->item, item, oneshot->item_bytes);
	/* Pairs with the acquire in torc_oneshot_try_recv(). */
	do {
		check_first(state);
		if (state & CLOSED)
			return -EPIPE;
	} while (!atomic_compare_exchange_weak_explicit(&oneshot->state, &state,
		(state | SENT) & ~WAITED, memory_order_acq_rel,
		memory_order_acquire));
	if (state & WAITED)
		wake_receiver(oneshot, 0);
	return 0;
}

void
torc_oneshot_close(struct torc_oneshot *oneshot)
{
	uint32_t state =
		atomic_load_explicit(&oneshot->state, memory_order_acquire);

	/* Pairs with the send, and with the mark in begin_wait(). */
	while (!atomic_compare_exchange_weak_explicit(&oneshot->state, &state,
		(state | CLOSED) & ~WAITED, memory_order_acq_rel,
		memory_order_acquire))
		;
	if (state & WAITED)
		wake_receiver(oneshot, -EPIPE);
}

bool
torc_oneshot_is_closed(const struct torc_oneshot *oneshot)
{
	return atomic_load_explicit(&oneshot->state, memory_order_acquire) &
	       CLOSED;
}

static int
look(const struct torc_oneshot *oneshot, uint32_t state)
{
	if (torc_unlikely(oneshot->is_taken))
		torc__panic("a second torc_oneshot_recv(): its item was taken");
	if (state & SENT)
		return 0;
	return state & CLOSED ? -EPIPE : -EAGAIN;
}

int
torc_oneshot_try_recv(struct torc_oneshot *oneshot, void *item)
{
	/* Pairs with the release in torc_oneshot_send(). */
	int ret = look(oneshot,
		atomic_load_explicit(&oneshot->state, memory_order_acquire));

	if (ret < 0)
		return ret;
	oneshot->is_taken = true;
	if (oneshot->item_bytes != 0)
		memcpy(item, oneshot->item, oneshot->item_bytes);
	return 0;
}

/* -EAGAIN: `wait` will be woken. Otherwise it need not wait. */
static int
begin_wait(struct torc_oneshot *oneshot, struct torc_channel_wait *wait)
{
	uint32_t state =
		atomic_load_explicit(&oneshot->state, memory_order_acquire);
	int ret;

	if (torc_unlikely(oneshot->receiver != NULL))
		torc__panic("two receive from one oneshot");
	/* Whoever takes the mark away must find it. */
	oneshot->receiver = wait;
	do {
		ret = look(oneshot, state);
		if (ret != -EAGAIN) {
			oneshot->receiver = NULL;
			return ret;
		}
		/* Pairs with the changes in send and close. */
	} while (!atomic_compare_exchange_weak_explicit(&oneshot->state, &state,
		state | WAITED, memory_order_acq_rel, memory_order_acquire));
	return -EAGAIN;
}

static void
cancel_recv(struct torc_future *done)
{
	struct torc_channel_wait *wait = torc_future_source(done);
	struct torc_oneshot *oneshot = wait->_object;
	/* Pairs with the changes in send and close. */
	uint32_t state = atomic_fetch_and_explicit(
		&oneshot->state, ~WAITED, memory_order_acq_rel);

	/* Otherwise it is being woken. */
	if (state & WAITED) {
		oneshot->receiver = NULL;
		torc_future_complete(done, -ECANCELED);
	}
}

void
torc_oneshot_recv_start(
	struct torc_oneshot *oneshot, struct torc_channel_wait *wait)
{
	int ret;

	torc__wait_init(wait, cancel_recv, oneshot, "torc_oneshot_recv_start");
	ret = begin_wait(oneshot, wait);
	if (ret != -EAGAIN)
		torc_future_complete(&wait->done, ret);
}

static int
recv_slow(struct torc_oneshot *oneshot, void *item)
{
	struct torc_channel_wait wait;
	int ret;

	torc_oneshot_recv_start(oneshot, &wait);
	ret = (int)torc_await(&wait.done);
	return ret < 0 ? ret : torc_oneshot_try_recv(oneshot, item);
}

int
torc_oneshot_recv(struct torc_oneshot *oneshot, void *item)
{
	int ret = torc__interrupted("torc_oneshot_recv");

	if (ret < 0)
		return ret;
	ret = torc_oneshot_try_recv(oneshot, item);
	if (ret == -EAGAIN)
		return recv_slow(oneshot, item);
	torc__budget_spend();
	return ret;
}

int
torc_oneshot_recv_blocking(struct torc_oneshot *oneshot, void *item)
{
	struct torc_thread_wait thread;
	int ret;

	torc__thread_wait_init(&thread, oneshot, "torc_oneshot_recv_blocking()",
		"torc_oneshot_recv()");
	ret = begin_wait(oneshot, &thread.wait);
	if (ret == -EAGAIN)
		ret = torc__thread_wait_sleep(&thread);
	return ret < 0 ? ret : torc_oneshot_try_recv(oneshot, item);
}
