/* SPDX-License-Identifier: MIT */
/*
 * Goal    The end of the runtime waits for its tasks as long as it was told,
 *         and no longer; who is abandoned then is named, and told of.
 * Method  Simulated, so that time passes at once: clean-ups of a known length
 *         in a shield, on the first shard and on others, beside an end that
 *         waits for longer, or not.
 */
#include <errno.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "tests/sim/support.h"
#include "tests/support/child.h"
#include "tests/test.h"

#define HOUR (3600 * TORC_S)
#define YIELDS 10000

/* Of one run. */
static uint64_t clean_up_ns, abandon_ns, elapsed_ns;
static unsigned shards_count, cleaned_count;
static int main_result;

static int
clean_up_in_a_shield(void *arg)
{
	struct torc_shield shield;

	(void)arg;
	torc_task_name_set("cleaner");
	(void)torc_sleep(HOUR);
	torc_shield_begin(&shield);
	cleaned_count += torc_sleep(clean_up_ns) == 0;
	torc_shield_end(&shield);
	return 0;
}

/* On each shard one, detached. */
static int
spawn_on_shard(void *fn)
{
	return torc_spawn(NULL, *(torc_task_fn **)fn, NULL);
}

static int
leave_on_all(torc_task_fn *fn)
{
	int ret = torc_run_on_shards(spawn_on_shard, &fn);

	if (ret == 0)
		ret = torc_sleep(TORC_S);
	return ret == 0 ? main_result : ret;
}

static int
leave_cleaners(void *arg)
{
	(void)arg;
	return leave_on_all(clean_up_in_a_shield);
}

static int
run(torc_task_fn *fn)
{
	struct torc_sim_options options = { .is_quiet = true };
	struct torc_options runtime = { .shards = shards_count,
		.abandon_ns = abandon_ns };
	struct torc_sim_result result;
	int ret;

	cleaned_count = 0;
	ret = torc_sim_run(&options, &runtime, fn, NULL, &result);
	elapsed_ns = result.elapsed_ns - TORC_S;
	return ret;
}

