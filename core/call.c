/* SPDX-License-Identifier: MIT */
/*
 * A call: a seed that its caller waits for. It goes to the shard that is
 * named, or onto a shelf; a cancel looks for it on the shelves first, and
 * only then sends a message after it.
 */
#include <errno.h>

#include "core/place_priv.h"
#include "core/remote_priv.h"
#include "core/runtime_priv.h"
#include "core/shard_priv.h"

/* On the caller's shard, for each message that comes back. */
static void
answered(struct torc_call *call)
{
	struct torc_seed *seed = &call->_placed._seed;
	int64_t value = 0;

	if (--call->_answers_pending > 0)
		return;
	call->result = seed->_result;
	if (seed->_is_refused)
		value = -ENOMEM;
	else if (call->_was_running)
		value = -ECANCELED;
	torc_future_complete(&call->done, value);
}

static void
on_ended(struct torc_msg *msg)
{
	answered(torc__container_of(msg, struct torc_call, _placed._seed._msg));
}

static void
on_canceled(struct torc_msg *msg)
{
	answered(torc__container_of(msg, struct torc_call, _cancel));
}

/* On the shard where it began. */
static void
send_ended(struct torc_seed *seed)
{
	struct torc_call *call =
		torc__container_of(seed, struct torc_call, _placed._seed);

	seed->_msg.fn = on_ended;
	torc__shard_post_remote(call->_origin, &seed->_msg);
}

/* There, too, where it began before this message came. */
static void
on_cancel(struct torc_msg *msg)
{
	struct torc_call *call =
		torc__container_of(msg, struct torc_call, _cancel);
	struct torc_task *task = call->_placed._seed._task;

	if (task != NULL) {
		call->_was_running = true;
		torc_cancel(task);
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
	if (torc__place_take_back(&call->_placed)) {
		torc_future_complete(done, -ECANCELED);
		return;
	}
	call->_answers_pending++;
	call->_cancel.fn = on_cancel;
	torc__shard_post_remote(call->_placed._shard, &call->_cancel);
}

static void
init_call(struct torc_call *call, torc_task_fn *fn, void *arg)
{
	torc_assert(fn != NULL);
	*call = (struct torc_call){
		._placed._seed = { ._fn = fn,
			._arg = arg,
			._on_end = send_ended },
		._origin = torc__shard,
		._answers_pending = 1,
	};
	torc_future_init(&call->done, cancel_call, call);
}

/* 0, or the interrupt: then it never begins. */
static int
begin_call(const char *name, int *result)
{
	if (result != NULL)
		*result = 0;
	return torc__interrupted(name);
}

static int
wait_for(struct torc_call *call, int *result)
{
	int ret = (int)torc_await(&call->done);

	if (result != NULL)
		*result = call->result;
	return ret;
}

void
torc_call_start(struct torc_call *call, unsigned shard_index, torc_task_fn *fn,
	void *arg)
{
	torc__task_current("torc_call_start");
	init_call(call, fn, arg);
	if (shard_index >= torc_shard_count()) {
		torc_future_complete(&call->done, -EINVAL);
		return;
	}
	call->_placed._shard = torc__runtime_shard(shard_index);
	torc__seed_send_remote(call->_placed._shard, &call->_placed._seed);
}

int
torc_call_remote(unsigned shard_index, torc_task_fn *fn, void *arg, int *result)
{
	struct torc_call call;
	int ret = begin_call("torc_call_remote", result);

	if (ret < 0)
		return ret;
	torc_call_start(&call, shard_index, fn, arg);
	return wait_for(&call, result);
}

void
torc_call_any_start(struct torc_call *call, torc_task_fn *fn, void *arg)
{
	torc__task_current("torc_call_any_start");
	init_call(call, fn, arg);
	torc__place_put(&call->_placed);
}

int
torc_call_any(torc_task_fn *fn, void *arg, int *result)
{
	struct torc_call call;
	int ret = begin_call("torc_call_any", result);

	if (ret < 0)
		return ret;
	torc_call_any_start(&call, fn, arg);
	return wait_for(&call, result);
}
