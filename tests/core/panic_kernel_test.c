/* SPDX-License-Identifier: MIT */
/*
 * Goal    Whoever reads a panic's line learns which task it was.
 * Method  Programs that make a mistake, in a child.
 */
#include <string.h>

#include <torc.h>

#include "base/assert_priv.h"
#include "tests/support/fake_shard.h"
#include "tests/test.h"

static char text[4096];

static int
run(torc_task_fn *fn)
{
	struct torc_options options = { .shards = 1 };

	return torc_run(&options, fn, NULL);
}

static int
fail_in_a_task(void *arg)
{
	torc_task_name_set("greeter");
	torc_assert(arg != NULL);
	return 0;
}

static int
task_program(void)
{
	return run(fail_in_a_task);
}

static void
a_failed_assertion_names_its_task(void **state)
{
	(void)state;

	run_in_child(task_program, text, sizeof(text));

	assert_non_null(strstr(text, "torc_assert(arg != "));
	assert_non_null(strstr(text, "(shard 0, task greeter)\n"));
}

static void
fail_in_the_loop(struct torc_future *done)
{
	torc__panic("the value is %d", (int)done->value);
}

static int
start_and_wait(void *arg)
{
	struct torc_sleep pause;

	(void)arg;
	torc_sleep_start(&pause, TORC_US);
	torc_future_then(&pause.done, fail_in_the_loop, NULL);
	return torc_sleep(TORC_S);
}

static int
loop_program(void)
{
	return run(start_and_wait);
}

static void
a_panic_in_a_function_of_the_loop_says_so(void **state)
{
	(void)state;

	run_in_child(loop_program, text, sizeof(text));

	assert_non_null(strstr(
		text, "panic: the value is 0 (shard 0, outside a task)\n"));
}

static int
fail_at_length(void *arg)
{
	char name[600];

	(void)arg;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	torc_task_name_set(name);
	torc__panic("short");
	return 0;
}

static int
length_program(void)
{
	return run(fail_at_length);
}

static void
a_line_that_is_too_long_is_cut(void **state)
{
	const char *line;

	(void)state;

	run_in_child(length_program, text, sizeof(text));

	line = strstr(text, "torc: panic: short (shard 0, task xxx");
	assert_non_null(line);
	assert_int_equal(strcspn(line, "\n"), 511);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_assertion_names_its_task),
		cmocka_unit_test(a_panic_in_a_function_of_the_loop_says_so),
		cmocka_unit_test(a_line_that_is_too_long_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
