/* SPDX-License-Identifier: MIT */
/*
 * Goal    Tasks that any shard may run go where they have to wait least: an
 *         overloaded shard gets few, the others share, an idle one takes what
 *         another does not get to. Whatever is cancelled, and whenever the
 *         run ends, each runs once or says that it did not.
 * Method  Four simulated shards, where a turn is as long as tasks are ready;
 *         who ran what is counted, and the seed decides it.
 */
#include <errno.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "core/shard_priv.h"
#include "tests/sim/support.h"
#include "tests/test.h"

#define SHARDS 4
#define PLACED 400

static unsigned ran_by[SHARDS], ran_count, canceled_count;

static void
forget(void)
{
	memset(ran_by, 0, sizeof(ran_by));
	ran_count = 0;
	canceled_count = 0;
}

static int
note_shard(void *arg)
{
	ran_by[torc_shard_index()]++;
	ran_count++;
	return (int)(intptr_t)arg;
}

static int
wait_for_all(unsigned count)
{
	while (ran_count < count)
		if (torc_sleep(100 * TORC_US) < 0)
			return -ECANCELED;
	return ran_count == count ? 0 : -EBADMSG;
}

/* ---- where they go ---- */

static int
yield_for_ever(void *arg)
{
	(void)arg;
	while (torc_yield() == 0)
		continue;
	return 0;
}

/* 200 tasks are always ready on the main task's shard. */
static int
place_beside_a_crowd(void *arg)
{
	struct torc_group crowd;
	int ret = 0;

	(void)arg;
	forget();
	torc_group_init(&crowd);
	for (int i = 0; i < 200 && ret == 0; i++)
		ret = torc_group_spawn(&crowd, yield_for_ever, NULL);
	/* One, so that from here on loads are published. */
	if (ret == 0)
		ret = torc_spawn_any(note_shard, NULL);
	for (int i = 0; i < 20 && ret == 0; i++)
		ret = torc_yield();
	for (int i = 1; i < PLACED && ret == 0; i++) {
		ret = torc_spawn_any(note_shard, NULL);
		if (i % 8 == 0)
			(void)torc_yield();
	}
	while (ret == 0 && ran_count < PLACED)
		ret = torc_yield();
	torc_group_cancel_join(&crowd);
	return ret;
}

static void
an_overloaded_shard_gets_few_and_the_others_share(void **state)
{
	struct torc_options runtime = { .shards = SHARDS };
	struct torc_sim_options options = { .faults = TORC_SIM_HIDDEN };
	struct torc_sim_result result, again;
	unsigned before[SHARDS];

	(void)state;
	for (options.seed = 1; options.seed <= 20; options.seed++) {
		assert_int_equal(torc_sim_run(&options, &runtime,
					 place_beside_a_crowd, NULL, &result),
			0);
		assert_int_equal(ran_count, PLACED);
		/* An even share is a quarter. */
		assert_true(ran_by[0] <= PLACED / 8);
		for (int i = 1; i < SHARDS; i++)
			assert_in_range(ran_by[i], PLACED / 8, PLACED);
	}
	memcpy(before, ran_by, sizeof(before));
	print_message("the overloaded shard ran %u of %u, the others %u %u "
		      "%u\n",
		ran_by[0], PLACED, ran_by[1], ran_by[2], ran_by[3]);
	options.seed--;
	assert_int_equal(torc_sim_run(&options, &runtime, place_beside_a_crowd,
				 NULL, &again),
		0);
	assert_memory_equal(before, ran_by, sizeof(before));
	assert_true(result.hash == again.hash);
}

static int
place_evenly(void *arg)
{
	int ret = 0;

	(void)arg;
	forget();
	for (int i = 0; i < PLACED && ret == 0; i++)
		ret = torc_spawn_any(note_shard, NULL);
	return ret == 0 ? wait_for_all(PLACED) : ret;
}

static void
idle_shards_share_evenly(void **state)
{
	struct torc_options runtime = { .shards = SHARDS };
	struct torc_sim_options options = { .faults = TORC_SIM_HIDDEN };
	struct torc_sim_result result;

	(void)state;
	for (options.seed = 1; options.seed <= 50; options.seed++) {
		assert_int_equal(torc_sim_run(&options, &runtime, place_evenly,
					 NULL, &result),
			0);
		/* What one is given another may take. */
		for (int i = 0; i < SHARDS; i++)
			assert_in_range(ran_by[i], PLACED / 32, PLACED / 2);
	}
}

/* ---- how many at a time ---- */

/* In which turns they began, and the most in one. */
struct turns {
	uint64_t last;
	unsigned begun_count, begun_max;
};

