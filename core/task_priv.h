/* SPDX-License-Identifier: MIT */
#ifndef TORC_CORE_TASK_PRIV_H
#define TORC_CORE_TASK_PRIV_H

#include <torc/base/list.h>
#include <torc/core/task.h>
#include <torc/core/timer.h>

#include "base/assert_priv.h"
#include "base/sanitizer_priv.h"

struct torc_shard;
struct torc_group;
struct torc_task_local_scope;

enum torc_task_state {
	TORC_TASK_READY,   /* on the shard's ready FIFO, or about to be */
	TORC_TASK_RUNNING, /* has the thread */
	TORC_TASK_WAITING, /* for the future in `awaiting` */
	TORC_TASK_DONE,    /* its function returned; waits to be joined */
};

/* Awaits that found their value ready before the task must yield. */
#define TORC__TASK_BUDGET 128

/* Lies at the top of the task's own stack, below the pool's bookkeeping. */
struct torc_task {
	void *sp;                     /* while it does not run */
	struct torc_future *awaiting; /* while it waits */
	struct torc_task *ready_next;
	int interrupt; /* 0, -ECANCELED for ever, -ETIMEDOUT until the scope
			  ends; what a shield hides is in it */
	uint16_t budget;
	uint8_t state; /* enum torc_task_state */
	bool is_joinable;
	bool is_canceled; /* an interrupt, once there is no shield */

	int result;
	size_t locks_count; /* mutexes and kin: it holds, or waits for them */
	torc_task_fn *fn;
	void *arg;
	struct torc_link link; /* of the shard's tasks, until released */

	struct torc_group *group; /* NULL: is_joinable, or detached */
	union {
		struct torc_future done;     /* without a group */
		struct torc_link group_link; /* with one */
	};

	struct torc_shard *shard;       /* the only one that may touch it */
	uint64_t deadline_ns;           /* UINT64_MAX: none */
	struct torc_deadline *deadline; /* the innermost scope */
	struct torc_shield *shield;     /* the innermost scope */
	struct torc_timer deadline_timer;
	struct torc_task_local_scope *locals; /* the innermost scope */

	void *stack; /* top, for the pool */
	const char *name;
#ifdef TORC__ASAN
	void *asan_stack;
#endif
#ifdef TORC__TSAN
	void *tsan_fiber;
#endif
};

/* torc_await() that no cancel and no deadline touches. */
int64_t torc__await_shielded(struct torc_future *future);

/*
 * What a call does when it need not wait: one unit of the budget, and a
 * yield when it is spent, so that a task that always finds data ready
 * cannot keep the others waiting.
 */
void torc__budget_spend(void);

struct torc_task *torc__task_new(
	struct torc_shard *shard, torc_task_fn *fn, void *arg);

/* After spawn: the task returned from its function and has no joiner. */
void torc__task_release(struct torc_shard *shard, struct torc_task *task);

/* For messages: also of one that has no name. */
const char *torc__task_name(const struct torc_task *task);

void torc__task_misplaced(const struct torc_task *task, const char *call)
	__attribute__((noreturn, cold));

#endif /* TORC_CORE_TASK_PRIV_H */
