/* SPDX-License-Identifier: MIT */
/*
 * Goal    A function runs where it was asked to, its result comes back, a
 *         cancel reaches it, and a runtime that ends refuses new work without
 *         losing what it had accepted.
 * Method  Two shards of a real engine, and threads that torc did not make.
 *         What panics does so in a child.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc.h>
#include <torc/test/sim.h>

#define HOUR (3600 * TORC_S)
#define SHARDS 2
#define MANY 2000

#if defined(TORC__ASAN) || defined(TORC__TSAN)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

static _Atomic unsigned begun_count, canceled_count;
static int fds_before;

static int
set_up(void **state)
{
	(void)state;
	begun_count = 0;
	canceled_count = 0;
	fds_before = fds_open();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	assert_int_equal(fds_open(), fds_before);
	return 0;
}

static int
run(torc_task_fn *fn, void *arg)
{
	struct torc_options options = { .shards = SHARDS };

	return torc_run(&options, fn, arg);
}

static int
say_where(void *arg)
{
	*(unsigned *)arg = torc_shard_index();
	return 40 + (int)torc_shard_index();
}

static int
sleep_long(void *arg)
{
	int ret;

	(void)arg;
	begun_count++;
	ret = torc_sleep(HOUR);
	canceled_count += ret == -ECANCELED;
	return ret;
}

/* ---- torc_call_remote ---- */

static int
call_each(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < SHARDS; i++) {
		unsigned where = 99;
		int result = -1;

		assert_int_equal(
			torc_call_remote(i, say_where, &where, &result), 0);
		assert_int_equal(where, i);
		assert_int_equal(result, 40 + i);
	}
	return 0;
}

static void
a_call_runs_on_its_shard_and_brings_the_result(void **state)
{
	(void)state;
	assert_int_equal(run(call_each, NULL), 0);
}

static int
call_nowhere(void *arg)
{
	int result = 77;

	(void)arg;
	assert_int_equal(
		torc_call_remote(SHARDS, say_where, NULL, &result), -EINVAL);
	assert_int_equal(result, 0);
	assert_int_equal(torc_spawn_remote(SHARDS, say_where, NULL), -EINVAL);
	return 0;
}

static void
a_shard_that_is_not_there_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(run(call_nowhere, NULL), 0);
}

static int
time_out_each(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < SHARDS; i++) {
		struct torc_deadline scope;
		int result = 0;

		torc_deadline_begin(&scope, 5 * TORC_MS);
		assert_int_equal(torc_call_remote(i, sleep_long, NULL, &result),
			-ETIMEDOUT);
		/* It began, was cancelled, and has ended: all before this. */
		assert_int_equal(begun_count, 1 + i);
		assert_int_equal(canceled_count, 1 + i);
		assert_int_equal(result, -ECANCELED);
		/* Nothing is even sent when it is late already. */
		assert_int_equal(torc_call_remote(i, sleep_long, NULL, &result),
			-ETIMEDOUT);
		assert_int_equal(result, 0);
		torc_deadline_end(&scope);
		assert_int_equal(begun_count, 1 + i);
	}
	return 0;
}

static void
an_interrupted_call_cancels_its_task_and_waits_for_it(void **state)
{
	(void)state;
	assert_int_equal(run(time_out_each, NULL), 0);
}

static int
do_nothing(void *arg)
{
	(void)arg;
	return 5;
}

/* A cancel at any point of the call's life, sent at different times. */
static int
cancel_at_any_time(void *arg)
{
	unsigned done_count = 0;

	(void)arg;
	for (unsigned i = 0; i < MANY; i++) {
		struct torc_call call;
		int64_t value;

		torc_call_start(&call, i % SHARDS, do_nothing, NULL);
		for (unsigned n = i % 7; n > 0; n--)
			assert_int_equal(torc_yield(), 0);
		while (i % 7 == 6 && !torc_future_is_ready(&call.done))
			assert_int_equal(torc_sleep(10 * TORC_US), 0);
		torc_future_cancel(&call.done);
		torc_future_cancel(&call.done);
		value = torc_await(&call.done);
		assert_true(value == 0 || value == -ECANCELED);
		assert_int_equal(call.result, 5);
		done_count += value == 0;
	}
	assert_true(done_count > 0);
	return 0;
}

