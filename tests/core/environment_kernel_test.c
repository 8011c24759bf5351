/* SPDX-License-Identifier: MIT */
/*
 * Goal    The environment sets what the program left at zero, nothing else,
 *         and a value that is wrong starts nothing and is named.
 * Method  Programs in a child of their own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <torc.h>

#include "core/shard_priv.h"
#include "tests/support/fake_shard.h"
#include "tests/test.h"

static char text[4096];

static int
count_shards(void *arg)
{
	(void)arg;
	return (int)torc_shard_count();
}

static int
default_shards(void)
{
	return torc_run(NULL, count_shards, NULL);
}

static int
two_shards(void)
{
	struct torc_options options = { .shards = 2 };

	return torc_run(&options, count_shards, NULL);
}

static int
is_refused(void)
{
	return torc_run(NULL, count_shards, NULL) == -EINVAL ? 0 : 1;
}

static int
polls(void *arg)
{
	(void)arg;
	return torc__shard->busy_poll;
}

static int
default_polls(void)
{
	return torc_run(NULL, polls, NULL);
}

static int
tear_down(void **state)
{
	(void)state;
	unsetenv("TORC_SHARDS");
	unsetenv("TORC_BUSY_POLL");
	unsetenv("TORC_STALL_MS");
	return 0;
}

/* The exit status of fn in a child. */
static int
result_of(int (*fn)(void))
{
	return WEXITSTATUS(run_in_child(fn, text, sizeof(text)));
}

static void
torc_shards_sets_how_many(void **state)
{
	(void)state;
	setenv("TORC_SHARDS", "3", 1);

	assert_int_equal(result_of(default_shards), 3);
	assert_int_equal(torc_shards_usable(), 3);
}

/* As if it were not set; torc_run() says that it is wrong. */
static void
a_wrong_number_is_not_usable(void **state)
{
	unsigned without = torc_shards_usable();

	(void)state;
	setenv("TORC_SHARDS", "many", 1);
	assert_int_equal(torc_shards_usable(), without);
	setenv("TORC_SHARDS", "0", 1);
	assert_int_equal(torc_shards_usable(), without);
	assert_int_equal(result_of(default_shards), (int)without);
}

static void
the_programs_own_number_wins(void **state)
{
	(void)state;
	setenv("TORC_SHARDS", "3", 1);

	assert_int_equal(result_of(two_shards), 2);
}

static void
torc_busy_poll_makes_it_poll(void **state)
{
	(void)state;

	setenv("TORC_BUSY_POLL", "0", 1);
	assert_int_equal(result_of(default_polls), 0);
	setenv("TORC_BUSY_POLL", "1", 1);
	assert_int_equal(result_of(default_polls), 1);
}

static void
refuses(const char *name, const char *value)
{
	setenv(name, value, 1);
	assert_int_equal(result_of(is_refused), 0);
	assert_non_null(strstr(text, name));
	assert_non_null(strstr(text, "give a number from 0 to"));
	unsetenv(name);
}

static void
a_wrong_value_is_named_and_starts_nothing(void **state)
{
	(void)state;

	refuses("TORC_SHARDS", "many");
	refuses("TORC_SHARDS", "-1");
	refuses("TORC_SHARDS", "1025");
	refuses("TORC_SHARDS", "2 ");
	refuses("TORC_BUSY_POLL", "yes");
	refuses("TORC_STALL_MS", "10ms");
	refuses("TORC_STALL_MS", "99999999999999999999");
}

static void
an_empty_value_counts_as_none(void **state)
{
	(void)state;
	setenv("TORC_SHARDS", "", 1);

	assert_int_equal(result_of(default_shards), (int)torc_shards_usable());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(torc_shards_sets_how_many, tear_down),
		cmocka_unit_test_teardown(
			a_wrong_number_is_not_usable, tear_down),
		cmocka_unit_test_teardown(
			the_programs_own_number_wins, tear_down),
		cmocka_unit_test_teardown(
			torc_busy_poll_makes_it_poll, tear_down),
		cmocka_unit_test_teardown(
			a_wrong_value_is_named_and_starts_nothing, tear_down),
		cmocka_unit_test_teardown(
			an_empty_value_counts_as_none, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
