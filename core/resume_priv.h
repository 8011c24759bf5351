/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_RESUME_PRIV_H
#define TORC_CORE_RESUME_PRIV_H

/*
 * resume - from the loop into a task, and back
 *
 *   loop   torc__task_resume  ----->  task goes on, or begins
 *   task   torc__task_suspend ----->  loop, behind its resume
 *
 * Both are inline because of how a CPU predicts returns: it keeps a stack of
 * the addresses that calls have pushed. Were the switch a call, or resume a
 * function, each of the task's returns after it would pop what the loop had
 * pushed, and miss: 15 ns each, measured. So between two switches the loop
 * returns from nothing that it had not called since.
 */

#include <torc/base/probe.h>

#include "core/shard_priv.h"
#include "core/switch_priv.h"

#ifdef TORC__ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef TORC__TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* On the loop's stack, once the task's function has returned. */
void torc__task_finish(struct torc_shard *shard, struct torc_task *task);

/*
 * Give the thread to `task`; returns when it waits, yields or is done. A
 * sanitizer is told before and after each switch, because it keeps a shadow
 * of the stack (address) or of the thread's clock (thread).
 *
 * Cost  With the suspend that answers it, under 10 ns.
 */
static inline __attribute__((always_inline)) void
torc__task_resume(struct torc_shard *shard, struct torc_task *task)
{
#ifdef TORC__ASAN
	void *fake_stack, *low;
	size_t bytes;
#endif
	torc_check(task->state == TORC_TASK_READY);

	task->state = TORC_TASK_RUNNING;
	task->budget = TORC__TASK_BUDGET;
	shard->current = task;
	TORC_PROBE4(
		torc, task__resume, shard->index, task, task->name, task->fn);
#ifdef TORC__ASAN
	torc__stack_bounds(&shard->stacks, task->stack, &low, &bytes);
	__sanitizer_start_switch_fiber(&fake_stack, low, bytes);
#endif
#ifdef TORC__TSAN
	__tsan_switch_to_fiber(task->tsan_fiber, 0);
#endif
	torc__switch_inline(&shard->loop_sp, task->sp);
#ifdef TORC__ASAN
	__sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
#endif
	TORC_PROBE4(
		torc, task__pause, shard->index, task, task->name, task->fn);
	shard->current = NULL;
	if (torc_unlikely(task->state == TORC_TASK_DONE))
		torc__task_finish(shard, task);
}

/* Park the running task until somebody wakes it. */
static inline __attribute__((always_inline)) void
torc__task_suspend(struct torc_shard *shard, struct torc_task *task)
{
#ifdef TORC__ASAN
	/* NULL: this stack is not coming back. */
	__sanitizer_start_switch_fiber(
		task->state == TORC_TASK_DONE ? NULL : &task->asan_stack,
		shard->asan_loop_low, shard->asan_loop_bytes);
#endif
#ifdef TORC__TSAN
	__tsan_switch_to_fiber(shard->tsan_loop, 0);
#endif
	torc__switch_inline(&task->sp, shard->loop_sp);
#ifdef TORC__ASAN
	__sanitizer_finish_switch_fiber(task->asan_stack, NULL, NULL);
#endif
}

#endif /* TORC_CORE_RESUME_PRIV_H */
