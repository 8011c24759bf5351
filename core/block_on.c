/* SPDX-License-Identifier: MIT */
/*
 * A thread that torc did not make waits for a task. It sleeps on a condition
 * of its own, under one lock for all: this is the slow way in.
 */
#include <errno.h>
#include <pthread.h>

#include "core/gate_priv.h"
#include "core/remote_priv.h"
#include "core/runtime_priv.h"
#include "core/shard_priv.h"

/* On the stack of the thread that waits. */
struct blocked {
	struct torc_seed seed;
	struct torc_link link;
	pthread_cond_t changed;
	bool is_over;
	int value; /* 0, or why there is no result */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct torc_link all_blocked = { &all_blocked, &all_blocked };

/* Under the lock: without it the thread may be gone before the signal. */
static void
let_go(struct blocked *blocked, int value)
{
	blocked->is_over = true;
	blocked->value = value;
	torc__list_remove(&blocked->link);
	pthread_cond_signal(&blocked->changed);
}

static void
on_end(struct torc_seed *seed)
{
	struct blocked *blocked =
		torc__container_of(seed, struct blocked, seed);

	pthread_mutex_lock(&lock);
	let_go(blocked, seed->_is_refused ? -ENOMEM : 0);
	pthread_mutex_unlock(&lock);
}

void
torc__block_on_give_up(void)
{
	pthread_mutex_lock(&lock);
	while (!torc__list_is_empty(&all_blocked))
		let_go(torc__container_of(
			       all_blocked.next, struct blocked, link),
			-ESHUTDOWN);
	pthread_mutex_unlock(&lock);
}

static int
post(struct blocked *blocked, unsigned shard_index)
{
	int ret = 0;

	if (!torc__gate_enter(TORC__GATE_WORK))
		return -ESHUTDOWN;
	if (shard_index >= torc_shard_count()) {
		ret = -EINVAL;
	} else {
		pthread_mutex_lock(&lock);
		torc__list_push_back(&all_blocked, &blocked->link);
		pthread_mutex_unlock(&lock);
		torc__seed_send_remote(
			torc__runtime_shard(shard_index), &blocked->seed);
	}
	torc__gate_leave(TORC__GATE_WORK);
	return ret;
}

int
torc_block_on(unsigned shard_index, torc_task_fn *fn, void *arg, int *result)
{
	struct blocked blocked = {
		.seed = { ._fn = fn, ._arg = arg, ._on_end = on_end },
		.changed = PTHREAD_COND_INITIALIZER
	};
	int before, ret;

	torc_assert(fn != NULL);
	if (torc_unlikely(torc__blocking_is_simulated))
		torc__panic("torc_block_on() in a simulated job waits for its "
			    "own shard, for ever: there is no thread; see "
			    "blocking.h");
	if (torc__shard != NULL)
		torc__panic("torc_block_on() on a shard stops all of its "
			    "tasks: use torc_call_remote() or call the "
			    "function itself");
	ret = post(&blocked, shard_index);
	if (ret < 0)
		return ret;
	/* What is on this stack is known elsewhere. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	pthread_mutex_lock(&lock);
	while (!blocked.is_over)
		pthread_cond_wait(&blocked.changed, &lock);
	pthread_mutex_unlock(&lock);
	pthread_setcancelstate(before, NULL);
	if (blocked.value == 0 && result != NULL)
		*result = blocked.seed._result;
	return blocked.value;
}