static void
a_cancel_may_come_at_any_time(void **state)
{
	(void)state;
	assert_int_equal(run(cancel_at_any_time, NULL), 0);
}

static int
select_two_calls(void *arg)
{
	struct torc_call quick, slow;
	struct torc_future *futures[] = { &slow.done, &quick.done };

	(void)arg;
	torc_call_start(&slow, 1, sleep_long, NULL);
	torc_call_start(&quick, 1, do_nothing, NULL);
	assert_int_equal(torc_select(futures, 2), 1);
	assert_int_equal(quick.done.value, 0);
	assert_int_equal(slow.done.value, -ECANCELED);
	assert_int_equal(canceled_count, 1);
	return 0;
}

static void
of_two_calls_the_loser_has_ended_too(void **state)
{
	(void)state;
	assert_int_equal(run(select_two_calls, NULL), 0);
}

/* ---- torc_spawn_remote, torc_block_on ---- */

static _Atomic bool is_up, is_over;

struct foreign {
	pthread_t thread;
	unsigned accepted, refused;
	int last;
};

static int
count_begun(void *arg)
{
	(void)arg;
	begun_count++;
	return 0;
}

static void *
spawn_until_refused(void *arg)
{
	struct foreign *foreign = arg;

	while (!is_up)
		sched_yield();
	for (unsigned i = 0;; i++) {
		foreign->last = torc_spawn_remote(i % SHARDS, count_begun, 0);
		if (foreign->last != 0)
			return NULL;
		foreign->accepted++;
		/* Nothing else bounds how many are on their way. */
		while (begun_count + 500 < foreign->accepted)
			sched_yield();
	}
}

static int
let_them_spawn(void *arg)
{
	(void)arg;
	is_up = true;
	while (begun_count < MANY)
		assert_int_equal(torc_sleep(TORC_MS), 0);
	return 0;
}

static void
what_was_accepted_runs_also_when_the_runtime_ends(void **state)
{
	struct foreign foreign[2] = { 0 };
	unsigned accepted = 0;

	(void)state;
	is_up = false;
	for (int i = 0; i < 2; i++)
		pthread_create(&foreign[i].thread, NULL, spawn_until_refused,
			&foreign[i]);
	assert_int_equal(run(let_them_spawn, NULL), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(foreign[i].thread, NULL);
		assert_int_equal(foreign[i].last, -ESHUTDOWN);
		accepted += foreign[i].accepted;
	}

	assert_int_equal(begun_count, accepted);
}

static void
without_a_runtime_nothing_can_be_spawned(void **state)
{
	(void)state;
	assert_int_equal(torc_spawn_remote(0, count_begun, 0), -ESHUTDOWN);
	assert_int_equal(torc_block_on(0, count_begun, NULL, NULL), -ESHUTDOWN);
	assert_int_equal(run(call_each, NULL), 0);
	assert_int_equal(torc_spawn_remote(0, count_begun, 0), -ESHUTDOWN);
	assert_int_equal(begun_count, 0);
}

static void *
block_on_all(void *arg)
{
	struct foreign *foreign = arg;
	unsigned where = 99;
	int result = 0;

	for (unsigned i = 0; i < 200; i++) {
		foreign->last =
			torc_block_on(i % SHARDS, say_where, &where, &result);
		foreign->accepted += foreign->last == 0 &&
				     where == i % SHARDS &&
				     result == 40 + (int)(i % SHARDS);
	}
	foreign->refused =
		torc_block_on(SHARDS, say_where, NULL, NULL) == -EINVAL;
	is_over = true;
	return NULL;
}

