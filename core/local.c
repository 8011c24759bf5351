/* SPDX-License-Identifier: MIT */
#include <torc/core/local.h>

#include "core/shard_priv.h"

void
torc_task_local_begin(struct torc_task_local_scope *scope,
	const struct torc_task_local *key, void *value)
{
	struct torc_task *task = torc__task_current("torc_task_local_begin");

	scope->_outer = task->locals;
	scope->_key = key;
	scope->_value = value;
	task->locals = scope;
}

void
torc_task_local_end(struct torc_task_local_scope *scope)
{
	struct torc_task *task = torc__task_current("torc_task_local_end");

	if (torc_unlikely(task->locals != scope))
		torc__panic("torc_task_local_end: not the innermost scope of "
			    "task %s, which is that of %s: scopes end in "
			    "reverse order",
			torc__task_name(task),
			task->locals == NULL ? "no key"
					     : task->locals->_key->name);
	task->locals = scope->_outer;
}

void *
torc_task_local_get(const struct torc_task_local *key)
{
	struct torc_task *task = torc_self();
	struct torc_task_local_scope *scope;

	if (task == NULL)
		return NULL;
	for (scope = task->locals; scope != NULL; scope = scope->_outer)
		if (scope->_key == key)
			return scope->_value;
	return NULL;
}
