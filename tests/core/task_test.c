/* SPDX-License-Identifier: MIT */
/*
 * Goal    Tasks run in the promised order, end with the promised result, and
 *         a cancel reaches them wherever they wait without losing anything.
 * Method  Real tasks on a fake engine: time passes only when all wait. Each
 *         test writes words down as things happen and compares the line.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/group.h>
#include <torc/core/sleep.h>

#define HOUR (3600 * TORC_S)

static int
join(struct torc_task *task)
{
	int result;

	assert_int_equal(torc_join(task, &result), 0);
	return result;
}

static const char *
word(int64_t ret)
{
	switch (ret) {
	case 0:
		return "ok";
	case -ECANCELED:
		return "canceled";
	case -ETIMEDOUT:
		return "timeout";
	}
	return "other";
}

static int
say(void *arg)
{
	trace("%s", (char *)arg);
	return 7;
}

/* ---- spawn and join ---- */

static int
spawn_and_join(void *arg)
{
	struct torc_task *task = fake_shard_spawn(say, "task");

	(void)arg;
	trace("main");
	trace("%d", join(task));
	return 3;
}

static void
a_task_runs_once_its_spawner_waits(void **state)
{
	struct fake_shard *f = *state;

	assert_int_equal(fake_shard_run(f, spawn_and_join, NULL), 3);

	assert_string_equal(f->trace, "main task 7");
}

static int
join_what_is_done(void *arg)
{
	struct torc_task *task = fake_shard_spawn(say, "task");

	(void)arg;
	assert_int_equal(torc_yield(), 0);
	trace("main");
	trace("%d", join(task));
	return 0;
}

static void
a_task_that_is_done_can_still_be_joined(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, join_what_is_done, NULL);

	assert_string_equal(f->trace, "task main 7");
}

static int
spawn_three(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, say, "a"), 0);
	assert_int_equal(torc_spawn(NULL, say, "b"), 0);
	assert_int_equal(torc_spawn(NULL, say, "c"), 0);
	trace("main");
	return 0;
}

static void
ready_tasks_run_in_the_order_they_were_spawned(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, spawn_three, NULL);

	assert_string_equal(f->trace, "main a b c");
}

static int
say_twice(void *arg)
{
	trace("%s1", (char *)arg);
	assert_int_equal(torc_yield(), 0);
	trace("%s2", (char *)arg);
	return 0;
}

static int
spawn_yielders(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, say_twice, "a"), 0);
	assert_int_equal(torc_spawn(NULL, say_twice, "b"), 0);
	assert_int_equal(torc_spawn(NULL, say, "c"), 0);
	return 0;
}

static void
a_yield_lets_all_others_run_first(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, spawn_yielders, NULL);

	assert_string_equal(f->trace, "a1 b1 c a2 b2");
}

static void
see_no_task(struct torc_future *future)
{
	(void)future;
	trace(torc_self() == NULL ? "none" : "some");
}

static int
ask_for_self(void *arg)
{
	struct torc_sleep sleep;

	(void)arg;
	trace(torc_self() != NULL ? "self" : "nobody");
	torc_sleep_start(&sleep, TORC_MS);
	torc_future_then(&sleep.done, see_no_task, NULL);
	assert_int_equal(torc_sleep(2 * TORC_MS), 0);
	return 0;
}

static void
the_loop_is_no_task(void **state)
{
	struct fake_shard *f = *state;

	assert_null(torc_self());
	fake_shard_run(f, ask_for_self, NULL);

	assert_string_equal(f->trace, "self none");
}

/* ---- direct resume ---- */

static int
await_nop(void *arg)
{
	struct nop nop;

	nop_start(&nop);
	trace("%s%d", (char *)arg, (int)torc_await(&nop.done));
	assert_int_equal(torc_spawn(NULL, say, "later"), 0);
	return 0;
}

static struct nop watched;

static void
tell(struct torc_future *done)
{
	trace("fn%d", (int)done->value);
}

static int
watch_nop(void *arg)
{
	(void)arg;
	nop_start(&watched);
	torc_future_then(&watched.done, tell, NULL);
	return 0;
}

static void
complete_all_backwards(struct torc_ring *ring)
{
	fake_of(ring)->on_wait = NULL;
	trace("|");
	nop_complete(2, 12);
	nop_complete(1, 11);
	nop_complete(0, 10);
}

