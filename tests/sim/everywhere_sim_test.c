/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whichever shard fails first, and whenever, also before another has
 *         begun: the tasks of all shards end, and an error of theirs is the
 *         result. An interrupt that comes first is the result instead.
 * Method  Thousands of seeds on 1, 2 and 4 shards, with all faults: on some
 *         the task fails after a while, on the others it waits for a cancel,
 *         for longer than a run may last. Those that fail note it.
 */
#include <errno.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/test.h"

#define HOUR (3600 * TORC_S)
#define SHARDS_MAX 4

/* Of one run; shards take turns in a simulation. */
static uint64_t fails_in_ns[SHARDS_MAX]; /* UINT64_MAX: it does not */
static unsigned running_count, begun_count;
static bool has_failed[SHARDS_MAX];

static int
fail_or_wait(void *arg)
{
	unsigned shard = torc_shard_index();
	int ret = 0;

	(void)arg;
	begun_count++;
	running_count++;
	if (fails_in_ns[shard] > 0)
		ret = torc_sleep(fails_in_ns[shard]);
	running_count--;
	has_failed[shard] = ret == 0;
	return ret < 0 ? ret : -1000 - (int)shard;
}

static void
draw(void)
{
	unsigned count = torc_shard_count();

	begun_count = running_count = 0;
	memset(has_failed, 0, sizeof(has_failed));
	for (unsigned i = 0; i < count; i++)
		fails_in_ns[i] = torc_sim_random(2) == 0
					 ? 2 * HOUR
					 : torc_sim_random(3) * TORC_MS / 10;
	fails_in_ns[torc_sim_random(count)] = torc_sim_random(TORC_MS);
}

/* Two that fail at once are both first: their answers travel. */
static bool
is_of_a_failure(int ret)
{
	unsigned shard = (unsigned)(-1000 - ret);

	return ret <= -1000 && shard < SHARDS_MAX && has_failed[shard];
}

static int
judge(bool is_right)
{
	if (running_count != 0 || !is_right)
		return -EBADMSG;
	return torc_sim_elapsed_ns() < HOUR ? 0 : -ETIME;
}

static int
fail_somewhere(void *arg)
{
	int ret;

	draw();
	ret = torc_run_on_shards(fail_or_wait, arg);
	return judge(is_of_a_failure(ret) && begun_count == torc_shard_count());
}

static int
fail_within_a_deadline(void *arg)
{
	struct torc_deadline scope;
	int ret;

	draw();
	torc_deadline_begin(&scope, torc_sim_random(TORC_MS));
	ret = torc_run_on_shards(fail_or_wait, arg);
	torc_deadline_end(&scope);
	return judge(ret == -ETIMEDOUT || is_of_a_failure(ret));
}

static int
wait_within_a_deadline(void *arg)
{
	struct torc_deadline scope;
	int ret;

	draw();
	for (unsigned i = 0; i < SHARDS_MAX; i++)
		fails_in_ns[i] = 2 * HOUR;
	torc_deadline_begin(&scope, 1 + torc_sim_random(TORC_MS));
	ret = torc_run_on_shards(fail_or_wait, arg);
	torc_deadline_end(&scope);
	return judge(ret == -ETIMEDOUT);
}

static void
search(torc_task_fn *fn)
{
	static const unsigned shards[] = { 1, 2, 4 };
	struct torc_sim_options options = { .faults = TORC_SIM_ALL,
		.fault_permille = 50 };
	struct torc_sim_result result;

	for (size_t i = 0; i < sizeof(shards) / sizeof(shards[0]); i++) {
		struct torc_options runtime = { .shards = shards[i] };

		assert_int_equal(torc_sim_search(&options, &runtime,
					 seeds_count(700), fn, NULL, &result),
			0);
		note_runs(&result);
	}
}

static void
a_failure_ends_all_and_is_the_result(void **state)
{
	(void)state;
	search(fail_somewhere);
}

static void
so_it_is_when_a_deadline_comes_about_then(void **state)
{
	(void)state;
	search(fail_within_a_deadline);
}

static void
a_deadline_ends_all_and_is_the_result(void **state)
{
	(void)state;
	search(wait_within_a_deadline);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_ends_all_and_is_the_result),
		cmocka_unit_test(so_it_is_when_a_deadline_comes_about_then),
		cmocka_unit_test(a_deadline_ends_all_and_is_the_result),
	};

	return cmocka_run_group_tests_name("sim/everywhere", tests, NULL, NULL);
}