static int
serve_a_thread(void *arg)
{
	struct foreign *foreign = arg;

	is_over = false;
	pthread_create(&foreign->thread, NULL, block_on_all, foreign);
	while (!is_over)
		assert_int_equal(torc_sleep(TORC_MS), 0);
	return 0;
}

static void
a_thread_blocks_until_its_task_has_returned(void **state)
{
	struct foreign foreign = { 0 };

	(void)state;
	assert_int_equal(run(serve_a_thread, &foreign), 0);
	pthread_join(foreign.thread, NULL);

	assert_int_equal(foreign.accepted, 200);
	assert_int_equal(foreign.refused, 1);
}

static void *
block_for_long(void *arg)
{
	struct foreign *foreign = arg;
	int result = 0;

	foreign->last = torc_block_on(1, sleep_long, NULL, &result);
	foreign->accepted = result == -ECANCELED;
	return NULL;
}

static int
leave_a_thread_blocked(void *arg)
{
	struct foreign *foreign = arg;

	pthread_create(&foreign->thread, NULL, block_for_long, foreign);
	while (begun_count == 0)
		assert_int_equal(torc_sleep(TORC_MS), 0);
	return 0;
}

static void
a_blocked_thread_goes_on_when_the_runtime_ends(void **state)
{
	struct foreign foreign = { 0 };

	(void)state;
	assert_int_equal(run(leave_a_thread_blocked, &foreign), 0);
	pthread_join(foreign.thread, NULL);

	assert_int_equal(foreign.last, 0);
	assert_int_equal(foreign.accepted, 1);
}

static int
wait_until_it_is_over(void *arg)
{
	(void)arg;
	begun_count++;
	while (!is_over)
		(void)torc_sleep(TORC_MS);
	return 0;
}

static void *
block_until_cancelled(void *arg)
{
	(void)!torc_block_on(0, wait_until_it_is_over, arg, NULL);
	pthread_testcancel();
	return NULL;
}

static void *
block_on_once(void *arg)
{
	struct foreign *foreign = arg;

	foreign->last = torc_block_on(1, count_begun, NULL, NULL);
	return NULL;
}

static int
cancel_a_blocked_thread(void *arg)
{
	struct foreign second = { .last = 1 };
	pthread_t first;
	void *end = NULL;

	(void)arg;
	pthread_create(&first, NULL, block_until_cancelled, NULL);
	while (begun_count == 0)
		(void)torc_sleep(TORC_MS);
	pthread_cancel(first);
	(void)torc_sleep(20 * TORC_MS);
	if (pthread_tryjoin_np(first, &end) != EBUSY)
		return 4;
	is_over = true;
	while (pthread_tryjoin_np(first, &end) == EBUSY)
		(void)torc_sleep(TORC_MS);
	/* It left nothing locked. */
	pthread_create(&second.thread, NULL, block_on_once, &second);
	while (pthread_tryjoin_np(second.thread, NULL) == EBUSY)
		(void)torc_sleep(TORC_MS);
	return end == PTHREAD_CANCELED && second.last == 0 ? 3 : 5;
}

static int
run_a_cancelled_thread(void)
{
	is_over = false;
	return run(cancel_a_blocked_thread, NULL);
}

static void
a_cancelled_thread_ends_when_its_task_has(void **state)
{
	(void)state;
	child_text(run_a_cancelled_thread, 3);
}

static int
block_on_in_a_task(void *arg)
{
	return torc_block_on(0, do_nothing, arg, NULL);
}

static int
block_on_a_shard(void)
{
	return run(block_on_in_a_task, NULL);
}

static void
blocking_on_a_shard_is_refused_with_a_reason(void **state)
{
	(void)state;
	assert_says(last_words(block_on_a_shard), "use torc_call_remote()");
}