static int
start_nops(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, await_nop, "a"), 0);
	assert_int_equal(torc_spawn(NULL, watch_nop, NULL), 0);
	assert_int_equal(torc_spawn(NULL, await_nop, "b"), 0);
	return 0;
}

/* Before the next CQE is looked at, let alone what became ready. */
static void
a_cqe_resumes_its_task_at_once(void **state)
{
	struct fake_shard *f = *state;

	f->fake->on_wait = complete_all_backwards;
	fake_shard_run(f, start_nops, NULL);

	assert_string_equal(f->trace, "| b12 fn11 a10 later later");
}

/* ---- cancel ---- */

/* Sleeps, and again: a cancel is for ever. */
static int
sleep_thrice(void *arg)
{
	(void)arg;
	trace("%s", word(torc_sleep(HOUR)));
	trace("%s", word(torc_sleep(HOUR)));
	trace("%s", word(torc_yield()));
	return torc_interrupted();
}

static int
cancel_before_it_ran(void *arg)
{
	struct torc_task *task = fake_shard_spawn(sleep_thrice, NULL);

	(void)arg;
	torc_cancel(task);
	trace("main");
	trace("%s", word(join(task)));
	return 0;
}

static void
a_task_cancelled_before_it_ran_still_runs(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_before_it_ran, NULL);

	assert_string_equal(
		f->trace, "main canceled canceled canceled canceled");
	assert_int_equal(fake_elapsed_ns(), 0);
}

static int
cancel_a_sleeper(void *arg)
{
	struct torc_task *task = fake_shard_spawn(sleep_thrice, NULL);

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(task);
	torc_cancel(task);
	trace("%s", word(join(task)));
	return 0;
}

static void
a_cancel_ends_a_sleep_and_every_later_await(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_a_sleeper, NULL);

	assert_string_equal(f->trace, "canceled canceled canceled canceled");
	assert_true(fake_elapsed_ns() < 2 * TORC_MS);
}

static int
await_forever(void *arg)
{
	trace("%d", (int)torc_await(arg));
	trace("%s", word(torc_interrupted()));
	return 0;
}

static int
cancel_what_cannot_be_hurried(void *arg)
{
	struct torc_future slow;
	struct torc_task *task;

	(void)arg;
	torc_future_init(&slow, NULL, NULL);
	task = fake_shard_spawn(await_forever, &slow);
	assert_int_equal(torc_yield(), 0);
	torc_cancel(task);
	assert_int_equal(torc_sleep(TORC_MS), 0);
	trace("still");
	torc_future_complete(&slow, 42);
	return join(task);
}

static void
a_future_that_cannot_be_hurried_is_waited_for(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_what_cannot_be_hurried, NULL);

	assert_string_equal(f->trace, "still 42 canceled");
}

static int
await_nop_and_sleep(void *arg)
{
	struct nop nop;

	(void)arg;
	nop_start(&nop);
	trace("%d", (int)torc_await(&nop.done));
	trace("%s", word(torc_sleep(HOUR)));
	return 0;
}

static int
cancel_an_op(void *arg)
{
	struct torc_task *task = fake_shard_spawn(await_nop_and_sleep, NULL);

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(task);
	return join(task);
}

static void
a_cancel_waits_for_the_answer_of_the_kernel(void **state)
{
	struct fake_shard *f = *state;
	char expected[64];

	fake_shard_run(f, cancel_an_op, NULL);

	snprintf(expected, sizeof(expected), "%d canceled", -ECANCELED);
	assert_string_equal(f->trace, expected);
	assert_int_equal(fake_count(&f->shard.ring, IORING_OP_ASYNC_CANCEL), 1);
}

static void
complete_late(struct torc_ring *ring)
{
	if (fake_count(ring, IORING_OP_ASYNC_CANCEL) == 0)
		return;
	fake_of(ring)->on_wait = NULL;
	nop_complete(0, 99);
}

static void
a_success_that_was_on_its_way_beats_the_cancel(void **state)
{
	struct fake_shard *f = *state;

	f->fake->keeps_cancels = true;
	f->fake->on_wait = complete_late;
	fake_shard_run(f, cancel_an_op, NULL);

	assert_string_equal(f->trace, "99 canceled");
	f->fake->keeps_cancels = false;
}

static int
try_join(void *arg)
{
	trace("%s", word(torc_join(arg, NULL)));
	return 0;
}