static void
clean_ups_shorter_than_that_are_waited_for(void **state)
{
	static const uint64_t rows[][2] = {
		{ 0, 9900 * TORC_MS },
		{ 20 * TORC_S, 13 * TORC_S },
		{ TORC_ABANDON_NEVER, 25 * TORC_S },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (shards_count = 1; shards_count <= 4; shards_count++) {
			abandon_ns = rows[i][0];
			clean_up_ns = rows[i][1];
			main_result = 7;
			assert_int_equal(run(leave_cleaners), 7);
			assert_int_equal(cleaned_count, shards_count);
			assert_in_range(
				elapsed_ns, clean_up_ns, clean_up_ns + TORC_S);
		}
}

static int
abandon_cleaners(void)
{
	if (run(leave_cleaners) != -ETIME || cleaned_count != 0)
		return 1;
	return elapsed_ns >= abandon_ns && elapsed_ns < abandon_ns + TORC_S ? 0
									    : 2;
}

static void
clean_ups_longer_than_that_are_abandoned_and_told_of(void **state)
{
	(void)state;
	main_result = 7;
	abandon_ns = 5 * TORC_S;
	clean_up_ns = abandon_ns + 100 * TORC_MS;
	for (shards_count = 1; shards_count <= 4; shards_count++) {
		const char *text = child_text(abandon_cleaners, 0);

		assert_says(text, "task cleaner has not ended 50");
		assert_says(text, " ms after its cancel, in a shield;");
	}
}

static int
abandon_after_the_default(void)
{
	abandon_ns = 0;
	clean_up_ns = 10100 * TORC_MS;
	return run(leave_cleaners) == main_result ? 0 : 1;
}

static void
by_default_it_is_ten_seconds_and_mains_error_stays(void **state)
{
	(void)state;
	shards_count = 1;
	main_result = -EIO;
	assert_says(
		child_text(abandon_after_the_default, 0), "has not ended 100");
}

/* ---- without a shield ---- */

static int
ignore_the_cancel(void *arg)
{
	struct torc_future never;

	(void)arg;
	torc_future_init(&never, NULL, NULL);
	return (int)torc_await(&never);
}

static int
leave_one_that_ignores(void *arg)
{
	(void)arg;
	return leave_on_all(ignore_the_cancel);
}

static int
abandon_who_ignores(void)
{
	return run(leave_one_that_ignores) == -ETIME ? 0 : 1;
}

static void
who_ignores_its_cancel_is_in_no_shield(void **state)
{
	(void)state;
	shards_count = 1;
	main_result = 0;
	abandon_ns = TORC_S;
	assert_says(child_text(abandon_who_ignores, 0), " its cancel; its");
}

/* ---- woken or begun by what the end closes ---- */

static struct torc_stream *near, *far;
static struct torc_future reading;

static int
read_in_a_shield(void *arg)
{
	struct torc_future bytes;
	struct torc_shield shield;

	(void)arg;
	torc_shield_begin(&shield);
	torc_recv_start(near, &bytes);
	(void)torc_await(&bytes);
	/* In many turns, more than the stream takes to close. */
	for (int i = 0; i < YIELDS; i++)
		cleaned_count += torc_yield() == 0;
	torc_shield_end(&shield);
	return 0;
}

static int
leave_a_reader(void *arg)
{
	int ret = torc_stream_pair(&near, &far);

	if (ret == 0)
		ret = torc_spawn(NULL, read_in_a_shield, arg);
	return ret == 0 ? torc_sleep(TORC_S) : ret;
}

static void
whom_the_last_close_wakes_runs_to_its_end(void **state)
{
	(void)state;
	shards_count = 1;
	abandon_ns = TORC_S;
	assert_int_equal(run(leave_a_reader), 0);
	assert_int_equal(cleaned_count, YIELDS);
}

static int
wait_for_a_cancel(void *arg)
{
	(void)arg;
	cleaned_count += torc_sleep(HOUR) == -ECANCELED;
	return 0;
}

static void
spawn_when_read(struct torc_future *done)
{
	(void)done;
	cleaned_count += torc_spawn(NULL, wait_for_a_cancel, NULL) == 0;
}

static int
leave_a_callback(void *arg)
{
	int ret = torc_stream_pair(&near, &far);

	(void)arg;
	if (ret < 0)
		return ret;
	torc_recv_start(near, &reading);
	torc_future_then(&reading, spawn_when_read, NULL);
	return torc_sleep(TORC_S);
}

static void
a_task_that_a_late_callback_spawns_is_cancelled_too(void **state)
{
	(void)state;
	shards_count = 1;
	abandon_ns = 0;
	assert_int_equal(run(leave_a_callback), 0);
	assert_int_equal(cleaned_count, 2);
	assert_in_range(elapsed_ns, 0, TORC_S);
}

/* ---- whatever happens ---- */

static int
clean_up_for_a_while(void *arg)
{
	struct torc_shield shield;

	(void)arg;
	(void)torc_sleep(HOUR);
	torc_shield_begin(&shield);
	cleaned_count += torc_sleep(torc_sim_random(900 * TORC_MS)) == 0;
	torc_shield_end(&shield);
	return 0;
}

static int
leave_many(void *arg)
{
	unsigned count = (unsigned)torc_sim_random(torc_sim_size()) + 1;
	int ret;

	for (unsigned i = 0; i < count; i++) {
		ret = torc_spawn_remote(
			i % torc_shard_count(), clean_up_for_a_while, arg);
		if (ret < 0)
			return ret;
	}
	return torc_sleep(torc_sim_random(TORC_MS));
}

static void
none_is_abandoned_before_its_time_whatever_happens(void **state)
{
	struct torc_sim_options options = {
		.faults = TORC_SIM_ALL, .fault_permille = 50, .size = 16
	};
	struct torc_options runtime = { .shards = 3, .abandon_ns = TORC_S };
	struct torc_sim_result result;

	(void)state;
	cleaned_count = 0;
	assert_int_equal(torc_sim_search(&options, &runtime, seeds_count(200),
				 leave_many, NULL, &result),
		0);
	assert_true(cleaned_count >= result.runs);
	note_runs(&result);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_ups_shorter_than_that_are_waited_for),
		cmocka_unit_test(
			clean_ups_longer_than_that_are_abandoned_and_told_of),
		cmocka_unit_test(
			by_default_it_is_ten_seconds_and_mains_error_stays),
		cmocka_unit_test(who_ignores_its_cancel_is_in_no_shield),
		cmocka_unit_test(whom_the_last_close_wakes_runs_to_its_end),
		cmocka_unit_test(
			a_task_that_a_late_callback_spawns_is_cancelled_too),
		cmocka_unit_test(
			none_is_abandoned_before_its_time_whatever_happens),
	};

	return cmocka_run_group_tests_name("sim/abandon", tests, NULL, NULL);
}
