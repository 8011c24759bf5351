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
 *           returns: no stack is abandoned but by the runtime's end, see
 *           runtime.h. Calls that give something back (torc_close and its
 *           kin) never wait and so always work.
 * Deadline  Bounds every await between begin and end, however deep, with
 *           -ETIMEDOUT. An inner scope can only shorten an outer one, unless
 *           there is a shield between them.
 * Lifetime  A handle lives until it was joined or detached. A task that
 *           nobody wants to join is spawned with a NULL handle and gone when
 *           it returns.
 * Shard     A task runs on the shard that spawned it, for all its life, and
 *           its handle is for tasks of that shard.
 * Errors    -ENOMEM where a stack is needed; -ECANCELED and -ETIMEDOUT from
 *           everything that waits. A mistake ends the process with a line
 *           that names it: waiting outside a task, joining oneself, joining
 *           twice (until the memory has a new owner), the handle of another
 *           shard; a future of another shard when its value arrives.
 * Fairness  A call that finds its value ready spends one of 128 units that
 *           the task has each time it is resumed; the last one yields. So a
 *           ready task waits for at most 128 such calls of each task that is
 *           ahead of it; see core/README.md.
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

/* Give the handle up: the task runs on, and is gone when it returns. */
void torc_detach(struct torc_task *task);

/* Its function has returned: a join would not wait. Cost: three loads. */
bool torc_task_is_done(const struct torc_task *task);

/* The running task, or NULL in a function that the loop called. */
struct torc_task *torc_self(void);

/* A name for logs and dumps; kept, not copied. */
void torc_task_name_set(const char *name);

/* What it was named, or NULL. */
const char *torc_task_name(const struct torc_task *task);

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
 * The same within a deadline of its own: -ETIMEDOUT when `timeout_ns` pass
 * first, and then the future was cancelled and has finished. A value that
 * is there is returned, whatever the timeout.
 */
int64_t torc_await_timeout(struct torc_future *future, uint64_t timeout_ns);

/*
 * Wait until at least one of `count` futures, one or more, is ready. The
 * others are cancelled, and *finished*, before this returns: afterwards all
 * are ready and none is lost, a late success stands in its value.
 *
 * Each may be in the array once, and nobody else may wait for it: asserted,
 * here and in the three calls below.
 *
 * Returns  the index of the first that became ready, the lowest of those
 *          that are ready already; -ECANCELED or -ETIMEDOUT when the task
 *          was interrupted before that.
 * Cost     a few loads and stores per future.
 */
int torc_select(struct torc_future *const futures[], unsigned count);

/*
 * The same, but the others stay as they are: pending, and nobody's. They may
 * be awaited, selected on again or cancelled; until each is ready its memory
 * is the producer's. So it is when the task was interrupted: none was
 * cancelled.
 */
int torc_select_keep(struct torc_future *const futures[], unsigned count);

/*
 * Wait for all; none is all. 0, or -ECANCELED, -ETIMEDOUT once all are
 * ready.
 */
int torc_wait_all(struct torc_future *const futures[], unsigned count);

/*
 * The same until one fails: the first value below 0 cancels the others. All
 * are ready when this returns.
 *
 * Returns  0; the first value below 0; -ECANCELED or -ETIMEDOUT when the
 *          task was interrupted before there was one.
 */
int torc_try_all(struct torc_future *const futures[], unsigned count);

/*
 * Between begin and end no cancel and no deadline from outside reaches the
 * task's awaits: for clean-up that has to wait. A deadline that begins in it
 * counts, as clean-up that talks to somebody needs one. What came meanwhile
 * counts again after the end. Shields and deadlines nest, and end in reverse
 * order: asserted.
 *
 * Cost  a few stores; under a deadline its timer is set anew at the end.
 */
struct torc_shield {
	/* Runtime only. */
	uint64_t _deadline_ns;
	struct torc_deadline *_deadline;
	struct torc_shield *_outer;
	int _interrupt;
};

void torc_shield_begin(struct torc_shield *scope);
void torc_shield_end(struct torc_shield *scope);

/* One deadline scope; lives on the stack of the task that begins it. */
struct torc_deadline {
	/* Runtime only. */
	uint64_t _outer_ns;
	struct torc_deadline *_outer;
};

/* Every await from here to the end returns -ETIMEDOUT after `timeout_ns`. */
void torc_deadline_begin(struct torc_deadline *scope, uint64_t timeout_ns);

/*
 * The same from a point in time on, as torc_now_ns() tells it. One that has
 * passed interrupts the task at once, and so does a timeout of 0: what would
 * have to wait does not begin.
 */
void torc_deadline_begin_at(struct torc_deadline *scope, uint64_t when_ns);

/*
 * Back to the outer scope, if there is one; when that one's time has passed
 * meanwhile, the task is interrupted again. Scopes end in reverse order:
 * asserted.
 */
void torc_deadline_end(struct torc_deadline *scope);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_TASK_H */
