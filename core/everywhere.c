/* SPDX-License-Identifier: MIT */
/*
 * One task on every shard: a message to each starts it, a message back says
 * that it ended. A cancel is a third one, answered by a fourth, so that the
 * memory they live in lasts until the last of them was read.
 */
#include <errno.h>

#include <torc/alloc/arena.h>

#include "core/runtime_priv.h"
#include "core/shard_priv.h"

struct call;

/* The part of a call that concerns one shard. */
struct leg {
	struct call *call;
	struct torc_shard *shard;
	struct torc_task *task; /* the shard's own; NULL when it is gone */
	int result;
	bool is_unstarted; /* for want of memory */
	struct torc_msg start, ended, cancel, canceled;
};

struct call {
	torc_task_fn *fn;
	void *arg;
	struct torc_shard *origin;
	struct torc_future done;
	unsigned pending; /* answers */
	int first_error;
	bool is_canceled;
	unsigned legs_count;
	struct leg legs[];
};

static void
answered(struct call *call)
{
	if (--call->pending == 0)
		torc_future_complete(
			&call->done, call->is_canceled ? -ECANCELED : 0);
}

/* On the leg's shard. */
static void
on_cancel(struct torc_msg *msg)
{
	struct leg *leg = torc__container_of(msg, struct leg, cancel);

	if (leg->task != NULL)
		torc_cancel(leg->task);
	torc__shard_post_remote(leg->call->origin, &leg->canceled);
}

/* On the call's shard. */
static void
on_canceled(struct torc_msg *msg)
{
	answered(torc__container_of(msg, struct leg, canceled)->call);
}

static void
cancel_legs(struct call *call)
{
	if (call->is_canceled)
		return;
	call->is_canceled = true;
	for (unsigned i = 0; i < call->legs_count; i++) {
		struct leg *leg = &call->legs[i];

		call->pending++;
		torc__shard_post_remote(leg->shard, &leg->cancel);
	}
}

static void
cancel_call(struct torc_future *done)
{
	cancel_legs(torc_future_source(done));
}

static void
on_ended(struct torc_msg *msg)
{
	struct leg *leg = torc__container_of(msg, struct leg, ended);
	struct call *call = leg->call;

	if (leg->result < 0 && call->first_error == 0)
		call->first_error = leg->result;
	if (leg->is_unstarted)
		cancel_legs(call);
	answered(call);
}

static void
on_task_done(struct torc_future *done)
{
	struct leg *leg = torc_future_waiter(done);
	struct torc_task *task = leg->task;

	leg->result = task->result;
	leg->task = NULL;
	torc__task_release(torc__shard, task);
	torc__shard_post_remote(leg->call->origin, &leg->ended);
}

static void
on_start(struct torc_msg *msg)
{
	struct leg *leg = torc__container_of(msg, struct leg, start);

	leg->result = torc_spawn(&leg->task, leg->call->fn, leg->call->arg);
	if (leg->result < 0) {
		leg->task = NULL;
		leg->is_unstarted = true;
		torc__shard_post_remote(leg->call->origin, &leg->ended);
		return;
	}
	torc_future_then(&leg->task->done, on_task_done, leg);
}

int
torc_run_on_shards(torc_task_fn *fn, void *arg)
{
	unsigned count = torc_shard_count();
	struct call *call =
		torc_calloc(1, sizeof(*call) + count * sizeof(struct leg));
	int64_t ret;

	if (call == NULL)
		return -ENOMEM;
	call->fn = fn;
	call->arg = arg;
	call->origin = torc__shard;
	call->pending = count;
	call->legs_count = count;
	torc_future_init(&call->done, cancel_call, call);
	for (unsigned i = 0; i < count; i++) {
		struct leg *leg = &call->legs[i];

		*leg = (struct leg){ .call = call,
			.shard = torc__runtime_shard(i),
			.start = { .fn = on_start },
			.ended = { .fn = on_ended },
			.cancel = { .fn = on_cancel },
			.canceled = { .fn = on_canceled } };
		torc__shard_post_remote(leg->shard, &leg->start);
	}
	ret = torc_await(&call->done);
	/* Cancelled by a shard without memory, not by an interrupt. */
	if (ret == -ECANCELED && torc_interrupted() == 0)
		ret = 0;
	if (ret == 0)
		ret = call->first_error;
	torc_free(call);
	return (int)ret;
}
