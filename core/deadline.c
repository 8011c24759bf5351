/* SPDX-License-Identifier: MIT */
/*
 * What bounds a task's awaits, and what keeps bounds and cancels from them.
 */
#include <errno.h>

#include "core/shard_priv.h"

/* Nothing has to wait for a time that has passed, not even for the timer. */
static inline void
arm_deadline(struct torc_task *task, struct torc_shard *shard, uint64_t now_ns)
{
	if (torc_likely(task->deadline_ns > now_ns)) {
		torc__wheel_arm(&shard->wheel, &task->deadline_timer,
			task->deadline_ns);
		return;
	}
	torc__wheel_disarm(&shard->wheel, &task->deadline_timer);
	if (task->interrupt == 0)
		task->interrupt = -ETIMEDOUT;
}

static inline void
begin_deadline(struct torc_task *task, struct torc_shard *shard,
	struct torc_deadline *scope, uint64_t deadline_ns, uint64_t now_ns)
{
	scope->_outer_ns = task->deadline_ns;
	scope->_outer = task->deadline;
	task->deadline = scope;
	if (torc_unlikely(deadline_ns >= task->deadline_ns))
		return;
	task->deadline_ns = deadline_ns;
	arm_deadline(task, shard, now_ns);
}

void
torc_deadline_begin(struct torc_deadline *scope, uint64_t timeout_ns)
{
	struct torc_task *task = torc__task_current("a deadline");
	struct torc_shard *shard = torc__shard;
	/* The turn's clock may be old after a long computation. */
	uint64_t now_ns = torc__ring_now_ns(&shard->ring);
	uint64_t deadline_ns;

	if (__builtin_add_overflow(now_ns, timeout_ns, &deadline_ns))
		deadline_ns = UINT64_MAX;
	begin_deadline(task, shard, scope, deadline_ns, now_ns);
}

void
torc_deadline_begin_at(struct torc_deadline *scope, uint64_t when_ns)
{
	struct torc_task *task = torc__task_current("a deadline");
	struct torc_shard *shard = torc__shard;

	begin_deadline(
		task, shard, scope, when_ns, torc__ring_now_ns(&shard->ring));
}

static __attribute__((noinline)) void
restore_deadline(struct torc_task *task)
{
	arm_deadline(task, torc__shard, torc__shard->now_ns);
}

void
torc_deadline_end(struct torc_deadline *scope)
{
	struct torc_task *task = torc__task_current("a deadline");

	if (torc_unlikely(task->deadline != scope))
		torc__panic("torc_deadline_end: not the innermost scope of "
			    "task %s: scopes end in reverse order",
			torc__task_name(task));
	task->deadline = scope->_outer;
	if (torc_unlikely(scope->_outer_ns == task->deadline_ns))
		return;
	task->deadline_ns = scope->_outer_ns;
	/* An outer deadline that has passed as well counts anew. */
	if (task->interrupt == -ETIMEDOUT)
		task->interrupt = 0;
	if (torc_likely(task->deadline_ns == UINT64_MAX))
		torc__wheel_disarm(&torc__shard->wheel, &task->deadline_timer);
	else
		restore_deadline(task);
}

void
torc_shield_begin(struct torc_shield *scope)
{
	struct torc_task *task = torc__task_current("a shield");

	*scope = (struct torc_shield){
		._outer = task->shield,
		._deadline = task->deadline,
		._deadline_ns = task->deadline_ns,
		._interrupt = task->interrupt,
	};
	task->shield = scope;
	task->interrupt = 0;
	task->deadline = NULL;
	if (torc_likely(task->deadline_ns == UINT64_MAX))
		return;
	task->deadline_ns = UINT64_MAX;
	torc__wheel_disarm(&torc__shard->wheel, &task->deadline_timer);
}

void
torc_shield_end(struct torc_shield *scope)
{
	struct torc_task *task = torc__task_current("a shield");

	if (torc_unlikely(task->shield != scope || task->deadline != NULL))
		torc__panic("torc_shield_end: not the innermost scope of "
			    "task %s: scopes end in reverse order",
			torc__task_name(task));
	task->shield = scope->_outer;
	task->deadline = scope->_deadline;
	task->deadline_ns = scope->_deadline_ns;
	task->interrupt = scope->_interrupt;
	if (task->is_canceled && task->shield == NULL)
		task->interrupt = -ECANCELED;
	if (torc_unlikely(task->deadline_ns != UINT64_MAX))
		restore_deadline(task);
}
