/* SPDX-License-Identifier: MIT */
/*
 * One task on every shard: a call to each. The first that fails, or cannot
 * start, takes the others with it.
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
	int first_error; /* before the caller's interrupt, if that came */
	bool is_interrupted;
	struct torc_call calls[];
};

/* Asks only: each answers by a message. Whom it asked before it does not. */
static void
cancel_calls(struct everywhere *all)
{
	for (unsigned i = 0; i < all->count; i++)
		torc_future_cancel(&all->calls[i].done);
}

static void
cancel_everywhere(struct torc_future *done)
{
	struct everywhere *all = torc_future_source(done);

	all->is_interrupted = true;
	cancel_calls(all);
}

static void
note_error(struct everywhere *all, int error)
{
	if (all->first_error != 0 || all->is_interrupted)
		return;
	all->first_error = error;
	cancel_calls(all);
}

static int
result_of(const struct everywhere *all)
{
	if (all->first_error == 0 && all->is_interrupted)
		return -ECANCELED;
	return all->first_error;
}

static void
on_call_done(struct torc_future *done)
{
	struct everywhere *all = torc_future_waiter(done);
	struct torc_call *call =
		torc__container_of(done, struct torc_call, done);
	int error = done->value == -ENOMEM ? -ENOMEM : call->result;

	if (error < 0)
		note_error(all, error);
	if (--all->pending == 0)
		torc_future_complete(&all->done, result_of(all));
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
	torc_free(all);
	return (int)ret;
}
