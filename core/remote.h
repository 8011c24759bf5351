/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_REMOTE_H
#define TORC_CORE_REMOTE_H

/*
 * remote - have a function run as a task on another shard
 *
 *   caller's shard                        the other shard
 *   torc_call_start  ------ start ----->  task begins, runs,
 *   done is ready   <------ ended ------  returns
 *
 * torc_call_remote() is a function call that happens elsewhere;
 * torc_spawn_remote() starts something and forgets it; torc_block_on() is the
 * door for threads that torc did not make.
 *
 * Cancel    A cancelled call cancels its task and waits for the task's end:
 *           what `arg` points to may be on the caller's stack.
 * Lifetime  `arg` and a struct torc_call last until the call is done, `arg`
 *           of torc_spawn_remote() as long as its task needs it. A call whose
 *           future has a function for a waiter may outlive the task that
 *           started it: when the runtime ends, its answer may never come.
 * Shard     torc_call_*: a task of any shard, for itself as well.
 *           torc_spawn_remote(): any shard or thread. torc_block_on(): any
 *           thread that is no shard.
 * Errors    -EINVAL: there is no such shard; -ENOMEM: the task could not
 *           start; -ECANCELED and -ETIMEDOUT; -ESHUTDOWN where it is said.
 */

#include <stdbool.h>
#include <stdint.h>

#include <torc/base/list.h>
#include <torc/core/future.h>
#include <torc/core/message.h>
#include <torc/core/task.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_shard;
struct torc_shelf;

/* A task that has not begun, on its way to where it will. */
struct torc_seed {
	/* Runtime only. */
	struct torc_msg _msg;
	torc_task_fn *_fn;
	void *_arg;
	void (*_on_end)(struct torc_seed *seed);
	struct torc_task *_task; /* the other shard's own; NULL: none */
	int _result;
	bool _is_refused; /* for want of memory */
};

/* One on a shelf (place.h), or on its way from it. */
struct torc_placed {
	/* Runtime only. */
	struct torc_seed _seed;
	struct torc_link _link;
	struct torc_shelf *_shelf; /* NULL: it begins on _shard, or has */
	struct torc_shard *_shard;
};

struct torc_call {
	/*
	 * value: 0, the task has returned; -ECANCELED, it was cancelled and
	 * has returned, or before it began; -ENOMEM or -EINVAL, it never
	 * began.
	 */
	struct torc_future done;
	int result; /* what fn returned */

	/* Runtime only. */
	struct torc_placed _placed;
	struct torc_msg _cancel;
	struct torc_shard *_origin;
	uint8_t _answers_pending;
	bool _is_cancel_sent;
	bool _was_running; /* when the cancel came */
};

/* Start only; await, select on or cancel call->done. From a task. */
void torc_call_start(struct torc_call *call, unsigned shard_index,
	torc_task_fn *fn, void *arg);

/*
 * Run fn(arg) as a task on that shard and wait for its end. `result`, unless
 * NULL, receives what fn returned, also when the call was interrupted;
 * 0 when it never began.
 *
 * Returns  0; -EINVAL, -ENOMEM; -ECANCELED or -ETIMEDOUT when the caller was
 *          interrupted: the task was cancelled first and has ended. One that
 *          was done when the cancel came counts as done.
 * Cost     two messages and a task; two turns of the loops.
 */
int torc_call_remote(unsigned shard_index, torc_task_fn *fn, void *arg,
	int *result) __attribute__((warn_unused_result));

/*
 * Start fn(arg) on that shard as a task that nobody joins. It never waits, and
 * nothing bounds how many are on their way: for that there is torc_channel.
 * Should the shard have no memory for its stack by then, a line in the log
 * says so: the caller is told of -ENOMEM only for the message itself.
 *
 * Returns  0; -EINVAL, -ENOMEM; -ESHUTDOWN: no runtime runs, or its main task
 *          has returned. After a 0 the task does run, if only to find itself
 *          cancelled.
 */
int torc_spawn_remote(unsigned shard_index, torc_task_fn *fn, void *arg)
	__attribute__((warn_unused_result));

/*
 * Run fn(arg) as a task on that shard and block the calling thread, which
 * torc did not make, until it has returned. On a shard's own thread this
 * would stop all of its tasks: there it panics. A thread that
 * pthread_cancel() reaches here goes on until the task has returned.
 *
 * `result`, unless NULL, receives what fn returned when this returns 0.
 * Returns  0; -EINVAL, -ENOMEM; -ESHUTDOWN: no runtime runs, or it is ending,
 *          or it ended and left the task behind.
 */
int torc_block_on(unsigned shard_index, torc_task_fn *fn, void *arg,
	int *result) __attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_REMOTE_H */
