/* SPDX-License-Identifier: MIT */
#include "core/remote_priv.h"

#include <errno.h>
#include <stddef.h>

#include <torc/alloc/arena.h>
#include <torc/base/log.h>

#include "core/gate_priv.h"
#include "core/runtime_priv.h"
#include "core/shard_priv.h"

struct torc_seed *
torc__seed_new(torc_task_fn *fn, void *arg)
{
	struct torc_seed *seed = torc_malloc(sizeof(*seed));

	torc_assert(fn != NULL);
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

/* On the caller's shard, for each message that it had sent. */
static void
answered(struct torc_call *call)
{
	int64_t value = 0;

	if (--call->_answers_pending > 0)
		return;
	call->result = call->_seed._result;
	if (call->_seed._is_refused)
		value = -ENOMEM;
	else if (call->_was_running)
		value = -ECANCELED;
	torc_future_complete(&call->done, value);
}

static void
on_ended(struct torc_msg *msg)
{
	answered(torc__container_of(msg, struct torc_call, _seed._msg));
}

static void
on_canceled(struct torc_msg *msg)
{
	answered(torc__container_of(msg, struct torc_call, _cancel));
}

/* On the other shard. */
static void
send_ended(struct torc_seed *seed)
{
	struct torc_call *call =
		torc__container_of(seed, struct torc_call, _seed);

	seed->_msg.fn = on_ended;
	torc__shard_post_remote(call->_origin, &seed->_msg);
}

/* On the other shard, where the start came before. */
static void
on_cancel(struct torc_msg *msg)
{
	struct torc_call *call =
		torc__container_of(msg, struct torc_call, _cancel);

	if (call->_seed._task != NULL) {
		call->_was_running = true;
		torc_cancel(call->_seed._task);
	}
	/* An answer of its own, so that the call outlives this message. */
	msg->fn = on_canceled;
	torc__shard_post_remote(call->_origin, msg);
}

static void
cancel_call(struct torc_future *done)
{
	struct torc_call *call = torc_future_source(done);

	if (call->_is_cancel_sent)
		return;
	call->_is_cancel_sent = true;
	call->_answers_pending++;
	call->_cancel.fn = on_cancel;
	torc__shard_post_remote(call->_shard, &call->_cancel);
}

void
torc_call_start(struct torc_call *call, unsigned shard_index, torc_task_fn *fn,
	void *arg)
{
	torc__task_current("torc_call_start");
	torc_assert(fn != NULL);
	*call = (struct torc_call){
		._seed = { ._fn = fn, ._arg = arg, ._on_end = send_ended },
		._origin = torc__shard,
		._answers_pending = 1,
	};
	torc_future_init(&call->done, cancel_call, call);
	if (shard_index >= torc_shard_count()) {
		torc_future_complete(&call->done, -EINVAL);
		return;
	}
	call->_shard = torc__runtime_shard(shard_index);
	torc__seed_send_remote(call->_shard, &call->_seed);
}

int
torc_call_remote(unsigned shard_index, torc_task_fn *fn, void *arg, int *result)
{
	struct torc_call call;
	int ret = torc__interrupted("torc_call_remote");

	if (ret < 0)
		return ret;
	torc_call_start(&call, shard_index, fn, arg);
	ret = (int)torc_await(&call.done);
	if (result != NULL)
		*result = call.result;
	return ret;
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
	else if ((seed = torc__seed_new(fn, arg)) == NULL)
		ret = -ENOMEM;
	else
		torc__seed_send_remote(torc__runtime_shard(shard_index), seed);
	torc__gate_leave(TORC__GATE_WORK);
	return ret;
}