static int
cancel_a_joiner(void *arg)
{
	struct torc_task *target = fake_shard_spawn(sleep_thrice, NULL);
	struct torc_task *joiner = fake_shard_spawn(try_join, target);

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(joiner);
	join(joiner);
	trace("again");
	torc_cancel(target);
	join(target);
	return 0;
}

static void
an_interrupted_join_leaves_the_task_to_be_joined_again(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_a_joiner, NULL);

	assert_string_equal(
		f->trace, "canceled again canceled canceled canceled");
}

/* Both end in the same turn: the joiner by its cancel, and its target. */
static int
cancel_a_joiner_as_its_target_ends(void *arg)
{
	struct torc_future go;
	struct torc_task *target, *joiner;

	(void)arg;
	torc_future_init(&go, NULL, NULL);
	target = fake_shard_spawn(await_forever, &go);
	joiner = fake_shard_spawn(try_join, target);
	assert_int_equal(torc_yield(), 0);
	torc_future_complete(&go, 1);
	torc_cancel(joiner);
	join(joiner);
	join(target);
	return 0;
}

static void
a_join_may_be_cancelled_while_its_target_ends(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_a_joiner_as_its_target_ends, NULL);

	assert_string_equal(f->trace, "1 ok canceled");
}

static int
join_group(void *arg)
{
	(void)arg;
	struct torc_group group;

	torc_group_init(&group);
	assert_int_equal(torc_group_spawn(&group, sleep_thrice, NULL), 0);
	trace("%s", word(torc_group_join(&group)));
	return 0;
}

static int
cancel_a_group_joiner(void *arg)
{
	struct torc_task *task = fake_shard_spawn(join_group, NULL);

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(task);
	return join(task);
}

static void
a_cancelled_group_join_ends_after_its_tasks(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_a_group_joiner, NULL);

	assert_string_equal(f->trace, "canceled canceled canceled canceled");
}

static int
cancel_what_is_done(void *arg)
{
	struct torc_task *task = fake_shard_spawn(say, "task");

	(void)arg;
	assert_int_equal(torc_yield(), 0);
	torc_cancel(task);
	trace("%d", join(task));
	return 0;
}

static void
cancelling_a_task_that_is_done_changes_nothing(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_what_is_done, NULL);

	assert_string_equal(f->trace, "task 7");
}

static int
cancel_self(void *arg)
{
	struct torc_future ready;

	(void)arg;
	torc_future_init(&ready, NULL, NULL);
	torc_future_complete(&ready, 5);
	torc_cancel(torc_self());
	trace("%s", word(torc_interrupted()));
	trace("%d", (int)torc_await(&ready));
	trace("%s", word(torc_sleep(HOUR)));
	return 0;
}

static void
a_task_may_cancel_itself_and_still_take_what_is_ready(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_self, NULL);

	assert_string_equal(f->trace, "canceled 5 canceled");
	assert_int_equal(fake_elapsed_ns(), 0);
}

/* Takes its time to clean up. */
static int
end_slowly(void *arg)
{
	struct nop nop;

	(void)arg;
	trace("%s", word(torc_sleep(HOUR)));
	nop_start(&nop);
	trace("%d", (int)torc_await(&nop.done));
	return 4;
}

static int
cancel_join_while_cancelled(void *arg)
{
	struct torc_task *task = fake_shard_spawn(end_slowly, NULL);
	int result;

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(torc_self());
	torc_cancel_join(task, &result);
	trace("%d", result);
	trace("%s", word(torc_sleep(HOUR)));
	return 0;
}

static void
a_cancel_join_is_not_cancelled_itself(void **state)
{
	struct fake_shard *f = *state;

	f->fake->keeps_cancels = true;
	f->fake->on_wait = complete_late;
	fake_shard_run(f, cancel_join_while_cancelled, NULL);

	assert_string_equal(f->trace, "canceled 99 4 canceled");
	f->fake->keeps_cancels = false;
}

static int
sleep_behind_shields(void *arg)
{
	struct torc_shield outer, inner;

	(void)arg;
	torc_shield_begin(&outer);
	torc_shield_begin(&inner);
	trace("%s", word(torc_sleep(2 * TORC_MS)));
	torc_shield_end(&inner);
	trace("%s", word(torc_sleep(2 * TORC_MS)));
	trace("%s", word(torc_yield()));
	torc_shield_end(&outer);
	trace("%s", word(torc_sleep(HOUR)));
	return 0;
}

