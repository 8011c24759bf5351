/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_SYNC_SUPPORT_H
#define TORC_TESTS_CORE_SYNC_SUPPORT_H

/*
 * What the tests of core/sync share: tasks with a name of one letter, and
 * mistakes that must end the program with words that name them.
 */

#include <errno.h>
#include <string.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/sleep.h>

/* How a wait ended, as a word for the trace. */
static inline const char *
ending(int64_t ret)
{
	return ret == 0            ? "ok"
	       : ret == 1          ? "1"
	       : ret == -ECANCELED ? "canceled"
	       : ret == -ETIMEDOUT ? "late"
	       : ret == -EAGAIN    ? "again"
	       : ret == -EPIPE     ? "closed"
				   : "?";
}

/* Let all other tasks run until each of them waits. */
static inline void
let_others_wait(void)
{
	for (int i = 0; i < 8; i++)
		(void)torc_yield();
}

/* One task per name, up to NULL; each waits when this returns. */
static inline void
spawn_waiters(torc_task_fn *wait_named, const char *const *names)
{
	for (; *names != NULL; names++)
		assert_int_equal(
			torc_spawn(NULL, wait_named, (void *)(uintptr_t)*names),
			0);
	let_others_wait();
}

/* Run fn(arg) as a task in a child, which must end with both of these. */
static inline void
assert_mistake(torc_task_fn *fn, void *arg, const char *what, const char *who)
{
	const char *text = last_words_of_task(fn, arg);

	assert_says(text, what);
	assert_says(text, who);
}

#endif /* TORC_TESTS_CORE_SYNC_SUPPORT_H */
