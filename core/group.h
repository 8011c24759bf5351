/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_GROUP_H
#define TORC_CORE_GROUP_H

/*
 * group - tasks that are joined or cancelled together
 *
 * None outlives its group: whoever leaves torc_group_join() leaves no task
 * behind. The first task that returns an error cancels the others when the
 * group was opened with cancel_on_error.
 *
 * Lifetime  init, spawn any number of times (also from its own tasks), join
 *           once. The memory is the caller's and must last until then.
 * Shard     One.
 * Errors    -ENOMEM from spawn; -ECANCELED and -ETIMEDOUT from join, after
 *           the tasks were cancelled and have ended.
 */

#include <torc/base/list.h>
#include <torc/core/future.h>
#include <torc/core/task.h>

#ifdef __cplusplus
extern "C" {
#endif

struct torc_group {
	/* Caller: may be set after init. */
	bool cancel_on_error;

	/* Result: valid after join. */
	int first_error; /* of the first task that returned < 0, or 0 */

	/* Runtime only. */
	struct torc_link _tasks;
	uint32_t _count;
	bool _is_canceled;
	struct torc_future *_joiner;
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
 * Wait until all have returned. When the caller is interrupted, all are
 * cancelled first and waited for all the same.
 *
 * Returns  0, first_error, or the interrupt.
 */
int torc_group_join(struct torc_group *group)
	__attribute__((warn_unused_result));

/* Cancel, then join whatever happens. */
void torc_group_cancel_join(struct torc_group *group);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_GROUP_H */