static int
ignore_the_cancel(void *arg)
{
	struct torc_shield shield;

	(void)arg;
	begun_count++;
	torc_shield_begin(&shield);
	(void)torc_sleep(24 * HOUR);
	torc_shield_end(&shield);
	return 0;
}

static void *
block_for_ever(void *arg)
{
	struct foreign *foreign = arg;

	do
		foreign->last = torc_block_on(0, ignore_the_cancel, NULL, NULL);
	while (foreign->last == -ESHUTDOWN && begun_count == 0);
	return NULL;
}

static int
leave_once_it_has_begun(void *arg)
{
	while (begun_count == 0)
		(void)torc_sleep(TORC_US);
	(void)arg;
	return 0;
}

/* Simulated for its clock: a runtime waits for ten seconds. */
static int
leave_a_task_behind(void)
{
	struct torc_sim_options options = { .is_quiet = true };
	struct foreign foreign = { 0 };
	int ret;

	pthread_create(&foreign.thread, NULL, block_for_ever, &foreign);
	ret = torc_sim_run(&options, NULL, leave_once_it_has_begun, NULL, NULL);
	pthread_join(foreign.thread, NULL);
	if (ret != -ETIME)
		return 5;
	return foreign.last == -ESHUTDOWN ? 3 : 4;
}

static void
a_thread_whose_task_was_left_behind_goes_on(void **state)
{
	(void)state;
	assert_says(child_text(leave_a_task_behind, 3), " ms after its cancel");
}

/* ---- no stack ---- */

static int
use_up_the_stacks(void *arg)
{
	struct rlimit was, none;
	int ret, result = 7;

	/* What is mapped stays; nothing more can be. */
	assert_int_equal(getrlimit(RLIMIT_AS, &was), 0);
	none = was;
	none.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	while ((ret = torc_spawn(NULL, sleep_long, NULL)) == 0)
		;
	if (ret == -ENOMEM)
		ret = torc_call_remote(0, do_nothing, NULL, &result);
	if (ret == -ENOMEM)
		ret = torc_run_on_shards(do_nothing, arg);
	if (ret == -ENOMEM)
		ret = torc_spawn_remote(0, do_nothing, NULL);
	if (ret == 0)
		ret = torc_sleep(TORC_MS);
	assert_int_equal(setrlimit(RLIMIT_AS, &was), 0);
	return ret == 0 && result == 0 ? 3 : 4;
}

static int
run_without_stacks(void)
{
	struct torc_options options = { .shards = 1 };

	return torc_run(&options, use_up_the_stacks, NULL);
}

static void
a_task_that_gets_no_stack_is_refused_or_named(void **state)
{
	char text[1024];
	int status;

	(void)state;
	/* A sanitizer maps memory of its own all the time. */
	if (IS_SANITIZED)
		skip();
	status = run_in_child(run_without_stacks, text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_non_null(strstr(text, "shard 0 has no memory for the stack"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_call_runs_on_its_shard_and_brings_the_result),
		CASE(a_shard_that_is_not_there_is_an_error),
		CASE(an_interrupted_call_cancels_its_task_and_waits_for_it),
		CASE(a_cancel_may_come_at_any_time),
		CASE(of_two_calls_the_loser_has_ended_too),
		CASE(what_was_accepted_runs_also_when_the_runtime_ends),
		CASE(without_a_runtime_nothing_can_be_spawned),
		CASE(a_thread_blocks_until_its_task_has_returned),
		CASE(a_blocked_thread_goes_on_when_the_runtime_ends),
		CASE(a_cancelled_thread_ends_when_its_task_has),
		CASE(blocking_on_a_shard_is_refused_with_a_reason),
		CASE(a_thread_whose_task_was_left_behind_goes_on),
		CASE(a_task_that_gets_no_stack_is_refused_or_named),
	};

	return cmocka_run_group_tests_name("core/remote", tests, NULL, NULL);
}
