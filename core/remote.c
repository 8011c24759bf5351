/* SPDX-License-Identifier: MIT */
#include "core/remote_priv.h"

#include <errno.h>
#include <stddef.h>

#include <torc/alloc/arena.h>
#include <torc/base/log.h>

#include "core/gate_priv.h"
#include "core/runtime_priv.h"
#include "core/shard_priv.h"

/* A detached one, or NULL: no memory. */
static struct torc_seed *
make_seed(torc_task_fn *fn, void *arg)
{
	struct torc_seed *seed = torc_malloc(sizeof(*seed));

	if (seed != NULL)
		*seed = (struct torc_seed){ ._fn = fn, ._arg = arg };
	return seed;
}

static void
on_task_done(struct torc_future *done)
{
	struct torc_seed *seed = torc_future_waiter(done);
	struct torc_task *task = seed->_task;

	seed->_result = task->result;
	seed->_task = NULL;
	torc__task_release(torc__shard, task);
	seed->_on_end(seed);
}

int
torc__seed_begin(struct torc_seed *seed)
{
	bool is_detached = seed->_on_end == NULL;
	int ret = torc_spawn(
		is_detached ? NULL : &seed->_task, seed->_fn, seed->_arg);

	if (ret < 0)
		return ret;
	if (is_detached)
		torc_free(seed);
	else
		torc_future_then(&seed->_task->done, on_task_done, seed);
	return 0;
}

void
torc__seed_refuse(struct torc_seed *seed)
{
	if (seed->_on_end == NULL) {
		torc_log(TORC_LOG_ERROR,
			"shard %u has no memory for the stack of a task that "
			"was spawned from elsewhere: it never began",
			torc__shard->index);
		torc_free(seed);
		return;
	}
	seed->_is_refused = true;
	seed->_on_end(seed);
}

static void
on_start(struct torc_msg *msg)
{
	struct torc_seed *seed =
		torc__container_of(msg, struct torc_seed, _msg);

	if (torc__seed_begin(seed) < 0)
		torc__seed_refuse(seed);
}

void
torc__seed_send_remote(struct torc_shard *shard, struct torc_seed *seed)
{
	seed->_msg.fn = on_start;
	torc__shard_post_remote(shard, &seed->_msg);
}

int
torc_spawn_remote(unsigned shard_index, torc_task_fn *fn, void *arg)
{
	struct torc_seed *seed;
	int ret = 0;

	torc_assert(fn != NULL);
	if (!torc__gate_enter(TORC__GATE_WORK))
		return -ESHUTDOWN;
	if (shard_index >= torc_shard_count())
		ret = -EINVAL;
	else if ((seed = make_seed(fn, arg)) == NULL)
		ret = -ENOMEM;
	else
		torc__seed_send_remote(torc__runtime_shard(shard_index), seed);
	torc__gate_leave(TORC__GATE_WORK);
	return ret;
}
