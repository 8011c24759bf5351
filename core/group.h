/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_GROUP_H
#define TORC_CORE_GROUP_H

/*
 * group - tasks that are joined or cancelled together
 *
 * None outlives its group: whoever leaves torc_group_join() leaves no task
 * behind. The first task that returns an error cancels the others when
 * cancel_on_error is set. With `collect` set each result is kept until
 * torc_group_next() takes it, in the order in which the tasks ended:
 *
 *   group.collect = true;
 *   ... torc_group_spawn(&group, fetch, url) ...
 *   while ((ret = torc_group_next(&group, &result)) == 1)
 *           use(result.arg, result.result);
 *   torc_group_cancel_join(&group);
 *
 * Lifetime  init, spawn any number of times (also from its own tasks), join
 *           at the end. The memory is the caller's and must last until then.
 *           A result that is kept costs the task's stack.
 * Shard     One, that of the init or else of the first call: asserted.
 * Errors    -ENOMEM from spawn; -ECANCELED and -ETIMEDOUT from join, after
 *           the tasks were cancelled and have ended; the same from next,
 *           which cancels nothing.
 */

#include <torc/base/list.h>
#include <torc/core/future.h>
#include <torc/core/task.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_shard;

struct torc_group {
	/* Caller: may be set after init. */
	bool cancel_on_error;
	bool collect; /* before the first spawn */

	/* Result: valid after join. */
	int first_error; /* of the first task that returned < 0, or 0 */

	/* Runtime only. */
	struct torc_shard *_shard; /* NULL: not known yet */
	struct torc_link _tasks;
	struct torc_link _ended; /* their results are kept */
	uint32_t _count;
	bool _is_canceled;
	bool _is_join_canceled;
	struct torc_future *_joiner;
	struct torc_group_waiter *_next;
};

/* What a task was spawned with, and what its function returned. */
struct torc_group_result {
	void *arg;
	int result;
};

struct torc_group_waiter {
	struct torc_future done; /* 1: `result` is set; 0: there is none */

	/* Result. */
	struct torc_group_result result;
};

void torc_group_init(struct torc_group *group);

/* Start fn(arg) in the group. In a cancelled group it starts cancelled. */
int torc_group_spawn(struct torc_group *group, torc_task_fn *fn, void *arg)
	__attribute__((warn_unused_result));

/* Cancel all that are in it, and all that are spawned into it later. */
void torc_group_cancel(struct torc_group *group);

/* How many tasks have not returned yet. */
static inline uint32_t
torc_group_count(const struct torc_group *group)
{
	return group->_count;
}

/*
 * Wait for the next task that ends, and take its result; only with collect.
 * Results that are there come first, in the order in which they came.
 *
 * Returns  1: *out is set; 0: no task is left, nor a result; -ECANCELED or
 *          -ETIMEDOUT: the caller was interrupted, the tasks run on.
 */
int torc_group_next(struct torc_group *group, struct torc_group_result *out)
	__attribute__((warn_unused_result));

/* The same without waiting: -EAGAIN when none has ended and some run. */
int torc_group_try_next(struct torc_group *group, struct torc_group_result *out)
	__attribute__((warn_unused_result));

/* Start only, one at a time; a result that lost a select is not lost. */
void torc_group_next_start(
	struct torc_group *group, struct torc_group_waiter *waiter);

/*
 * Wait until all have returned. When the caller is interrupted, all are
 * cancelled first and waited for all the same. Results that nobody took are
 * dropped.
 *
 * Returns  0, first_error, or the interrupt.
 */
int torc_group_join(struct torc_group *group)
	__attribute__((warn_unused_result));

/*
 * Start only, one at a time: `future` becomes ready with 0 or first_error.
 * Cancelling it cancels the tasks, waits for them, and then is -ECANCELED.
 */
void torc_group_join_start(
	struct torc_group *group, struct torc_future *future);

/* Cancel, then join whatever happens. */
void torc_group_cancel_join(struct torc_group *group);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_GROUP_H */
