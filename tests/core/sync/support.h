/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_CORE_SYNC_SUPPORT_H
#define TORC_TESTS_CORE_SYNC_SUPPORT_H

/*
 * What the tests of core/sync share: tasks with a name of one letter, and
 * mistakes that must end the program with words that name them.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/sleep.h>

#define WITH_SHARD(test)                 \
	cmocka_unit_test_setup_teardown( \
		test, fake_shard_set_up, fake_shard_tear_down)

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

static torc_task_fn *mistake_fn;
static void *mistake_arg;

static int
make_mistake(void)
{
	static struct fake_shard shard;

	fake_shard_open(&shard);
	fake_shard_run(&shard, mistake_fn, mistake_arg);
	return 0;
}

/* Run fn(arg) as a task in a child, which must end with both of these. */
static inline void
assert_mistake(torc_task_fn *fn, void *arg, const char *what, const char *who)
{
	char text[4096];
	int status;

	mistake_fn = fn;
	mistake_arg = arg;
	status = run_in_child(make_mistake, text, sizeof(text));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT ||
		strstr(text, what) == NULL || strstr(text, who) == NULL)
		fail_msg("status %#x, and not \"%s\" with \"%s\" in: %s",
			(unsigned)status, what, who, text);
}

#endif /* TORC_TESTS_CORE_SYNC_SUPPORT_H */
