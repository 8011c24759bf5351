/* SPDX-License-Identifier: MIT */
#include "core/group_priv.h"

#include <errno.h>

#include "core/shard_priv.h"

void
torc_group_init(struct torc_group *group)
{
	*group = (struct torc_group){ 0 };
	torc__list_init(&group->_tasks);
}

int
torc_group_spawn(struct torc_group *group, torc_task_fn *fn, void *arg)
{
	struct torc_task *task;

	torc_assert(torc__shard != NULL && fn != NULL);
	task = torc__task_new(torc__shard, fn, arg);
	if (task == NULL)
		return -ENOMEM;
	task->group = group;
	if (group->_is_canceled)
		task->interrupt = -ECANCELED;
	torc__list_push_back(&group->_tasks, &task->group_link);
	group->_count++;
	return 0;
}

void
torc_group_cancel(struct torc_group *group)
{
	group->_is_canceled = true;
	/* A cancel only wakes tasks: the list does not change under us. */
	for (struct torc_link *link = group->_tasks.next;
		link != &group->_tasks; link = link->next)
		torc_cancel(
			torc__container_of(link, struct torc_task, group_link));
}

void
torc__group_left(struct torc_group *group, struct torc_task *task)
{
	torc__list_remove(&task->group_link);
	group->_count--;
	if (task->result < 0 && group->first_error == 0) {
		group->first_error = task->result;
		if (group->cancel_on_error)
			torc_group_cancel(group);
	}
	if (group->_count == 0 && group->_joiner != NULL)
		torc_future_complete(group->_joiner, 0);
}

/* The joiner's interrupt: the tasks end first, then the join does. */
static void
cancel_join(struct torc_future *joiner)
{
	torc_group_cancel(torc_future_source(joiner));
}

static int
join(struct torc_group *group, bool is_shielded)
{
	struct torc_future joiner;

	torc_assert(group->_joiner == NULL);
	if (group->_count == 0)
		return 0;
	torc_future_init(&joiner, cancel_join, group);
	group->_joiner = &joiner;
	if (is_shielded)
		torc__await_shielded(&joiner);
	else
		torc_await(&joiner);
	group->_joiner = NULL;
	return is_shielded ? 0 : torc_interrupted();
}

int
torc_group_join(struct torc_group *group)
{
	int ret = join(group, false);

	return ret < 0 ? ret : group->first_error;
}

void
torc_group_cancel_join(struct torc_group *group)
{
	torc_group_cancel(group);
	join(group, true);
}
