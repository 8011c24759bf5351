/* SPDX-License-Identifier: MIT */
/*
 * Goal    When memory runs out, a spawn says so and has started nothing;
 *         what was started before runs to its end, and nothing stays behind.
 * Method  The main task of a new runtime goes through a scenario with its
 *         first allocation failing, then with its second, and so on until
 *         none fails.
 */
#include "tests/core/io/fixture.h"
#include "tests/support/failing_alloc.h"

/* More than two slabs of stacks. */
#define TASKS 150

static unsigned begun, ended;

static int
count_self(void *arg)
{
	int ret;

	begun++;
	ret = torc_sleep((uint64_t)(uintptr_t)arg);
	ended++;
	return ret == 0 ? 7 : ret;
}

/* Those that were spawned run to their end, and no others. */
static int
spawn_many(void *arg)
{
	struct torc_task *tasks[TASKS];
	unsigned count = 0;
	int ret = 0;

	(void)arg;
	begun = ended = 0;
	while (count < TASKS && ret == 0) {
		ret = torc_spawn(&tasks[count], count_self, (void *)TORC_MS);
		count += ret == 0;
	}
	for (unsigned i = 0; i < count; i++) {
		int result;

		must_be(torc_join(tasks[i], &result), 0);
		must_be(result, 7);
	}
	must_be(begun, count);
	must_be(ended, count);
	must(ret == 0 || ret == -ENOMEM);
	return ret;
}

static int
spawn_a_group(void *arg)
{
	struct torc_group_result result;
	struct torc_group group;
	unsigned count = 0, taken = 0;
	int ret = 0;

	(void)arg;
	torc_group_init(&group);
	group.collect = true;
	while (count < TASKS && ret == 0) {
		ret = torc_group_spawn(&group, count_self, (void *)TORC_MS);
		count += ret == 0;
	}
	must_be(torc_group_count(&group), count);
	while (torc_group_next(&group, &result) == 1)
		taken += result.result == 7;
	must_be(taken, count);
	must_be(torc_group_join(&group), 0);
	must(ret == 0 || ret == -ENOMEM);
	return ret;
}

/* Recursion of spawns: each may be the one that fails. */
static int
breed(void *arg)
{
	struct torc_task *a, *b;
	intptr_t depth = (intptr_t)arg;
	int ret, result;

	if (depth == 0)
		return 0;
	ret = torc_spawn(&a, breed, (void *)(depth - 1));
	if (ret < 0)
		return ret;
	ret = torc_spawn(&b, breed, (void *)(depth - 1));
	must_be(torc_join(a, &result), 0);
	if (ret < 0)
		return ret;
	must_be(torc_join(b, &ret), 0);
	return ret < 0 ? ret : result;
}

static int
spawn_a_family(void *arg)
{
	(void)arg;
	return breed((void *)6);
}

static int
nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int
spawn_on_every_shard(void *arg)
{
	(void)arg;
	return torc_run_on_shards(nothing, NULL);
}

struct attempt {
	torc_task_fn *scenario;
	uint32_t nth;
};

static int
fail_the_nth(void *arg)
{
	struct attempt *attempt = arg;
	int ret;

	alloc_fail_after(attempt->nth);
	ret = attempt->scenario(NULL);
	alloc_pause();
	must(ret == 0 || ret == -ENOMEM);
	/* None may pass for a success, and none come from nowhere. */
	must_be(ret == -ENOMEM, alloc_has_failed());
	wait_until(is_shard_quiet());
	return ret;
}

/* Returns how many allocations the scenario makes. */
static uint32_t
fail_each_in_turn(torc_task_fn *scenario)
{
	struct torc_options options = { .shards = 1 };
	struct attempt attempt = { .scenario = scenario };
	unsigned fds_before = fds_count();

	while (torc_run(&options, fail_the_nth, &attempt) == -ENOMEM) {
		must_be(fds_count(), fds_before);
		attempt.nth++;
	}
	return attempt.nth;
}

static void
run_scenario(torc_task_fn *scenario, uint32_t allocations_min)
{
	size_t bytes_before;

	/* What the process makes once is there before it is counted. */
	must_be(torc_run(&(struct torc_options){ .shards = 1 }, scenario, NULL),
		0);
	bytes_before = heap_bytes();
	must(fail_each_in_turn(scenario) >= allocations_min);
	must_be(heap_bytes(), bytes_before);
}

static void
a_spawn_that_fails_has_started_nothing(void **state)
{
	(void)state;
	run_scenario(spawn_many, 2);
}

static void
a_group_keeps_those_that_were_spawned(void **state)
{
	(void)state;
	run_scenario(spawn_a_group, 2);
}

static void
a_family_of_tasks_shrinks(void **state)
{
	(void)state;
	run_scenario(spawn_a_family, 1);
}

static void
a_task_on_every_shard_is_refused(void **state)
{
	(void)state;
	run_scenario(spawn_on_every_shard, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spawn_that_fails_has_started_nothing),
		cmocka_unit_test(a_group_keeps_those_that_were_spawned),
		cmocka_unit_test(a_family_of_tasks_shrinks),
		cmocka_unit_test(a_task_on_every_shard_is_refused),
	};

	return cmocka_run_group_tests_name("core/fault", tests, NULL, NULL);
}
