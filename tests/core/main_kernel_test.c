/* SPDX-License-Identifier: MIT */
/*
 * Goal    A program whose main() is TORC_MAIN() tells by its exit status
 *         whether all went well, and in a line what did not.
 * Method  The macro's main() under another name, in a child per result.
 */
#include <errno.h>

#include <torc.h>

#include "tests/support/child.h"
#include "tests/test.h"

static int result;

static int
return_it(void *arg)
{
	return arg == NULL ? result : -EINVAL;
}

int macro_main(void);

#define main macro_main
TORC_MAIN(return_it)
#undef main

static void
an_error_is_a_line_and_a_one(void **state)
{
	(void)state;
	result = -EADDRINUSE;
	assert_string_equal(child_text(macro_main, 1),
		"torc: error: main: Address already in use\n");
}

static void
zero_is_a_zero_in_silence(void **state)
{
	(void)state;
	result = 0;
	assert_string_equal(child_text(macro_main, 0), "");
}

static void
what_is_no_error_is_a_one_in_silence(void **state)
{
	(void)state;
	result = 3;
	assert_string_equal(child_text(macro_main, 1), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_a_line_and_a_one),
		cmocka_unit_test(zero_is_a_zero_in_silence),
		cmocka_unit_test(what_is_no_error_is_a_one_in_silence),
	};

	/* Where io_uring is forbidden, that is a line, too. */
	torc_log_level_set(TORC_LOG_ERROR);
	return cmocka_run_group_tests_name("core/main", tests, NULL, NULL);
}
