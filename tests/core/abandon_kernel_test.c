/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whatever begins while the runtime ends is waited for, told of or
 *         refused; it neither ends the process by accident nor comes back.
 * Method  Jobs that begin at the limit, tasks that begin after the last
 *         look, and a second run that wakes what the first has abandoned.
 */
#include <errno.h>
#include <time.h>

#include <torc.h>

#include "tests/support/child.h"
#include "tests/test.h"

#define HOUR (3600 * TORC_S)

static uint64_t abandon_ns;
static unsigned jobs_count, begun_count;
static int call_result;

static void
work(uint64_t ns)
{
	struct timespec pause = { 0, (long)ns };

	nanosleep(&pause, NULL);
}

static int
run(unsigned shards, torc_task_fn *fn)
{
	struct torc_options options = { .shards = shards,
		.abandon_ns = abandon_ns,
		.blocking_threads_max = 1 };

	jobs_count = begun_count = 0;
	return torc_run(&options, fn, NULL);
}

static int
do_job(void *arg)
{
	(void)arg;
	work(30 * TORC_MS);
	jobs_count++;
	return 0;
}

static int
block_in_a_shield(void *arg)
{
	struct torc_shield shield;
	int ret;

	(void)arg;
	(void)torc_sleep(HOUR);
	torc_shield_begin(&shield);
	ret = torc_blocking(do_job, NULL, NULL);
	torc_shield_end(&shield);
	return ret;
}

static int
leave_three_that_block(void *arg)
{
	int ret = 0;

	(void)arg;
	for (int i = 0; i < 3 && ret == 0; i++)
		ret = torc_spawn(NULL, block_in_a_shield, NULL);
	return ret == 0 ? torc_sleep(TORC_MS) : ret;
}

static void
jobs_that_begin_at_the_limit_are_waited_for(void **state)
{
	(void)state;
	abandon_ns = 1;
	assert_int_equal(run(1, leave_three_that_block), 0);
	assert_int_equal(jobs_count, 3);
}

/* Its end is what the close of a stream brings about. */
static struct torc_stream *near_end, *far_end;
static struct torc_future received;
static torc_task_fn *late;

static void
spawn_late(struct torc_future *future)
{
	(void)future;
	for (int i = 0; i < 2; i++)
		assert_int_equal(torc_spawn(NULL, late, NULL), 0);
}

static int
leave_a_receive(void *arg)
{
	int ret = torc_stream_pair(&near_end, &far_end);

	(void)arg;
	if (ret < 0)
		return ret;
	torc_recv_start(near_end, &received);
	torc_future_then(&received, spawn_late, NULL);
	return torc_sleep(TORC_MS);
}

static int
block_late(void *arg)
{
	struct torc_shield shield;
	int ret;

	(void)arg;
	torc_shield_begin(&shield);
	ret = torc_blocking(do_job, NULL, NULL);
	torc_shield_end(&shield);
	return ret;
}

static void
jobs_of_the_last_tasks_are_waited_for(void **state)
{
	(void)state;
	abandon_ns = 20 * TORC_MS;
	late = block_late;
	assert_int_equal(run(1, leave_a_receive), 0);
	assert_int_equal(jobs_count, 2);
}

static int
note_begun(void *arg)
{
	(void)arg;
	begun_count++;
	return 0;
}

/* That shard has gone by then. */
static int
call_late(void *arg)
{
	(void)arg;
	call_result = torc_call_remote(1, note_begun, NULL, NULL);
	return 0;
}

static void
a_task_that_begins_last_begins_cancelled(void **state)
{
	(void)state;
	abandon_ns = TORC_ABANDON_NEVER;
	late = call_late;
	call_result = 1;
	assert_int_equal(run(2, leave_a_receive), 0);
	assert_int_equal(call_result, -ECANCELED);
	assert_int_equal(begun_count, 0);
}

static int
place_many(void *arg)
{
	int ret = 0;

	(void)arg;
	for (int i = 0; i < 1000 && ret == 0; i++)
		ret = torc_spawn_any(note_begun, NULL);
	return ret;
}

static int
see_that_not_all_begin(void)
{
	abandon_ns = 1;
	return run(1, place_many) == -ETIME && begun_count < 1000 ? 0 : 1;
}

static void
placed_tasks_that_never_began_are_told_of(void **state)
{
	const char *text = child_text(see_that_not_all_begin, 0);

	(void)state;
	assert_says(text, "never began");
}

static struct torc_future nobodys;

static int
wait_in_a_shield(void *arg)
{
	struct torc_shield shield;

	(void)arg;
	torc_task_name_set("ghost");
	(void)torc_sleep(HOUR);
	torc_shield_begin(&shield);
	begun_count += torc_await(&nobodys) == 0;
	torc_shield_end(&shield);
	return 0;
}

static int
leave_a_waiter(void *arg)
{
	int ret = torc_spawn(NULL, wait_in_a_shield, NULL);

	(void)arg;
	torc_future_init(&nobodys, NULL, NULL);
	return ret == 0 ? torc_sleep(TORC_MS) : ret;
}

static int
wake_the_waiter(void *arg)
{
	(void)arg;
	torc_future_complete(&nobodys, 0);
	return torc_sleep(10 * TORC_MS);
}

static int
wake_whom_the_first_run_left(void)
{
	abandon_ns = TORC_MS;
	if (run(1, leave_a_waiter) != -ETIME)
		return 1;
	return run(1, wake_the_waiter);
}

static void
whom_a_run_has_abandoned_the_next_does_not_wake(void **state)
{
	const char *text = last_words(wake_whom_the_first_run_left);

	(void)state;
	assert_says(text, "task ghost was abandoned");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_that_begin_at_the_limit_are_waited_for),
		cmocka_unit_test(jobs_of_the_last_tasks_are_waited_for),
		cmocka_unit_test(a_task_that_begins_last_begins_cancelled),
		cmocka_unit_test(placed_tasks_that_never_began_are_told_of),
		cmocka_unit_test(
			whom_a_run_has_abandoned_the_next_does_not_wake),
	};

	return cmocka_run_group_tests_name("core/abandon", tests, NULL, NULL);
}
