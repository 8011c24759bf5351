/* SPDX-License-Identifier: MIT */
/*
 * Goal    An option above its limit starts nothing and is named; it is not
 *         cut in silence. At its limit it is taken.
 * Method  torc_run() in a child, with an engine that there is none of: after
 *         the limits it is looked for, and refused in other words.
 */
#include <errno.h>
#include <string.h>

#include <torc.h>

#include "tests/support/child.h"
#include "tests/test.h"

#define MIB ((size_t)1 << 20)

static struct torc_options options;

static int
never_begins(void *arg)
{
	(void)arg;
	return 0;
}

static int
run_options(void)
{
	return -torc_run(&options, never_begins, NULL);
}

static const struct {
	const char *name;
	struct torc_options most;
	struct torc_options past;
	const char *words;
} rows[] = {
	{ "shards", { .shards = 1024 }, { .shards = 1025 },
		"shards is 1025: 1024 at most" },
	{ "blocking_threads_max", { .blocking_threads_max = 4096 },
		{ .blocking_threads_max = 4097 },
		"blocking_threads_max is 4097: 4096 at most" },
	{ "receive_bytes_max", { .receive_bytes_max = 4096 * MIB },
		{ .receive_bytes_max = 4096 * MIB + 1 },
		"receive_bytes_max is 4294967297: 4294967296 at most" },
	{ "io_bytes_max", { .io_bytes_max = 1024 * MIB },
		{ .io_bytes_max = 1024 * MIB + 1 },
		"io_bytes_max is 1073741825: 1073741824 at most" },
};

#define ROWS_COUNT (sizeof(rows) / sizeof(rows[0]))

static void
one_past_its_limit_is_refused_and_named(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROWS_COUNT; i++) {
		options = rows[i].past;
		options.engine = "none";
		assert_says(child_text(run_options, EINVAL), rows[i].words);
	}
}

static void
the_limit_itself_is_taken(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROWS_COUNT; i++) {
		const char *text;

		options = rows[i].most;
		options.engine = "none";
		text = child_text(run_options, EINVAL);
		assert_null(strstr(text, rows[i].name));
		assert_says(text, "torc_options.engine=none");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_past_its_limit_is_refused_and_named),
		cmocka_unit_test(the_limit_itself_is_taken),
	};

	return cmocka_run_group_tests_name("core/limit", tests, NULL, NULL);
}
