/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_LOCAL_H
#define TORC_CORE_LOCAL_H

/*
 * task-local - a value that a task finds again however deep it has called
 *
 *   static const struct torc_task_local request = { "request" };
 *
 *   torc_task_local_begin(&scope, &request, req);
 *   handle();       torc_task_local_get(&request) == req, in all it calls
 *   torc_task_local_end(&scope);
 *
 * Scopes nest: the innermost one of a key counts. A task that is spawned
 * inherits none; hand the value over in its argument.
 *
 * Lifetime  A key is told by its address: static, for as long as the program
 *           runs. A scope lives on the stack of the task that begins it. The
 *           value is the caller's.
 * Shard     A task's own; torc_task_local_get(): anywhere.
 * Errors    None. Beginning outside a task and ending out of order are
 *           mistakes: asserted.
 */

#ifdef __cplusplus
extern "C" {
#endif

/* A key. */
struct torc_task_local {
	/* Caller: what messages about it say. */
	const char *name;
};

struct torc_task_local_scope {
	/* Runtime only. */
	struct torc_task_local_scope *_outer;
	const struct torc_task_local *_key;
	void *_value;
};

/* From here to the end, `key` stands for `value`. Cost: four stores. */
void torc_task_local_begin(struct torc_task_local_scope *scope,
	const struct torc_task_local *key, void *value);

/* Back to what it stood for before. Scopes end in reverse order. */
void torc_task_local_end(struct torc_task_local_scope *scope);

/*
 * What `key` stands for; NULL outside its scopes and outside a task. Cost:
 * two loads per open scope of the task, of whatever key.
 */
void *torc_task_local_get(const struct torc_task_local *key);

#ifdef __cplusplus
}
#endif

#endif /* TORC_CORE_LOCAL_H */
