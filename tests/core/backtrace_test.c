/* SPDX-License-Identifier: MIT */
/*
 * Goal    Of a task that waits one sees in which calls, from the innermost to
 *         the one that began it.
 * Method  Functions that are never inlined write down where they will return
 *         to, and wait; the same addresses are in the backtrace, in order.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/backtrace_priv.h"
#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/sleep.h>

#define DEPTH 3
#define FRAMES 32

static void *returns_to[DEPTH]; /* innermost first */

static __attribute__((noinline)) int
wait_at(unsigned depth)
{
	struct nop nop;
	int ret;

	returns_to[depth] = __builtin_return_address(0);
	if (depth > 0) {
		ret = wait_at(depth - 1);
	} else {
		nop_start(&nop);
		ret = (int)torc_await(&nop.done);
	}
	/* Not a call at the end, which would leave no frame. */
	__asm__ volatile("" : "+r"(ret));
	return ret;
}

static int
wait_deep(void *arg)
{
	int ret = wait_at(DEPTH - 1);

	(void)arg;
	__asm__ volatile("" : "+r"(ret));
	return ret;
}

static unsigned
index_of(void *const frames[], unsigned count, const void *address)
{
	for (unsigned i = 0; i < count; i++)
		if (frames[i] == address)
			return i;
	fail_msg("a frame is missing");
	return count;
}

static int
look(void *arg)
{
	struct torc_task *task = fake_shard_spawn(wait_deep, arg);
	void *frames[FRAMES];
	unsigned count, at;
	int result;

	assert_int_equal(torc_sleep(TORC_MS), 0);
	count = torc__task_backtrace(torc__shard, task, frames, FRAMES);
	assert_in_range(count, DEPTH + 1, FRAMES - DEPTH);
	/* Below them lie torc_await() and what it calls. */
	at = index_of(frames, count, returns_to[0]);
	for (unsigned i = 0; i < DEPTH; i++)
		assert_ptr_equal(frames[at + i], returns_to[i]);
	/* No more are written than there is room for. */
	frames[2] = NULL;
	assert_int_equal(torc__task_backtrace(torc__shard, task, frames, 2), 2);
	assert_null(frames[2]);
	nop_complete(0, 5);
	assert_int_equal(torc_join(task, &result), 0);
	return result;
}

static void
a_task_that_waits_shows_its_calls_in_order(void **state)
{
	assert_int_equal(fake_shard_run(*state, look, NULL), 5);
}

static int
print_both(void *arg)
{
	int *fd = arg, result;
	struct torc_task *task = fake_shard_spawn(wait_deep, NULL);

	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc__tasks_print(torc__shard, *fd);
	nop_complete(0, 0);
	assert_int_equal(torc_join(task, &result), 0);
	return result;
}

static void
who_runs_is_left_out_and_who_waits_is_printed(void **state)
{
	char text[4096] = "";
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fake_shard_run(*state, print_both, &ends[1]), 0);
	close(ends[1]);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	close(ends[0]);
	assert_non_null(strstr(text, "waits in\n"));
	/* One task, and a line for each of its frames. */
	assert_null(strstr(strstr(text, "waits in\n") + 1, "waits in\n"));
	assert_non_null(strstr(text, "backtrace_test"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_task_that_waits_shows_its_calls_in_order,
			fake_shard_set_up, fake_shard_tear_down),
		cmocka_unit_test_setup_teardown(
			who_runs_is_left_out_and_who_waits_is_printed,
			fake_shard_set_up, fake_shard_tear_down),
	};

	return cmocka_run_group_tests_name("core/backtrace", tests, NULL, NULL);
}
