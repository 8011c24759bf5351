/* SPDX-License-Identifier: MIT */
/*
 * Goal    A mistake with tasks and futures ends the process at once, with a
 *         line that names it: never a hang, never silence.
 * Method  Each mistake is made in a child, which must abort; the line that it
 *         wrote is compared.
 */
#include <errno.h>

#include <torc.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"

static int
nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int
join_oneself(void *arg)
{
	struct torc_task **self = arg;

	torc_task_name_set("narcissus");
	return torc_join(*self, NULL);
}

static int
spawn_one_that_joins_itself(void *arg)
{
	static struct torc_task *task;

	(void)arg;
	task = fake_shard_spawn(join_oneself, &task);
	return torc_join(task, NULL);
}

static int
join_twice(void *arg)
{
	struct torc_task *task = fake_shard_spawn(nothing, NULL);

	(void)arg;
	assert_int_equal(torc_join(task, NULL), 0);
	return torc_join(task, NULL);
}

static int
join_what_was_detached(void *arg)
{
	struct torc_task *task = fake_shard_spawn(nothing, NULL);

	(void)arg;
	torc_detach(task);
	return torc_join(task, NULL);
}

static int
detach_twice(void *arg)
{
	struct torc_task *task = fake_shard_spawn(nothing, NULL);

	(void)arg;
	torc_detach(task);
	torc_detach(task);
	return 0;
}

static int
join_detached_self(void *arg)
{
	(void)arg;
	return torc_join(torc_self(), NULL);
}

static int
spawn_detached_self_joiner(void *arg)
{
	(void)arg;
	assert_int_equal(torc_spawn(NULL, join_detached_self, NULL), 0);
	return torc_yield();
}

static int
join_given(void *task)
{
	return torc_join(task, NULL);
}

static int
sleep_long(void *arg)
{
	(void)arg;
	return torc_sleep(TORC_S);
}

static int
two_join_one(void *arg)
{
	struct torc_task *task = fake_shard_spawn(sleep_long, NULL);

	(void)arg;
	fake_shard_spawn(join_given, task);
	fake_shard_spawn(join_given, task);
	return torc_yield();
}

static int
detach_what_is_joined(void *arg)
{
	struct torc_task *task = fake_shard_spawn(sleep_long, NULL);

	(void)arg;
	fake_shard_spawn(join_given, task);
	assert_int_equal(torc_yield(), 0);
	torc_detach(task);
	return 0;
}

static void
await_in_a_function(struct torc_future *done)
{
	(void)done;
	torc_yield();
}

static int
await_where_the_loop_calls(void *arg)
{
	struct torc_sleep sleep;

	(void)arg;
	torc_sleep_start(&sleep, TORC_MS);
	torc_future_then(&sleep.done, await_in_a_function, NULL);
	return torc_sleep(TORC_S);
}

static int
complete_twice(void *arg)
{
	struct torc_future future;

	(void)arg;
	torc_future_init(&future, NULL, NULL);
	torc_future_complete(&future, 0);
	torc_future_complete(&future, 0);
	return 0;
}

