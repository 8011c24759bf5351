/* SPDX-License-Identifier: MIT */
#include "core/group_priv.h"

#include <errno.h>

#include "core/shard_priv.h"

void
torc_group_init(struct torc_group *group)
{
	*group = (struct torc_group){ ._shard = torc__shard };
	torc__list_init(&group->_tasks);
	torc__list_init(&group->_ended);
}

static __attribute__((cold, noinline)) void
settle(struct torc_group *group, const char *call)
{
	if (group->_shard != NULL)
		torc__panic("%s: this group is of shard %u: a group and its "
			    "tasks stay on one shard",
			call, group->_shard->index);
	group->_shard = torc__shard;
}

/* The init says which shard it is, or the first call on one. */
static inline void
check_shard(struct torc_group *group, const char *call)
{
	if (torc_unlikely(group->_shard != torc__shard))
		settle(group, call);
}

int
torc_group_spawn(struct torc_group *group, torc_task_fn *fn, void *arg)
{
	struct torc_shard *shard = torc__shard_current("torc_group_spawn");
	struct torc_task *task;

	torc_assert(fn != NULL);
	check_shard(group, "torc_group_spawn");
	task = torc__task_new(shard, fn, arg);
	if (task == NULL)
		return -ENOMEM;
	task->group = group;
	if (group->_is_canceled)
		torc_cancel(task);
	torc__list_push_back(&group->_tasks, &task->group_link);
	group->_count++;
	return 0;
}

void
torc_group_cancel(struct torc_group *group)
{
	check_shard(group, "torc_group_cancel");
	group->_is_canceled = true;
	/* A cancel only wakes tasks: the list does not change under us. */
	for (struct torc_link *link = group->_tasks.next;
		link != &group->_tasks; link = link->next)
		torc_cancel(
			torc__container_of(link, struct torc_task, group_link));
}

static void
note_error(struct torc_group *group, int result)
{
	if (group->first_error != 0)
		return;
	group->first_error = result;
	if (group->cancel_on_error)
		torc_group_cancel(group);
}

static void
take_result(struct torc_task *task, struct torc_group_result *out)
{
	*out = (struct torc_group_result){ task->arg, task->result };
	torc__task_release(torc__shard, task);
}

/*
 * To who waits for it, to those that are kept, or nowhere. True: who waited
 * has it, and may have joined the group and freed it.
 */
static bool
give_result(struct torc_group *group, struct torc_task *task)
{
	struct torc_group_waiter *next = group->_next;

	if (next != NULL) {
		group->_next = NULL;
		take_result(task, &next->result);
		torc_future_complete(&next->done, 1);
		return true;
	}
	if (group->_joiner == NULL) {
		torc__list_push_back(&group->_ended, &task->group_link);
	} else {
		torc__task_release(torc__shard, task);
	}
	return false;
}

static void
complete_join(struct torc_group *group)
{
	struct torc_future *joiner = group->_joiner;

	group->_joiner = NULL;
	torc_future_complete(joiner,
		group->_is_join_canceled ? -ECANCELED : group->first_error);
}

void
torc__group_left(struct torc_group *group, struct torc_task *task)
{
	torc__list_remove(&task->group_link);
	group->_count--;
	if (torc_unlikely(task->result < 0))
		note_error(group, task->result);
	if (torc_unlikely(group->collect)) {
		if (give_result(group, task))
			return;
	} else {
		torc__task_release(torc__shard, task);
	}
	if (group->_count == 0 && group->_joiner != NULL)
		complete_join(group);
}

static void
check_free(struct torc_group *group, const char *call)
{
	check_shard(group, call);
	if (torc_unlikely(group->_joiner != NULL || group->_next != NULL))
		torc__panic("%s: somebody waits for this group already", call);
}

int
torc_group_try_next(struct torc_group *group, struct torc_group_result *out)
{
	struct torc_link *link;

	check_shard(group, "torc_group_next");
	if (torc_unlikely(!group->collect))
		torc__panic("torc_group_next: this group keeps no results: "
			    "set its collect before the first spawn");
	link = torc__list_pop_front(&group->_ended);
	if (link != NULL) {
		take_result(
			torc__container_of(link, struct torc_task, group_link),
			out);
		return 1;
	}
	return group->_count == 0 ? 0 : -EAGAIN;
}

static void
cancel_next(struct torc_future *done)
{
	struct torc_group *group = torc_future_source(done);

	group->_next = NULL;
	torc_future_complete(done, -ECANCELED);
}

void
torc_group_next_start(
	struct torc_group *group, struct torc_group_waiter *waiter)
{
	int ret;

	check_free(group, "torc_group_next");
	torc_future_init(&waiter->done, cancel_next, group);
	ret = torc_group_try_next(group, &waiter->result);
	if (ret == -EAGAIN)
		group->_next = waiter;
	else
		torc_future_complete(&waiter->done, ret);
}

int
torc_group_next(struct torc_group *group, struct torc_group_result *out)
{
	struct torc_group_waiter waiter;
	int ret = torc__interrupted("torc_group_next");

	if (ret < 0)
		return ret;
	torc_group_next_start(group, &waiter);
	ret = (int)torc_await(&waiter.done);
	if (ret > 0)
		*out = waiter.result;
	return ret;
}

/* The joiner's interrupt: the tasks end first, then the join does. */
static void
cancel_join(struct torc_future *joiner)
{
	struct torc_group *group = torc_future_source(joiner);

	group->_is_join_canceled = true;
	torc_group_cancel(group);
}

static void
drop_results(struct torc_group *group)
{
	struct torc_link *link;

	while ((link = torc__list_pop_front(&group->_ended)) != NULL)
		torc__task_release(torc__shard,
			torc__container_of(link, struct torc_task, group_link));
}

void
torc_group_join_start(struct torc_group *group, struct torc_future *future)
{
	check_free(group, "torc_group_join");
	drop_results(group);
	torc_future_init(future, cancel_join, group);
	group->_joiner = future;
	group->_is_join_canceled = false;
	if (group->_count == 0)
		complete_join(group);
}

int
torc_group_join(struct torc_group *group)
{
	struct torc_future joiner;

	(void)torc__task_current("torc_group_join");
	torc_group_join_start(group, &joiner);
	return (int)torc_await(&joiner);
}

void
torc_group_cancel_join(struct torc_group *group)
{
	struct torc_future joiner;

	torc_group_cancel(group);
	torc_group_join_start(group, &joiner);
	torc__await_shielded(&joiner);
}
