/* SPDX-License-Identifier: MIT */
/*
 * One task on every shard: a call to each. The first that cannot start takes
 * the others with it.
 */
#include <errno.h>

#include <torc/alloc/arena.h>
#include <torc/core/remote.h>

#include "core/runtime_priv.h"
#include "core/shard_priv.h"

struct everywhere {
	struct torc_future done;
	unsigned pending;
	unsigned count;
	int first_error;
	bool is_canceled;
	struct torc_call calls[];
};

static void
cancel_calls(struct everywhere *all)
{
	if (all->is_canceled)
		return;
	all->is_canceled = true;
	/* Asks only: each answers by a message. */
	for (unsigned i = 0; i < all->count; i++)
		torc_future_cancel(&all->calls[i].done);
}

static void
cancel_everywhere(struct torc_future *done)
{
	cancel_calls(torc_future_source(done));
}

static void
on_call_done(struct torc_future *done)
{
	struct everywhere *all = torc_future_waiter(done);
	struct torc_call *call =
		torc__container_of(done, struct torc_call, done);
	int error = done->value == -ENOMEM ? -ENOMEM : call->result;

	if (error < 0 && all->first_error == 0)
		all->first_error = error;
	if (done->value == -ENOMEM)
		cancel_calls(all);
	if (--all->pending == 0)
		torc_future_complete(
			&all->done, all->is_canceled ? -ECANCELED : 0);
}

int
torc_run_on_shards(torc_task_fn *fn, void *arg)
{
	int64_t ret = torc__interrupted("torc_run_on_shards");
	struct everywhere *all;
	unsigned count;

	if (ret < 0)
		return (int)ret;
	count = torc_shard_count();
	all = torc_calloc(1, sizeof(*all) + count * sizeof(all->calls[0]));
	if (all == NULL)
		return -ENOMEM;
	all->pending = count;
	all->count = count;
	torc_future_init(&all->done, cancel_everywhere, all);
	for (unsigned i = 0; i < count; i++) {
		torc_call_start(&all->calls[i], i, fn, arg);
		torc_future_then(&all->calls[i].done, on_call_done, all);
	}
	ret = torc_await(&all->done);
	/* Cancelled by a shard without memory, not by an interrupt. */
	if (ret == -ECANCELED && torc_interrupted() == 0)
		ret = 0;
	if (ret == 0)
		ret = all->first_error;
	torc_free(all);
	return (int)ret;
}