static void
mistakes_with_a_handle_are_named(void **state)
{
	static const struct {
		torc_task_fn *fn;
		const char *words;
	} rows[] = {
		{ spawn_one_that_joins_itself, "task narcissus joins itself" },
		{ join_twice, "torc_join: the task was joined or detached" },
		{ join_what_was_detached, "was joined or detached already" },
		{ detach_twice, "torc_detach: the task was joined or" },
		{ spawn_detached_self_joiner, "has no handle" },
		{ two_join_one, "somebody joins task without a name already" },
		{ detach_what_is_joined, "torc_detach: somebody joins" },
		{ await_where_the_loop_calls, "torc_yield outside a task" },
		{ complete_twice, "torc_future_is_ready" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_says(
			last_words_of_task(rows[i].fn, NULL), rows[i].words);
}

/* ---- outside a task ---- */

static struct torc_group lonely;
static struct torc_ticker idle;
static struct torc_future never;
static struct torc_future *const nevers[] = { &never };

static int
join_outside(void)
{
	return torc_group_join(&lonely);
}

static int
next_outside(void)
{
	struct torc_group_result result;

	return torc_group_next(&lonely, &result);
}

static int
tick_outside(void)
{
	return torc_ticker_next(&idle);
}

static int
select_outside(void)
{
	return torc_select(nevers, 1);
}

static int
await_timeout_outside(void)
{
	return (int)torc_await_timeout(&never, 1);
}

static int
shield_outside(void)
{
	struct torc_shield shield;

	torc_shield_begin(&shield);
	return 0;
}

static int
name_outside(void)
{
	torc_task_name_set("nobody");
	return 0;
}

static void
waiting_outside_a_task_is_named(void **state)
{
	static const struct mistake_row rows[] = {
		{ join_outside, "torc_group_join outside a task" },
		{ next_outside, "torc_group_next outside a task" },
		{ tick_outside, "torc_ticker_next outside a task" },
		{ select_outside, "an await outside a task" },
		{ await_timeout_outside, "a deadline outside a task" },
		{ shield_outside, "a shield outside a task" },
		{ name_outside, "torc_task_name_set outside a task" },
	};

	(void)state;
	torc_group_init(&lonely);
	torc_future_init(&never, NULL, NULL);
	assert_mistakes(rows);
}

/* ---- two shards ---- */

static struct torc_task *first;
static struct torc_future shared;
static bool is_first_there;

/* Waits where the others, on the second shard, make their mistakes. */
static int
wait_on_the_first_shard(void)
{
	torc_task_name_set("elsewhere");
	torc_future_init(&shared, NULL, NULL);
	first = torc_self();
	__atomic_store_n(&is_first_there, true, __ATOMIC_RELEASE);
	return (int)torc_await(&shared);
}

static void
await_the_first(void)
{
	while (!__atomic_load_n(&is_first_there, __ATOMIC_ACQUIRE))
		torc_sleep(TORC_MS);
	/* It is waiting by now: it has nothing else to do. */
	torc_sleep(50 * TORC_MS);
}

static struct torc_group group;

static int
wait_beside_a_group(void)
{
	torc_group_init(&group);
	assert_int_equal(torc_group_spawn(&group, sleep_long, NULL), 0);
	return wait_on_the_first_shard();
}

/* A group with a result that nobody has taken, for the other shard. */
static int
keep_a_result(void)
{
	torc_group_init(&group);
	group.collect = true;
	assert_int_equal(torc_group_spawn(&group, nothing, NULL), 0);
	return wait_on_the_first_shard();
}

static int
cancel_first(void)
{
	torc_cancel(first);
	return 0;
}

static int
join_first(void)
{
	return torc_join(first, NULL);
}

static int
look_at_first(void)
{
	return torc_task_is_done(first);
}

static int
ask_first_its_name(void)
{
	return torc_task_name(first) == NULL;
}

static int
complete_shared(void)
{
	torc_future_complete(&shared, 1);
	return 0;
}

static int
spawn_in_group(void)
{
	return torc_group_spawn(&group, sleep_long, NULL);
}

static int
try_next_of_group(void)
{
	struct torc_group_result result;

	return torc_group_try_next(&group, &result);
}

static int
cancel_group(void)
{
	torc_group_cancel(&group);
	return 0;
}

static const struct afar_row {
	int (*arrange)(void); /* on the first shard */
	int (*mistake)(void); /* on the second */
	const char *words;
} afar_rows[] = {
	{ wait_on_the_first_shard, cancel_first,
		"torc_cancel: task elsewhere is of shard" },
	{ wait_on_the_first_shard, join_first,
		"torc_join: task elsewhere is of shard 0" },
	{ wait_on_the_first_shard, look_at_first,
		"torc_task_is_done: task elsewhere is of" },
	{ wait_on_the_first_shard, ask_first_its_name,
		"torc_task_name: task elsewhere is of" },
	{ wait_on_the_first_shard, complete_shared,
		"torc_future_complete: task elsewhere" },
	{ wait_beside_a_group, spawn_in_group,
		"torc_group_spawn: this group is of shard" },
	{ keep_a_result, try_next_of_group,
		"torc_group_next: this group is of shard 0" },
	{ keep_a_result, cancel_group,
		"torc_group_cancel: this group is of shard 0" },
};

static const struct afar_row *afar;

static int
arrange_or_make_the_mistake(void *arg)
{
	(void)arg;
	if (torc_shard_index() == 0)
		return afar->arrange();
	await_the_first();
	return afar->mistake();
}

static int
run_on_both(void *arg)
{
	(void)arg;
	return torc_run_on_shards(arrange_or_make_the_mistake, NULL);
}

static int
make_the_mistake_on_two_shards(void)
{
	struct torc_options options = { .engine = "epoll", .shards = 2 };

	return torc_run(&options, run_on_both, NULL);
}

static void
the_wrong_shard_is_named(void **state)
{
	(void)state;
#ifdef TORC__TSAN
	skip(); /* it names the mistake as well, in other words */
#endif
	for (unsigned i = 0; i < sizeof(afar_rows) / sizeof(*afar_rows); i++) {
		afar = &afar_rows[i];
		assert_says(last_words(make_the_mistake_on_two_shards),
			afar->words);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_with_a_handle_are_named),
		cmocka_unit_test(waiting_outside_a_task_is_named),
		cmocka_unit_test(the_wrong_shard_is_named),
	};

	return cmocka_run_group_tests_name("core/misuse", tests, NULL, NULL);
}
