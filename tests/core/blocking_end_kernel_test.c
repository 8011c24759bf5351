/* SPDX-License-Identifier: MIT */
/*
 * Goal    When torc_run() returns no thread and no job is left: what runs is
 *         waited for, what nobody waits for is not begun, and clean-up may
 *         still block.
 * Method  The real kernel, and a main task that returns while jobs run, wait
 *         or are about to come.
 */
#include "tests/core/blocking_fixture.h"

static int
sleep_and_count(void *arg)
{
	(void)arg;
	usleep(20000);
	atomic_fetch_add(&ran_count, 1);
	return 0;
}

static int
wait_for_slow_job(void *arg)
{
	(void)arg;
	return torc_blocking(sleep_and_count, NULL, NULL);
}

static int
leave_a_job_that_runs(void *arg)
{
	(void)arg;
	must_be(torc_spawn(NULL, wait_for_slow_job, NULL), 0);
	wait_until(counts().running == 1);
	return 5;
}

static void
the_end_waits_for_a_job_that_runs(void **state)
{
	unsigned threads_before = threads_count();

	(void)state;
	for (unsigned shards = 1; shards <= 2; shards++) {
		struct torc_options options = { .shards = shards };

		atomic_store(&ran_count, 0);
		must_be(torc_run(&options, leave_a_job_that_runs, NULL), 5);
		must_be(atomic_load(&ran_count), 1);
		must_be(threads_count(), threads_before);
	}
}

static void
open_gate_when_cancelled(struct torc_future *done)
{
	must_be(done->value, -ECANCELED);
	open_gate(1);
}

/* Functions wait for these, no task; the first returns after the second. */
static struct torc_blocking left_running, left_queued, left_held[2];

static int
run_gated_for_long(void *arg)
{
	int ret = run_gated(arg);

	usleep(20000);
	return ret;
}

static int
leave_a_job_that_waits(void *arg)
{
	static struct gated gated = { .gate = &gate }, late = { .number = 1 };

	(void)arg;
	torc_blocking_start(&left_running, run_gated_for_long, &gated);
	for (int i = 0; i < 2; i++)
		torc__blocking_start_lookup(&left_held[i], run_gated, &late);
	torc_blocking_start(&left_queued, run_gated, &late);
	torc_future_then(&left_queued.done, open_gate_when_cancelled, NULL);
	wait_until(counts().running == 1);
	return 0;
}

static void
the_end_starts_no_job_that_nobody_waits_for(void **state)
{
	struct torc_options options = { .shards = 2,
		.blocking_threads_max = 1 };

	(void)state;
	alarm(CASE_SECONDS_MAX);
	must_be(torc_run(&options, leave_a_job_that_waits, NULL), 0);
	alarm(0);
	must_be(atomic_load(&ran_count), 1);
	must(torc_future_is_ready(&left_running.done));
	must_be(left_running.done.value, 0);
	must_be(left_held[0].done.value, -ECANCELED);
	must_be(left_held[1].done.value, -ECANCELED);
}

static int
clean_up(void *arg)
{
	struct torc_shield shield;
	struct gated gated = { .number = 1 };
	int result = 0;

	(void)arg;
	must_be(torc_sleep(TORC_S * 3600), -ECANCELED);
	torc_shield_begin(&shield);
	must_be(torc_blocking(run_gated, &gated, &result), 0);
	must_be(result, 1);
	torc_shield_end(&shield);
	return 0;
}

static int
leave_a_task_that_cleans_up(void *arg)
{
	(void)arg;
	must_be(torc_spawn(NULL, clean_up, NULL), 0);
	return torc_yield();
}

static void
clean_up_at_the_end_may_still_block(void **state)
{
	(void)state;
	must_be(torc_run(&(struct torc_options){ .shards = 2 },
			leave_a_task_that_cleans_up, NULL),
		0);
	must_be(atomic_load(&ran_count), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			the_end_waits_for_a_job_that_runs, set_up),
		cmocka_unit_test_setup(
			the_end_starts_no_job_that_nobody_waits_for, set_up),
		cmocka_unit_test_setup(
			clean_up_at_the_end_may_still_block, set_up),
	};

	return cmocka_run_group_tests_name(
		"core/blocking end", tests, fill_stack_cache, NULL);
}
