/* SPDX-License-Identifier: MIT */
#include "core/task_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/group_priv.h"
#include "core/resume_priv.h"

/* What it held would belong to the next task that has its stack. */
static __attribute__((cold, noinline, noreturn)) void
ended_with_locks(void)
{
	const struct torc_task *task = torc_self();

	torc__panic("task %s ended holding %zu lock%s, or waiting for %s: "
		    "unlock it in the task that locked it",
		torc__task_name(task), task->locks_count,
		task->locks_count == 1 ? "" : "s",
		task->locks_count == 1 ? "it" : "them");
}

static void
run_task(void *arg)
{
	struct torc_task *task = arg;
	struct torc_shard *shard = torc__shard;

#ifdef TORC__ASAN
	__sanitizer_finish_switch_fiber(
		NULL, &shard->asan_loop_low, &shard->asan_loop_bytes);
#endif
	task->result = task->fn(task->arg);
	if (torc_unlikely(task->locks_count != 0))
		ended_with_locks();
	task->state = TORC_TASK_DONE;
	torc__task_suspend(shard, task);
	torc__panic("task %s ran on after its end", torc__task_name(task));
}

static void
on_deadline(struct torc_timer *timer)
{
	struct torc_task *task =
		torc__container_of(timer, struct torc_task, deadline_timer);

	if (task->interrupt != 0)
		return;
	task->interrupt = -ETIMEDOUT;
	if (task->state == TORC_TASK_WAITING)
		torc_future_cancel(task->awaiting);
}

struct torc_task *
torc__task_new(struct torc_shard *shard, torc_task_fn *fn, void *arg)
{
	void *top = torc__stack_get(&shard->stacks);
	size_t bytes = sizeof(struct torc_task);
	struct torc_task *task;

	if (torc_unlikely(top == NULL))
		return NULL;
	task = (struct torc_task *)(((uintptr_t)top - sizeof(*task)) &
				    ~(uintptr_t)63);
	/* A call: gcc's own way to clear 216 bytes, rep stos, takes 12 ns. */
	__asm__("" : "+r"(bytes));
	memset(task, 0, bytes);
	task->state = TORC_TASK_READY;
	task->fn = fn;
	task->arg = arg;
	task->stack = top;
	task->shard = shard;
	task->deadline_ns = UINT64_MAX;
	task->deadline_timer.fn = on_deadline;
	task->sp = torc__switch_prepare(task, run_task, task);
#ifdef TORC__TSAN
	task->tsan_fiber = __tsan_create_fiber(0);
#endif
	torc__list_push_back(&shard->tasks, &task->link);
	shard->tasks_count++;
	shard->spawned_count++;
	shard->ring.has_worked = true;
	torc__shard_ready(shard, task);
	TORC_PROBE4(torc, task__spawn, shard->index, task, fn, arg);
	if (torc_unlikely(shard->is_ending))
		torc_cancel(task);
	return task;
}

void
torc__task_release(struct torc_shard *shard, struct torc_task *task)
{
	torc_assert(task->state == TORC_TASK_DONE);
	torc__list_remove(&task->link);
#ifdef TORC__TSAN
	__tsan_destroy_fiber(task->tsan_fiber);
#endif
	torc__stack_put(&shard->stacks, task->stack);
}

void
torc__task_finish(struct torc_shard *shard, struct torc_task *task)
{
	TORC_PROBE3(torc, task__exit, shard->index, task, task->result);
	torc__wheel_disarm(&shard->wheel, &task->deadline_timer);
	/* On the list until it is released: its handle may be forgotten. */
	shard->tasks_count--;
	if (task->group != NULL)
		torc__group_left(task->group, task);
	else if (task->is_joinable)
		torc_future_complete(&task->done, 0);
	else
		torc__task_release(shard, task);
}

void
torc__task_misplaced(const struct torc_task *task, const char *call)
{
	if (task->shard == NULL && task->state != TORC_TASK_DONE)
		torc__panic("%s: task %s was abandoned by the end of a runtime",
			call, torc__task_name(task));
	if (task->shard == NULL)
		torc__panic("%s: there is no such task any more", call);
	torc__panic("%s: task %s is of shard %u, and this is %s: a task, its "
		    "handle and its futures stay on their shard",
		call, torc__task_name(task), task->shard->index,
		torc__shard == NULL ? "no shard" : "another");
}

static inline void
check_shard(const struct torc_task *task, const char *call)
{
	if (torc_unlikely(task->shard != torc__shard))
		torc__task_misplaced(task, call);
}

