/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_TASK_H
#define TORC_CORE_TASK_H

/*
 * task - straight-line C that waits without blocking its thread
 *
 * A task has a stack of its own. It runs until it awaits something that is
 * not there yet, and goes on when it is: directly from the completion that
 * brings it, with no queue in between. Between two awaits nothing else runs
 * on the shard.
 *
 *   READY --loop--> RUNNING --await--> WAITING --completion--> RUNNING
 *                     |  \--yield--> READY                       |
 *                     +--return--> DONE --join--> gone
 *
 * Cancel    torc_cancel() makes the task's current await, and every later
 *           one, end with -ECANCELED. The task runs its own clean-up and
 *           returns: no stack is ever abandoned. Calls that give something
 *           back (torc_close and its kin) never wait and so always work.
 * Deadline  Bounds every await between begin and end, however deep, with
 *           -ETIMEDOUT. An inner scope can only shorten an outer one.
 * Lifetime  A handle lives until it was joined. A task that nobody wants to
 *           join is spawned with a NULL handle and gone when it returns.
 * Shard     A task runs on the shard that spawned it, for all its life.
 *           Calls that wait must come from a task: asserted.
 * Errors    -ENOMEM where a stack is needed; -ECANCELED and -ETIMEDOUT from
 *           everything that waits.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <torc/core/future.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_task;

/* What a task runs; its result is for whoever joins it. */
typedef int torc_task_fn(void *arg);

/*
 * Start fn(arg) as a task. It runs once the caller awaits or returns.
 *
 * `task` receives a handle, which must be joined; NULL detaches the task.
 * Returns  0, or -ENOMEM: nothing was started.
 * Cost     under 100 ns with its join, no system call, a stack from the pool.
 */
int torc_spawn(struct torc_task **task, torc_task_fn *fn, void *arg)
	__attribute__((warn_unused_result));

/*
 * Wait until the task has returned, and release it. `result`, unless NULL,
 * receives what its function returned.
 *
 * Returns  0; -ECANCELED or -ETIMEDOUT when the caller was interrupted: the
 *          task runs on and must still be joined.
 */
int torc_join(struct torc_task *task, int *result)
	__attribute__((warn_unused_result));

/*
 * Start only: `future` becomes ready with 0 when the task is done. One at a
 * time. A torc_join() that returns 0 is still due afterwards.
 */
void torc_join_start(struct torc_task *task, struct torc_future *future);

/* Ask the task to end; see Cancel above. A task that is done is left alone. */
void torc_cancel(struct torc_task *task);

/* Cancel and wait for the end, even when the caller is itself cancelled. */
void torc_cancel_join(struct torc_task *task, int *result);

/* The running task, or NULL in a function that the loop called. */
struct torc_task *torc_self(void);

/* A name for logs and dumps; kept, not copied. */
void torc_task_name_set(const char *name);

/* Let every other ready task run first. 0, or -ECANCELED, -ETIMEDOUT. */
int torc_yield(void);

/* 0, or the -ECANCELED or -ETIMEDOUT that the next await would return. */
int torc_interrupted(void);

/*
 * Wait for a future. Returns its value.
 *
 * When the task is cancelled or its deadline passes, the future is
 * cancelled, awaited all the same, and -ECANCELED becomes the reason,
 * -ECANCELED or -ETIMEDOUT. A result that came first is returned as it is.
 * Cost     a task switch pair, under 10 ns; none when the value is there.
 */
int64_t torc_await(struct torc_future *future);

/*
 * Wait until at least one of `count` futures is ready. The others are
 * cancelled, and *finished*, before this returns: afterwards all are ready
 * and none is lost, a late success stands in its value.
 *
 * Returns  the index of the first that became ready; -ECANCELED or
 *          -ETIMEDOUT when the task was interrupted before that.
 */
int torc_select(struct torc_future *const futures[], unsigned count);

/* Wait for all. 0, or -ECANCELED, -ETIMEDOUT once all are ready. */
int torc_wait_all(struct torc_future *const futures[], unsigned count);

/*
 * Between begin and end no cancel and no deadline reaches the task's awaits:
 * for clean-up that has to wait. What came meanwhile counts again after the
 * end. Scopes may nest.
 */
struct torc_shield {
	/* Runtime only. */
	bool _outer;
};

void torc_shield_begin(struct torc_shield *scope);
void torc_shield_end(struct torc_shield *scope);

/* One deadline scope; lives on the stack of the task that begins it. */
struct torc_deadline {
	/* Runtime only. */
	uint64_t _outer_ns;
};

/* Every await from here to the end returns -ETIMEDOUT after `timeout_ns`. */
void torc_deadline_begin(struct torc_deadline *scope, uint64_t timeout_ns);

/* Back to the outer scope, if there is one. Scopes end in reverse order. */
void torc_deadline_end(struct torc_deadline *scope);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_TASK_H */