static int
note_turn(void *arg)
{
	struct turns *turns = arg;
	uint64_t turn = torc__pulse_turns(&torc__shard->pulse);

	if (turn != turns->last)
		turns->begun_count = 0;
	turns->last = turn;
	if (++turns->begun_count > turns->begun_max)
		turns->begun_max = turns->begun_count;
	return note_shard(NULL);
}

static int
place_on_the_only_shard(void *arg)
{
	int ret = 0;

	forget();
	for (int i = 0; i < 100 && ret == 0; i++)
		ret = torc_spawn_any(note_turn, arg);
	return ret == 0 ? wait_for_all(100) : ret;
}

static void
no_more_than_sixteen_begin_in_one_turn(void **state)
{
	struct torc_sim_options options = { 0 };
	struct turns turns = { .last = 0 };

	(void)state;
	assert_int_equal(torc_sim_run(&options, NULL, place_on_the_only_shard,
				 &turns, NULL),
		0);
	assert_int_equal(turns.begun_max, 16);
}

/* ---- whatever happens ---- */

static int
work(void *arg)
{
	int ret = 0;

	ran_count++;
	for (int i = 0; i < 3 && ret == 0; i++)
		ret = torc_sleep(torc_sim_random(TORC_MS));
	canceled_count += ret == -ECANCELED;
	return ret < 0 ? ret : (int)(intptr_t)arg;
}

static int
call_somehow(unsigned *begun_max)
{
	struct torc_deadline deadline;
	struct torc_call call;
	int result = 9;
	int64_t ret;

	(*begun_max)++;
	switch (torc_sim_random(3)) {
	case 0:
		torc_deadline_begin(&deadline, torc_sim_random(2 * TORC_MS));
		ret = torc_call_any(work, (void *)5, &result);
		torc_deadline_end(&deadline);
		/* 0: it never began. */
		return (ret == 0 && result == 5) ||
				       (ret == -ETIMEDOUT && result != 9)
			       ? 0
			       : -EBADMSG;
	case 1:
		torc_call_any_start(&call, work, (void *)6);
		(void)torc_sleep(torc_sim_random(TORC_MS));
		torc_future_cancel(&call.done);
		ret = torc_await(&call.done);
		return ret == -ECANCELED || (ret == 0 && call.result == 6)
			       ? 0
			       : -EBADMSG;
	}
	return torc_spawn_any(work, (void *)7);
}

static int
call_many(void *arg)
{
	int ret = 0;

	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = call_somehow(arg);
	return ret;
}

/* Some are left on shelves, some in the middle of their work. */
static int
call_everywhere_and_leave(void *arg)
{
	unsigned begun_max = 0;
	int ret;

	(void)arg;
	forget();
	ret = torc_run_on_shards(call_many, &begun_max);
	if (ret == 0 && torc_sim_random(2) == 0)
		ret = torc_sleep(torc_sim_random(4 * TORC_MS));
	return ret == 0 && ran_count <= begun_max ? 0 : -EBADMSG;
}

static void
each_call_is_told_right_whatever_the_timing(void **state)
{
	struct torc_options runtime = { .shards = SHARDS };
	struct torc_sim_options options = { .faults = TORC_SIM_ALL,
		.size = 10 };
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(torc_sim_search(&options, &runtime, seeds_count(300),
				 call_everywhere_and_leave, NULL, &result),
		0);
	note_runs(&result);
}

static int
sleep_long(void *arg)
{
	(void)arg;
	ran_count++;
	canceled_count += torc_sleep(3600 * TORC_S) == -ECANCELED;
	return 0;
}

static int
leave_them(void *arg)
{
	int ret = 0;

	(void)arg;
	forget();
	for (int i = 0; i < 100 && ret == 0; i++)
		ret = torc_spawn_any(sleep_long, NULL);
	return ret;
}

static void
what_is_left_on_a_shelf_begins_cancelled(void **state)
{
	struct torc_options runtime = { .shards = SHARDS };
	struct torc_sim_options options = { .faults = TORC_SIM_ALL };

	(void)state;
	for (options.seed = 1; options.seed <= 50; options.seed++) {
		assert_int_equal(torc_sim_run(&options, &runtime, leave_them,
					 NULL, NULL),
			0);
		assert_int_equal(ran_count, 100);
		assert_int_equal(canceled_count, 100);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_overloaded_shard_gets_few_and_the_others_share),
		cmocka_unit_test(idle_shards_share_evenly),
		cmocka_unit_test(no_more_than_sixteen_begin_in_one_turn),
		cmocka_unit_test(each_call_is_told_right_whatever_the_timing),
		cmocka_unit_test(what_is_left_on_a_shelf_begins_cancelled),
	};

	return cmocka_run_group_tests_name("sim/place", tests, NULL, NULL);
}
