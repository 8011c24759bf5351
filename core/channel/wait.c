/* SPDX-License-Identifier: MIT */
#include "core/channel/wait_priv.h"

#include <errno.h>

#include "core/gate_priv.h"
#include "core/shard_priv.h"

void
torc__wait_init(struct torc_channel_wait *wait, torc_future_fn *cancel,
	void *object, const char *call)
{
	if (torc_unlikely(torc__shard == NULL))
		torc__panic("%s outside a shard: a thread that torc did not "
			    "make uses the try_ or the _blocking call",
			call);
	*wait = (struct torc_channel_wait){ ._shard = torc__shard,
		._run = torc__gate_run(),
		._object = object };
	torc_future_init(&wait->done, cancel, wait);
}

static void
on_woken(struct torc_msg *msg)
{
	struct torc_channel_wait *wait =
		torc__container_of(msg, struct torc_channel_wait, _msg);

	torc_future_complete(&wait->done, wait->_value);
}

static void
wake_thread(struct torc_channel_wait *wait)
{
	struct torc_thread_wait *thread =
		torc__container_of(wait, struct torc_thread_wait, wait);

	/* Inside the lock: after it the thread may be gone. */
	pthread_mutex_lock(&thread->lock);
	thread->is_over = true;
	pthread_cond_signal(&thread->changed);
	pthread_mutex_unlock(&thread->lock);
}

static void
wake_on_shard(struct torc_channel_wait *wait, int value)
{
	/* Left behind by a runtime that has ended, and its shard with it. */
	if (torc_unlikely(wait->_run != torc__gate_run()))
		return;
	if (wait->_shard == torc__shard) {
		torc_future_complete(&wait->done, value);
		return;
	}
	wait->_msg.fn = on_woken;
	torc__shard_post_remote(wait->_shard, &wait->_msg);
}

void
torc__wait_wake(struct torc_channel_wait *wait, int value)
{
	struct torc_shard *shard = wait->_shard;

	wait->_value = value;
	if (shard == NULL) {
		wake_thread(wait);
		return;
	}
	if (torc__shard != NULL) {
		wake_on_shard(wait, value);
	} else if (torc__gate_enter(TORC__GATE_WAKE)) {
		wake_on_shard(wait, value);
		torc__gate_leave(TORC__GATE_WAKE);
	}
}

void
torc__wakes_add(
	struct torc_wakes *wakes, struct torc_channel_wait *wait, int value)
{
	wait->_value = value;
	wait->_msg._next = NULL;
	if (wakes->first == NULL)
		wakes->first = wait;
	else
		wakes->last->_msg._next = &wait->_msg;
	wakes->last = wait;
}

void
torc__wakes_send(struct torc_wakes *wakes)
{
	struct torc_channel_wait *wait = wakes->first;

	while (wait != NULL) {
		struct torc_msg *next = wait->_msg._next;

		/* Gone after this. */
		torc__wait_wake(wait, wait->_value);
		wait = next == NULL ? NULL
				    : torc__container_of(next,
					      struct torc_channel_wait, _msg);
	}
}

void
torc__wait_push(struct torc_link *queue, struct torc_channel_wait *wait)
{
	wait->_is_queued = true;
	torc__list_push_back(queue, &wait->_link);
}

struct torc_channel_wait *
torc__wait_pop(struct torc_link *queue)
{
	struct torc_link *link = torc__list_pop_front(queue);
	struct torc_channel_wait *wait;

	if (link == NULL)
		return NULL;
	wait = torc__container_of(link, struct torc_channel_wait, _link);
	wait->_is_queued = false;
	return wait;
}

struct torc_wakes
torc__wait_take_all(struct torc_link *queue, int value)
{
	struct torc_wakes wakes = { NULL, NULL };
	struct torc_channel_wait *wait;

	while ((wait = torc__wait_pop(queue)) != NULL)
		torc__wakes_add(&wakes, wait, value);
	return wakes;
}

bool
torc__wait_remove(struct torc_channel_wait *wait)
{
	if (!wait->_is_queued)
		return false;
	wait->_is_queued = false;
	torc__list_remove(&wait->_link);
	return true;
}

void
torc__wait_cancel(struct torc_channel_wait *wait, pthread_mutex_t *lock)
{
	bool is_removed;

	pthread_mutex_lock(lock);
	is_removed = torc__wait_remove(wait);
	pthread_mutex_unlock(lock);
	if (is_removed)
		torc_future_complete(&wait->done, -ECANCELED);
}

void
torc__thread_wait_init(struct torc_thread_wait *thread, void *object,
	const char *call, const char *instead)
{
	if (torc_unlikely(torc__shard != NULL))
		torc__panic("%s on a shard stops all of its tasks: use %s",
			call, instead);
	*thread = (struct torc_thread_wait){
		.wait = { ._object = object },
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
}

int
torc__thread_wait_sleep(struct torc_thread_wait *thread)
{
	int before;

	if (torc_unlikely(torc__blocking_is_simulated))
		torc__panic(
			"a simulated job waits for its own shard, for ever: "
			"there is no thread; see blocking.h");
	/* What is on this stack is known elsewhere. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	pthread_mutex_lock(&thread->lock);
	while (!thread->is_over)
		pthread_cond_wait(&thread->changed, &thread->lock);
	pthread_mutex_unlock(&thread->lock);
	pthread_setcancelstate(before, NULL);
	return thread->wait._value;
}
