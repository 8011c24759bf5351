/* SPDX-License-Identifier: MIT */
/*
 * Goal    In a simulated run blocking calls keep their promises with any
 *         timing: each runs exactly once or says that it did not, as many at
 *         a time as there are places; and the seed alone decides.
 * Method  Hundreds of seeds, two shards, deadlines and cancels at random
 *         points; no thread is made, which the process's own list shows.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include <torc.h>
#include <torc/test/sim.h>

#include "core/shard_priv.h"
#include "tests/sim/support.h"
#include "tests/support/fake_shard.h"
#include "tests/test.h"

#define CALLS 8

struct call {
	unsigned ran;
	int64_t value;
};

static unsigned
threads_count(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static int
mark(void *arg)
{
	struct call *call = arg;

	call->ran++;
	/* As on a thread of the pool. */
	return torc__shard == NULL ? 7 : -1;
}

static int64_t
call_with_deadline(struct call *call)
{
	struct torc_deadline deadline;
	int result = 7, ret;

	torc_deadline_begin(&deadline, torc_sim_random(2 * TORC_MS));
	ret = torc_blocking(mark, call, &result);
	torc_deadline_end(&deadline);
	return result == 7 ? ret : -EBADMSG;
}

static int64_t
call_and_cancel(struct call *call)
{
	struct torc_blocking job;

	torc_blocking_start(&job, mark, call);
	(void)torc_sleep(torc_sim_random(2 * TORC_MS));
	torc_future_cancel(&job.done);
	return torc_await(&job.done);
}

static int64_t
call_and_select(struct call *call)
{
	struct torc_blocking job;
	struct torc_sleep sleep;
	struct torc_future *const futures[] = { &job.done, &sleep.done };

	torc_blocking_start(&job, mark, call);
	torc_sleep_start(&sleep, torc_sim_random(2 * TORC_MS));
	(void)torc_select(futures, 2);
	return job.done.value;
}

static int64_t
call_somehow(struct call *call)
{
	switch (torc_sim_random(5)) {
	case 0:
		return call_with_deadline(call);
	case 1:
		return call_and_cancel(call);
	case 2:
		return call_and_select(call);
	case 3:
		return torc_blocking_try(mark, call, NULL);
	}
	return torc_blocking(mark, call, NULL);
}

static bool
is_told_right(const struct call *call)
{
	if (call->value == 0)
		return call->ran == 1;
	return call->ran == 0 &&
	       (call->value == -ECANCELED || call->value == -ETIMEDOUT ||
		       call->value == -EAGAIN);
}

static int
call_many(void *arg)
{
	struct call calls[CALLS] = { 0 };

	(void)arg;
	for (int i = 0; i < CALLS; i++)
		calls[i].value = call_somehow(&calls[i]);
	/* Nothing of it runs later, either. */
	(void)torc_sleep(20 * TORC_MS);
	for (int i = 0; i < CALLS; i++)
		if (!is_told_right(&calls[i]))
			return -EBADMSG;
	return 0;
}

static int
call_on_shard(void *arg)
{
	struct torc_group group;
	int ret = 0;

	torc_group_init(&group);
	for (uint32_t i = 0; i < torc_sim_size() && ret == 0; i++)
		ret = torc_group_spawn(&group, call_many, arg);
	if (ret < 0)
		return ret;
	/* Some are cancelled from outside, wherever they are. */
	(void)torc_sleep(torc_sim_random(10 * TORC_MS));
	if (torc_sim_random(4) == 0)
		torc_group_cancel(&group);
	return torc_group_join(&group);
}

static int
call_everywhere(void *arg)
{
	struct torc_blocking_counts counts;
	unsigned threads_before = threads_count();
	int ret = torc_run_on_shards(call_on_shard, arg);

	if (ret < 0)
		return ret;
	torc_blocking_counts(&counts);
	if (counts.running != 0 || counts.queued != 0 || counts.threads != 0)
		return -EBUSY;
	return threads_count() == threads_before ? 0 : -ECHILD;
}

static const struct torc_options two_shards = {
	.shards = 2, .blocking_threads_max = 3, .blocking_queue_max = 4
};

static void
each_call_is_told_right_whatever_the_timing(void **state)
{
	struct torc_sim_options options = { .faults = TORC_SIM_ALL, .size = 6 };
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(
		torc_sim_search(&options, &two_shards, seeds_count(300),
			call_everywhere, NULL, &result),
		0);
	note_runs(&result);
}

static void
the_seed_decides(void **state)
{
	struct torc_sim_options options = {
		.faults = TORC_SIM_ALL, .size = 6, .seed = 11
	};
	struct torc_sim_result first, again, other;

	(void)state;
	assert_int_equal(torc_sim_run(&options, &two_shards, call_everywhere,
				 NULL, &first),
		0);
	assert_int_equal(torc_sim_run(&options, &two_shards, call_everywhere,
				 NULL, &again),
		0);
	options.seed = 12;
	assert_int_equal(torc_sim_run(&options, &two_shards, call_everywhere,
				 NULL, &other),
		0);
	assert_true(first.hash == again.hash);
	assert_true(first.elapsed_ns == again.elapsed_ns);
	assert_true(first.hash != other.hash);
}