static int
cancel_behind_shields(void *arg)
{
	struct torc_task *task = fake_shard_spawn(sleep_behind_shields, NULL);

	(void)arg;
	assert_int_equal(torc_sleep(TORC_MS), 0);
	torc_cancel(task);
	return join(task);
}

static void
a_cancel_waits_until_the_last_shield_is_gone(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, cancel_behind_shields, NULL);

	assert_string_equal(f->trace, "ok ok ok canceled");
}

static int
select_on_a_join(void *arg)
{
	struct torc_task *task = fake_shard_spawn(sleep_thrice, NULL);
	struct torc_future done;
	struct torc_sleep sleep;
	struct torc_future *both[] = { &done, &sleep.done };

	(void)arg;
	torc_join_start(task, &done);
	torc_sleep_start(&sleep, TORC_MS);
	trace("%d", torc_select(both, 2));
	trace("%s", word(done.value));
	torc_cancel_join(task, NULL);
	return 0;
}

static void
a_join_that_lost_a_select_leaves_the_task_running(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, select_on_a_join, NULL);

	assert_string_equal(f->trace, "1 canceled canceled canceled canceled");
}

/* ---- handles ---- */

static int
detach_before_and_after(void *arg)
{
	struct torc_task *early = fake_shard_spawn(say, "early");
	struct torc_task *late = fake_shard_spawn(say, "late");

	(void)arg;
	torc_detach(early);
	assert_false(torc_task_is_done(late));
	assert_int_equal(torc_yield(), 0);
	assert_true(torc_task_is_done(late));
	torc_detach(late);
	trace("end");
	return 0;
}

static void
a_detached_task_runs_on_and_leaves_nothing(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, detach_before_and_after, NULL);

	assert_string_equal(f->trace, "early late end");
}

static int
name_oneself(void *name)
{
	assert_null(torc_task_name(torc_self()));
	torc_task_name_set(name);
	assert_int_equal(torc_yield(), 0);
	return 0;
}

static int
ask_for_names(void *arg)
{
	struct torc_task *task = fake_shard_spawn(name_oneself, "worker");

	(void)arg;
	assert_int_equal(torc_yield(), 0);
	trace("%s", torc_task_name(task));
	return join(task);
}

static void
a_task_has_the_name_that_it_gave_itself(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, ask_for_names, NULL);

	assert_string_equal(f->trace, "worker");
}

/* ---- many ---- */

static int
nothing(void *arg)
{
	return arg != NULL;
}

static int
spawn_many(void *arg)
{
	enum { BATCH = 1000 };
	static struct torc_task *tasks[BATCH];

	(void)arg;
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < BATCH; i++)
			tasks[i] =
				fake_shard_spawn(nothing, i % 2 ? tasks : NULL);
		for (unsigned i = 0; i < BATCH; i++)
			assert_int_equal(join(tasks[i]), i % 2);
	}
	return 0;
}

static void
a_hundred_thousand_tasks_leave_nothing_behind(void **state)
{
	struct fake_shard *f = *state;

	fake_shard_run(f, spawn_many, NULL);

	assert_int_equal(f->shard.stacks.taken_count, 0);
	assert_true(f->shard.stacks.free_count <= 1001);
}

/* ---- what cannot go well ---- */

static struct torc_shard_options child_options = {
	.engine = &fake_engine,
	.ring = { .sq_entries = 8, .cq_entries = 16 },
	.stack_bytes = 64 << 10,
	.stream_bufs_max = 128,
};

static int
sleep_on_the_loop(void)
{
	static struct torc_shard shard;

	(void)!torc__shard_open(&shard, 0, &child_options);
	return torc_sleep(1);
}

static int
sleep_outside_a_shard(void)
{
	return torc_sleep(1);
}

static int
await_outside_a_shard(void)
{
	struct torc_future future;

	torc_future_init(&future, NULL, NULL);
	return (int)torc_await(&future);
}

static int
yield_outside_a_shard(void)
{
	return torc_yield();
}

static int
deadline_outside_a_shard(void)
{
	struct torc_deadline scope;

	torc_deadline_begin(&scope, 1);
	return 0;
}

static int (*const waits_outside[])(void) = {
	sleep_on_the_loop,
	sleep_outside_a_shard,
	await_outside_a_shard,
	yield_outside_a_shard,
	deadline_outside_a_shard,
};

