/* SPDX-License-Identifier: MIT */
/*
 * Goal    A task finds its own value of a key, the innermost one, and never
 *         that of another task.
 * Method  Real tasks on a fake engine that take turns between two scopes.
 */

#include "tests/support/fake_shard.h"
#include "tests/test.h"
#include <torc/core/local.h>

static const struct torc_task_local request = { "request" };
static const struct torc_task_local user = { "user" };

static void
tell(void)
{
	const char *of_request = torc_task_local_get(&request);
	const char *of_user = torc_task_local_get(&user);

	trace("%s/%s", of_request == NULL ? "-" : of_request,
		of_user == NULL ? "-" : of_user);
}

static int
nest_scopes(void *arg)
{
	struct torc_task_local_scope outer, other, inner;

	(void)arg;
	tell();
	torc_task_local_begin(&outer, &request, "a");
	torc_task_local_begin(&other, &user, "u");
	tell();
	torc_task_local_begin(&inner, &request, "b");
	tell();
	torc_task_local_end(&inner);
	tell();
	torc_task_local_end(&other);
	torc_task_local_end(&outer);
	tell();
	return 0;
}

static void
the_innermost_scope_of_a_key_counts(void **state)
{
	assert_trace(*state, nest_scopes, NULL, "-/- a/u b/u a/u -/-");
}

static int
tell_across_yields(void *name)
{
	struct torc_task_local_scope scope;

	tell();
	torc_task_local_begin(&scope, &request, name);
	assert_int_equal(torc_yield(), 0);
	tell();
	assert_int_equal(torc_yield(), 0);
	torc_task_local_end(&scope);
	tell();
	return 0;
}

static int
spawn_two_inside_a_scope(void *arg)
{
	struct torc_task_local_scope scope;
	struct torc_task *a, *b;

	(void)arg;
	torc_task_local_begin(&scope, &request, "main");
	a = fake_shard_spawn(tell_across_yields, "a");
	b = fake_shard_spawn(tell_across_yields, "b");
	assert_int_equal(torc_join(a, NULL), 0);
	assert_int_equal(torc_join(b, NULL), 0);
	tell();
	torc_task_local_end(&scope);
	return 0;
}

static void
tasks_share_no_value_and_inherit_none(void **state)
{
	assert_trace(*state, spawn_two_inside_a_scope, NULL,
		"-/- -/- a/- b/- -/- -/- main/-");
}

static int
hold_null(void *arg)
{
	struct torc_task_local_scope outer, inner;

	(void)arg;
	torc_task_local_begin(&outer, &request, "a");
	torc_task_local_begin(&inner, &request, NULL);
	tell();
	torc_task_local_end(&inner);
	torc_task_local_end(&outer);
	return 0;
}

static void
no_value_hides_an_outer_one(void **state)
{
	assert_trace(*state, hold_null, NULL, "-/-");
}

static void
outside_a_task_there_is_none(void **state)
{
	(void)state;
	assert_null(torc_task_local_get(&request));
}

static int
end_the_outer_first(void *arg)
{
	struct torc_task_local_scope outer, inner;

	(void)arg;
	torc_task_local_begin(&outer, &request, "a");
	torc_task_local_begin(&inner, &user, "u");
	torc_task_local_end(&outer);
	return 0;
}

static int
begin_outside_a_task(void)
{
	struct torc_task_local_scope scope;

	torc_task_local_begin(&scope, &request, NULL);
	return 0;
}

static void
a_mistake_ends_the_process_and_is_named(void **state)
{
	const char *text = last_words_of_task(end_the_outer_first, NULL);

	(void)state;
	assert_says(text, "reverse order");
	assert_says(text, "user");
	assert_says(last_words(begin_outside_a_task),
		"torc_task_local_begin outside a task");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SHARD(the_innermost_scope_of_a_key_counts),
		WITH_SHARD(tasks_share_no_value_and_inherit_none),
		WITH_SHARD(no_value_hides_an_outer_one),
		cmocka_unit_test(outside_a_task_there_is_none),
		cmocka_unit_test(a_mistake_ends_the_process_and_is_named),
	};

	return cmocka_run_group_tests_name("core/local", tests, NULL, NULL);
}