static int
call_one_by_one(void *arg)
{
	enum { COUNT = 50 };
	struct torc_blocking jobs[COUNT];
	struct call calls[COUNT] = { 0 };
	struct torc_blocking_counts counts;
	uint64_t before_ns = torc_sim_elapsed_ns();

	(void)arg;
	for (int i = 0; i < COUNT; i++)
		torc_blocking_start(&jobs[i], mark, &calls[i]);
	for (int i = 0; i < COUNT; i++) {
		torc_blocking_counts(&counts);
		if (counts.running > 1 || torc_await(&jobs[i].done) != 0 ||
			(i + 1 < COUNT &&
				torc_future_is_ready(&jobs[i + 1].done)))
			return -EBADMSG;
	}
	/* One after the other, each at least this long. */
	if (torc_sim_elapsed_ns() - before_ns < COUNT * 10 * TORC_US)
		return -ETIME;
	return 0;
}

static void
one_place_means_one_at_a_time_in_order(void **state)
{
	struct torc_options runtime = { .blocking_threads_max = 1 };
	struct torc_sim_options options = { .faults = TORC_SIM_ALL };
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(torc_sim_search(&options, &runtime, 20,
				 call_one_by_one, NULL, &result),
		0);
}

static int
leave_calls_behind(void *arg)
{
	static struct torc_blocking jobs[5];
	static struct call calls[5];

	(void)arg;
	for (int i = 0; i < 5; i++)
		torc_blocking_start(&jobs[i], mark, &calls[i]);
	return torc_sleep(torc_sim_random(TORC_MS));
}

static void
the_end_comes_after_the_last_job(void **state)
{
	struct torc_sim_options options = { .faults = TORC_SIM_ALL };
	struct torc_sim_result result;

	(void)state;
	assert_int_equal(torc_sim_search(&options, &two_shards, 100,
				 leave_calls_behind, NULL, &result),
		0);
}

/* ---- mistakes ---- */

static torc_blocking_fn *mistake;

static int
block_on_in_a_job(void *arg)
{
	return torc_block_on(0, leave_calls_behind, arg, NULL);
}

static int
recv_in_a_job(void *arg)
{
	struct torc_channel *channel;
	int item;

	(void)arg;
	if (torc_channel_create(&channel, sizeof(item), 1) < 0)
		return 1;
	return torc_channel_recv_blocking(channel, &item);
}

static int
send_in_a_job(void *arg)
{
	struct torc_channel *channel;
	int item = 1;

	(void)arg;
	if (torc_channel_create(&channel, sizeof(item), 1) < 0 ||
		torc_channel_send_blocking(channel, &item) < 0)
		return 1;
	return torc_channel_send_blocking(channel, &item);
}

static int
run_mistake(void *arg)
{
	return torc_blocking(mistake, arg, NULL);
}

static int
make_the_mistake(void)
{
	struct torc_sim_options options = { .is_quiet = true };

	return torc_sim_run(&options, NULL, run_mistake, NULL, NULL);
}

static void
a_job_that_waits_for_its_own_shard_is_named(void **state)
{
	torc_blocking_fn *const rows[] = { block_on_in_a_job, recv_in_a_job,
		send_in_a_job };
	char text[4096];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int status;

		mistake = rows[i];
		status = run_in_child(make_the_mistake, text, sizeof(text));
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
		assert_non_null(strstr(text, "simulated job"));
	}
}

static int
pass_an_item_in_a_job(void *channel)
{
	int item = 3;

	if (torc_channel_send_blocking(channel, &item) < 0 ||
		torc_channel_recv_blocking(channel, &item) < 0)
		return -1;
	return item;
}

static int
call_and_compare(void *arg)
{
	int result = 0,
	    ret = torc_blocking(pass_an_item_in_a_job, arg, &result);

	return ret < 0 ? ret : result == 3 ? 0 : -EBADMSG;
}

/* And who waits once the job is over is no job. */
static void
a_job_may_take_what_is_there(void **state)
{
	struct torc_sim_options options = { 0 };
	struct torc_channel *channel;

	(void)state;
	assert_int_equal(torc_channel_create(&channel, sizeof(int), 1), 0);
	assert_int_equal(
		torc_sim_run(&options, NULL, call_and_compare, channel, NULL),
		0);
	assert_int_equal(
		torc_block_on(0, call_and_compare, channel, NULL), -ESHUTDOWN);
	torc_channel_release(channel);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_is_told_right_whatever_the_timing),
		cmocka_unit_test(the_seed_decides),
		cmocka_unit_test(one_place_means_one_at_a_time_in_order),
		cmocka_unit_test(the_end_comes_after_the_last_job),
		cmocka_unit_test(a_job_that_waits_for_its_own_shard_is_named),
		cmocka_unit_test(a_job_may_take_what_is_there),
	};

	return cmocka_run_group_tests_name("sim/blocking", tests, NULL, NULL);
}
