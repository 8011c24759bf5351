/* SPDX-License-Identifier: MIT */
/*
 * What a task does with futures: await one, the first of several, or all.
 */
#include <errno.h>

#include "core/resume_priv.h"

static void
wake_task(struct torc_future *future)
{
	struct torc_task *task = torc_future_waiter(future);
	struct torc_shard *shard = torc__shard;

	if (torc_unlikely(task->shard != shard))
		torc__task_misplaced(task, "torc_future_complete");
	torc_check(task->state == TORC_TASK_WAITING);
	task->state = TORC_TASK_READY;
	shard->ring.has_worked = true;
	/*
	 * From the loop, the first task that a CQE wakes runs as soon as
	 * the CQE's handler is done. All others wait for their turn.
	 */
	if (shard->current == NULL && shard->resume == NULL)
		shard->resume = task;
	else
		torc__shard_ready(shard, task);
}

static inline void
wait_for(struct torc_task *task, struct torc_future *future)
{
	if (torc_unlikely(future->_wake != NULL))
		torc__panic("task %s awaits a future for which somebody else "
			    "waits",
			torc__task_name(task));
	future->_waiter = task;
	future->_wake = wake_task;
	task->awaiting = future;
	task->state = TORC_TASK_WAITING;
	/* Interrupted already: it hurries, and may wake the task at once. */
	if (torc_unlikely(task->interrupt != 0))
		torc_future_cancel(future);
	torc__task_suspend(torc__shard, task);
}

int64_t
torc_await(struct torc_future *future)
{
	struct torc_task *task = torc__task_current("an await");

	if (torc_future_is_ready(future)) {
		torc__budget_spend();
		return future->value;
	}
	wait_for(task, future);
	if (torc_unlikely(future->value == -ECANCELED) && task->interrupt != 0)
		return task->interrupt;
	return future->value;
}

int64_t
torc__await_shielded(struct torc_future *future)
{
	struct torc_shield shield;

	if (torc_future_is_ready(future))
		return future->value;
	torc_shield_begin(&shield);
	wait_for(torc__task_current("an await"), future);
	torc_shield_end(&shield);
	return future->value;
}

int64_t
torc_await_timeout(struct torc_future *future, uint64_t timeout_ns)
{
	struct torc_deadline scope;
	int64_t value;

	torc_deadline_begin(&scope, timeout_ns);
	value = torc_await(future);
	torc_deadline_end(&scope);
	return value;
}

/* Several futures that one task waits for. */
struct several {
	struct torc_future *const *futures;
	unsigned count;
	unsigned pending;
	int first;        /* index, or -1 */
	int64_t failure;  /* the first value below 0 */
	bool stops_early; /* a failure cancels the rest */
	bool is_canceled; /* by an interrupt of the task */
	struct torc_future any;
	struct torc_future all;
};

static void
cancel_rest(struct several *s)
{
	for (unsigned i = 0; i < s->count; i++)
		torc_future_cancel(s->futures[i]);
}

static void
cancel_several(struct torc_future *future)
{
	struct several *s = torc_future_source(future);

	s->is_canceled = true;
	cancel_rest(s);
}

static void
unwatch(struct several *s)
{
	for (unsigned i = 0; i < s->count; i++)
		s->futures[i]->_wake = NULL;
}

/* Nobody asks the futures to hurry: only the wait for them ends. */
static void
cancel_any(struct torc_future *any)
{
	unwatch(torc_future_source(any));
	torc_future_complete(any, -ECANCELED);
}

static void
one_ready(struct torc_future *future)
{
	struct several *s = torc_future_waiter(future);
	bool was_cancel = s->is_canceled && future->value == -ECANCELED;
	/* A cancel of the rest comes back here before it returns. */
	bool is_last = --s->pending == 0;

	if (s->first < 0) {
		s->first = (int)future->_index;
		torc_future_complete(&s->any, was_cancel ? -ECANCELED : 0);
	}
	if (future->value < 0 && !s->is_canceled && s->failure == 0) {
		s->failure = future->value;
		if (s->stops_early)
			cancel_rest(s);
	}
	if (is_last)
		torc_future_complete(&s->all, s->is_canceled ? -ECANCELED : 0);
}

static void
begin_several(struct several *s, struct torc_future *const futures[],
	unsigned count, torc_future_fn *cancel)
{
	s->futures = futures;
	s->count = count;
	s->pending = count;
	s->first = -1;
	s->failure = 0;
	s->stops_early = false;
	s->is_canceled = false;
	torc_future_init(&s->any, cancel, s);
	torc_future_init(&s->all, cancel, s);
}

static void
watch_several(struct several *s, const char *call)
{
	for (unsigned i = 0; i < s->count; i++) {
		struct torc_future *future = s->futures[i];

		bool is_ready = torc_future_is_ready(future);

		if (torc_unlikely(future->_wake != NULL) && !is_ready)
			torc__panic("%s: future %u is in the array twice, or "
				    "somebody else waits for it",
				call, i);
		future->_index = i;
		future->_waiter = s;
		future->_wake = one_ready;
		if (is_ready)
			one_ready(future);
	}
}

static void
check_some(unsigned count, const char *call)
{
	if (torc_unlikely(count == 0))
		torc__panic("%s: the first of no futures never comes", call);
}

int
torc_select(struct torc_future *const futures[], unsigned count)
{
	struct several s;
	int64_t ret;

	check_some(count, "torc_select");
	begin_several(&s, futures, count, cancel_several);
	watch_several(&s, "torc_select");
	ret = torc_await(&s.any);
	cancel_rest(&s);
	torc__await_shielded(&s.all);
	return ret < 0 ? (int)ret : s.first;
}

int
torc_select_keep(struct torc_future *const futures[], unsigned count)
{
	struct several s;
	int64_t ret;

	check_some(count, "torc_select_keep");
	begin_several(&s, futures, count, cancel_any);
	watch_several(&s, "torc_select_keep");
	ret = torc_await(&s.any);
	unwatch(&s);
	return ret < 0 ? (int)ret : s.first;
}

int
torc_wait_all(struct torc_future *const futures[], unsigned count)
{
	struct several s;

	begin_several(&s, futures, count, cancel_several);
	if (count == 0)
		torc_future_complete(&s.all, 0);
	watch_several(&s, "torc_wait_all");
	return (int)torc_await(&s.all);
}

int
torc_try_all(struct torc_future *const futures[], unsigned count)
{
	struct several s;
	int64_t ret;

	begin_several(&s, futures, count, cancel_several);
	s.stops_early = true;
	if (count == 0)
		torc_future_complete(&s.all, 0);
	watch_several(&s, "torc_try_all");
	ret = torc_await(&s.all);
	return (int)(s.failure < 0 ? s.failure : ret);
}