static void
waiting_outside_a_task_ends_the_process_and_says_why(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		char text[4096];
		int status = run_in_child(waits_outside[i], text, sizeof(text));

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
		assert_non_null(strstr(text, "outside a task"));
		assert_non_null(strstr(text, "torc_spawn()"));
	}
}

static size_t
address_bytes(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file == NULL || fscanf(file, "%lu", &pages) != 1)
		return 0;
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static int
wait_for_cancel(void *arg)
{
	(void)arg;
	return torc_sleep(HOUR);
}

#define SPAWNS_MAX 100000

static int
spawn_until_memory_ends(void *arg)
{
	static struct torc_task *tasks[SPAWNS_MAX];
	unsigned count = 0;
	int ret = 0, *result = arg;

	while (count < SPAWNS_MAX && ret == 0) {
		ret = torc_spawn(&tasks[count], wait_for_cancel, NULL);
		count += ret == 0;
	}
	for (unsigned i = 0; i < count; i++)
		torc_cancel_join(tasks[i], NULL);
	/* There is memory again. */
	if (torc_spawn(NULL, nothing, NULL) != 0)
		ret = -EIO;
	*result = count > 0 ? ret : -EIO;
	return 0;
}

static int
live_in_little_space(void)
{
	static struct fake_shard f;
	struct rlimit limit;
	int result = 0;

	fake_shard_open(&f);
	limit.rlim_cur = limit.rlim_max = address_bytes() + (64 << 20);
	if (setrlimit(RLIMIT_AS, &limit) < 0)
		return 1;
	fake_shard_run(&f, spawn_until_memory_ends, &result);
	fake_shard_close(&f);
	return result == -ENOMEM ? 0 : 2;
}

static void
a_spawn_without_memory_fails_and_starts_nothing(void **state)
{
	char text[4096];
	int status;

	(void)state;
#if defined(TORC__ASAN) || defined(TORC__TSAN)
	skip(); /* a sanitizer needs more addresses than any limit leaves */
#endif
	status = run_in_child(live_in_little_space, text, sizeof(text));

	assert_string_equal(text, "");
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define WITH_SHARD(test)                 \
	cmocka_unit_test_setup_teardown( \
		test, fake_shard_set_up, fake_shard_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(a_task_runs_once_its_spawner_waits),
		WITH_SHARD(a_task_that_is_done_can_still_be_joined),
		WITH_SHARD(ready_tasks_run_in_the_order_they_were_spawned),
		WITH_SHARD(a_yield_lets_all_others_run_first),
		WITH_SHARD(the_loop_is_no_task),
		WITH_SHARD(a_cqe_resumes_its_task_at_once),
		WITH_SHARD(a_task_cancelled_before_it_ran_still_runs),
		WITH_SHARD(a_cancel_ends_a_sleep_and_every_later_await),
		WITH_SHARD(a_future_that_cannot_be_hurried_is_waited_for),
		WITH_SHARD(a_cancel_waits_for_the_answer_of_the_kernel),
		WITH_SHARD(a_success_that_was_on_its_way_beats_the_cancel),
		WITH_SHARD(
			an_interrupted_join_leaves_the_task_to_be_joined_again),
		WITH_SHARD(a_join_may_be_cancelled_while_its_target_ends),
		WITH_SHARD(a_cancelled_group_join_ends_after_its_tasks),
		WITH_SHARD(cancelling_a_task_that_is_done_changes_nothing),
		WITH_SHARD(
			a_task_may_cancel_itself_and_still_take_what_is_ready),
		WITH_SHARD(a_cancel_join_is_not_cancelled_itself),
		WITH_SHARD(a_cancel_waits_until_the_last_shield_is_gone),
		WITH_SHARD(a_join_that_lost_a_select_leaves_the_task_running),
		WITH_SHARD(a_detached_task_runs_on_and_leaves_nothing),
		WITH_SHARD(a_task_has_the_name_that_it_gave_itself),
		WITH_SHARD(a_hundred_thousand_tasks_leave_nothing_behind),
		cmocka_unit_test(
			waiting_outside_a_task_ends_the_process_and_says_why),
		cmocka_unit_test(
			a_spawn_without_memory_fails_and_starts_nothing),
	};

	return cmocka_run_group_tests_name("core/task", tests, NULL, NULL);
}