/* A handle is good on its shard, until it was joined or detached. */
static inline void
check_handle(const struct torc_task *task, const char *call)
{
	check_shard(task, call);
	if (torc_unlikely(!task->is_joinable))
		torc__panic("%s: the task was joined or detached already, or "
			    "has no handle",
			call);
}

int
torc_spawn(struct torc_task **task, torc_task_fn *fn, void *arg)
{
	struct torc_shard *shard = torc__shard_current("torc_spawn");
	struct torc_task *made;

	torc_assert(fn != NULL);
	made = torc__task_new(shard, fn, arg);
	if (made == NULL)
		return -ENOMEM;
	if (task != NULL) {
		made->is_joinable = true;
		*task = made;
	}
	return 0;
}

static void
on_done(struct torc_future *done)
{
	torc_future_complete(torc_future_waiter(done), 0);
}

/* The joiner may go before the task does: nobody waits any more. */
static void
leave_join(struct torc_future *future)
{
	struct torc_task *task = torc_future_source(future);

	task->done._wake = NULL;
	torc_future_complete(future, -ECANCELED);
}

void
torc_join_start(struct torc_task *task, struct torc_future *future)
{
	check_handle(task, "torc_join");
	if (torc_unlikely(task == torc__shard->current))
		torc__panic("torc_join: task %s joins itself, which would wait "
			    "for ever",
			torc__task_name(task));
	torc_future_init(future, leave_join, task);
	if (torc_future_is_ready(&task->done))
		torc_future_complete(future, 0);
	else if (torc_unlikely(task->done._wake != NULL))
		torc__panic("torc_join: somebody joins task %s already",
			torc__task_name(task));
	else
		torc_future_then(&task->done, on_done, future);
}

static void
take_result(struct torc_task *task, int *result)
{
	if (result != NULL)
		*result = task->result;
	task->is_joinable = false;
	torc__task_release(torc__shard, task);
}

int
torc_join(struct torc_task *task, int *result)
{
	struct torc_future future;
	int64_t ret;

	torc__task_current("torc_join");
	torc_join_start(task, &future);
	ret = torc_await(&future);
	if (ret < 0)
		return (int)ret;
	take_result(task, result);
	return 0;
}

void
torc_detach(struct torc_task *task)
{
	check_handle(task, "torc_detach");
	if (torc_future_is_ready(&task->done)) {
		take_result(task, NULL);
		return;
	}
	if (torc_unlikely(task->done._wake != NULL))
		torc__panic("torc_detach: somebody joins task %s",
			torc__task_name(task));
	task->is_joinable = false;
}

bool
torc_task_is_done(const struct torc_task *task)
{
	check_shard(task, "torc_task_is_done");
	return task->state == TORC_TASK_DONE;
}

void
torc_cancel(struct torc_task *task)
{
	check_shard(task, "torc_cancel");
	if (task->state == TORC_TASK_DONE)
		return;
	TORC_PROBE2(torc, task__cancel, task->shard->index, task);
	task->is_canceled = true;
	if (task->shield != NULL)
		return;
	task->interrupt = -ECANCELED;
	if (task->state == TORC_TASK_WAITING)
		torc_future_cancel(task->awaiting);
}

void
torc_cancel_join(struct torc_task *task, int *result)
{
	struct torc_future future;

	torc_join_start(task, &future);
	torc_cancel(task);
	torc__await_shielded(&future);
	take_result(task, result);
}

struct torc_task *
torc_self(void)
{
	return torc__shard == NULL ? NULL : torc__shard->current;
}

void
torc_task_name_set(const char *name)
{
	torc__task_current("torc_task_name_set")->name = name;
}

const char *
torc_task_name(const struct torc_task *task)
{
	check_shard(task, "torc_task_name");
	return task->name;
}

const char *
torc__task_name(const struct torc_task *task)
{
	return task->name != NULL ? task->name : "without a name";
}

int
torc_interrupted(void)
{
	return torc__interrupted("torc_interrupted");
}

int
torc_yield(void)
{
	struct torc_task *task = torc__task_current("torc_yield");

	task->state = TORC_TASK_READY;
	torc__shard_ready(torc__shard, task);
	torc__task_suspend(torc__shard, task);
	return torc__interrupted("torc_yield");
}

void
torc__budget_spend(void)
{
	struct torc_task *task = torc__task_current("a call that waits");

	if (torc_likely(--task->budget != 0))
		return;
	task->state = TORC_TASK_READY;
	torc__shard_ready(torc__shard, task);
	torc__task_suspend(torc__shard, task);
}
