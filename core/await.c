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

	torc_check(task->state == TORC_TASK_WAITING);
	task->state = TORC_TASK_READY;
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
	torc_assert(future->_wake == NULL);
	future->_waiter = task;
	future->_wake = wake_task;
	task->awaiting = future;
	task->state = TORC_TASK_WAITING;
	/* May complete it, and with that wake the task, before it sleeps. */
	if (torc_unlikely(task->interrupt != 0) && !task->is_shielded)
		torc_future_cancel(future);
	torc__task_suspend(torc__shard, task);
	task->awaiting = NULL;
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
	if (torc_unlikely(future->value == -ECANCELED) &&
		task->interrupt != 0 && !task->is_shielded)
		return task->interrupt;
	return future->value;
}

void
torc_shield_begin(struct torc_shield *scope)
{
	struct torc_task *task = torc__task_current("a shield");

	scope->_outer = task->is_shielded;
	task->is_shielded = true;
}

void
torc_shield_end(struct torc_shield *scope)
{
	torc__task_current("a shield")->is_shielded = scope->_outer;
}

int64_t
torc__await_shielded(struct torc_future *future)
{
	struct torc_shield shield;

	torc_shield_begin(&shield);
	if (!torc_future_is_ready(future))
		wait_for(torc__task_current("an await"), future);
	torc_shield_end(&shield);
	return future->value;
}

/* Several futures that one task waits for. */
struct several {
	struct torc_future *const *futures;
	unsigned count;
	unsigned pending;
	int first;        /* index, or -1 */
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
one_ready(struct torc_future *future)
{
	struct several *s = torc_future_waiter(future);
	bool was_cancel = s->is_canceled && future->value == -ECANCELED;

	s->pending--;
	if (s->first < 0) {
		s->first = (int)future->_index;
		torc_future_complete(&s->any, was_cancel ? -ECANCELED : 0);
	}
	if (s->pending == 0)
		torc_future_complete(&s->all, s->is_canceled ? -ECANCELED : 0);
}

static void
watch_several(
	struct several *s, struct torc_future *const futures[], unsigned count)
{
	torc_assert(count > 0);
	*s = (struct several){ .futures = futures,
		.count = count,
		.pending = count,
		.first = -1 };
	torc_future_init(&s->any, cancel_several, s);
	torc_future_init(&s->all, cancel_several, s);
	for (unsigned i = 0; i < count; i++) {
		futures[i]->_index = i;
		futures[i]->_wake = NULL;
		torc_future_then(futures[i], one_ready, s);
	}
}

int
torc_select(struct torc_future *const futures[], unsigned count)
{
	struct several s;
	int64_t ret;

	watch_several(&s, futures, count);
	ret = torc_await(&s.any);
	cancel_rest(&s);
	torc__await_shielded(&s.all);
	return ret < 0 ? (int)ret : s.first;
}

int
torc_wait_all(struct torc_future *const futures[], unsigned count)
{
	struct several s;

	watch_several(&s, futures, count);
	return (int)torc_await(&s.all);
}

static void
arm_deadline(struct torc_task *task)
{
	if (task->deadline_ns == UINT64_MAX)
		torc__wheel_disarm(&torc__shard->wheel, &task->deadline_timer);
	else
		torc__wheel_arm(&torc__shard->wheel, &task->deadline_timer,
			task->deadline_ns);
}

void
torc_deadline_begin(struct torc_deadline *scope, uint64_t timeout_ns)
{
	struct torc_task *task = torc__task_current("a deadline");
	uint64_t deadline_ns;

	/* The turn's clock may be old after a long computation. */
	if (__builtin_add_overflow(torc__ring_now_ns(&torc__shard->ring),
		    timeout_ns, &deadline_ns))
		deadline_ns = UINT64_MAX;
	scope->_outer_ns = task->deadline_ns;
	if (deadline_ns >= task->deadline_ns)
		return;
	task->deadline_ns = deadline_ns;
	arm_deadline(task);
}

void
torc_deadline_end(struct torc_deadline *scope)
{
	struct torc_task *task = torc__task_current("a deadline");

	torc_check(scope->_outer_ns >= task->deadline_ns);
	if (scope->_outer_ns == task->deadline_ns)
		return;
	task->deadline_ns = scope->_outer_ns;
	/* An outer deadline that has passed as well fires anew. */
	if (task->interrupt == -ETIMEDOUT)
		task->interrupt = 0;
	arm_deadline(task);
}
