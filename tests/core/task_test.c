/* SPDX-License-Identifier: MIT */
/*
 * Goal    Tasks run in the promised order, end with the promised result, and
 *         leave nothing. Their cancels are in task_cancel_test.
 * Method  Real tasks on a fake engine: time passes only when all wait. Each
 *         test writes words down as things happen and compares the line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/sleep.h>

#define HOUR (3600 * TORC_S)

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
	trace("%d", fake_shard_join(task));
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
	trace("%d", fake_shard_join(task));
	return 0;
}

static void
a_task_that_is_done_can_still_be_joined(void **state)
{
	assert_trace(*state, join_what_is_done, NULL, "task main 7");
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
	assert_trace(*state, spawn_three, NULL, "main a b c");
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
	assert_trace(*state, spawn_yielders, NULL, "a1 b1 c a2 b2");
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
	assert_null(torc_self());
	assert_trace(*state, ask_for_self, NULL, "self none");
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
	assert_trace(*state, detach_before_and_after, NULL, "early late end");
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
	return fake_shard_join(task);
}

static void
a_task_has_the_name_that_it_gave_itself(void **state)
{
	assert_trace(*state, ask_for_names, NULL, "worker");
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
			assert_int_equal(fake_shard_join(tasks[i]), i % 2);
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
		const char *text = last_words(waits_outside[i]);

		assert_says(text, "outside a task");
		assert_says(text, "torc_spawn()");
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
	(void)state;
#if defined(TORC__ASAN) || defined(TORC__TSAN)
	skip(); /* a sanitizer needs more addresses than any limit leaves */
#endif
	assert_string_equal(child_text(live_in_little_space, 0), "");
}

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
