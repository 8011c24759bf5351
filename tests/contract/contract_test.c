/* SPDX-License-Identifier: MIT */
/*
 * Goal    What a ring does lies inside what code above it is prepared for:
 *         on io_uring with each kind of ring, and on every other engine.
 * Method  The scripts of this folder, all of them on each. CONTRACT picks
 *         those with a part of a name: CONTRACT=cancel.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tests/contract/steps.h"
#include "tests/test.h"
#include <torc/base/log.h>

/* What every engine has to show. */
#define SHARED_MIN 340

static int leaked_fd;

static void
there_are_enough_scripts(void **state)
{
	(void)state;
	assert_true(contract_scripts_shared() >= SHARED_MIN);
	assert_true(contract_scripts_count() >= contract_scripts_shared());
}

static void
says_too_much(struct contract *c)
{
	start_nop(c, 1);
	start_nop(c, 2);
	expect(c, 1, RES(0));
}

static void
says_something_else(struct contract *c)
{
	start_nop(c, 1);
	expect(c, 1, RES(-ENOENT), BETWEEN(1, 5), RES_WITH(0, F_MORE));
}

static void
wants_a_truth_that_is_none(struct contract *c)
{
	require_is(c, unregister_group(c, 1), 0);
}

static void
leaves_a_descriptor_behind(struct contract *c)
{
	leaked_fd = c->engine->event_open(&c->ring);
}

static void
is_as_it_should_be(struct contract *c)
{
	start_nop(c, 1);
	expect(c, 1, RES(0));
}

/* Without this the rest could be silent for the wrong reason. */
static void
a_script_outside_its_set_is_named(void **state)
{
	static const struct {
		struct contract_script script;
		const char *why;
	} bad[] = {
		{ { .run = says_too_much }, "1 completions that it did not" },
		{ { .run = says_something_else },
			"expected {-2, 1..5, 0 more}, got 0" },
		{ { .run = wants_a_truth_that_is_none }, "gave -2 and not 0" },
		{ { .run = leaves_a_descriptor_behind }, "1 descriptors more" },
	};
	static const struct contract_script good = {
		.run = is_as_it_should_be
	};
	static const struct contract_config epoll = { "epoll", "epoll", 0 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const char *why = contract_show(&epoll, &bad[i].script);

		assert_non_null(why);
		assert_non_null(strstr(why, bad[i].why));
	}
	close(leaked_fd);
	assert_null(contract_show(&epoll, &good));
}

static void
every_outcome_is_inside_the_model(void **state)
{
	const struct contract_config *config = *state;
	const char *part = getenv("CONTRACT");
	struct contract_result result = contract_run(config, part, stdout);

	if (result.error == -ENOENT) {
		/* It stands aloud in the log, and not as a success. */
		skip();
	}
	/* A ring of another kind would show nothing of this one. */
	assert_int_not_equal(result.error, -EBADRQC);
	if (result.error < 0) {
		assert_string_equal(config->engine, "kernel");
		skip();
	}
	assert_int_equal(result.inside, result.ran);
	if (part == NULL)
		assert_true(result.ran >= contract_scripts_shared());
}

int
main(void)
{
	struct CMUnitTest tests[16] = {
		cmocka_unit_test(there_are_enough_scripts),
		cmocka_unit_test(a_script_outside_its_set_is_named),
	};
	struct utsname machine;
	size_t count = 2;

	torc_log_name("contract");
	uname(&machine);
	printf("%s %s, %u scripts, %u of them for every engine\n",
		machine.sysname, machine.release, contract_scripts_count(),
		contract_scripts_shared());
	for (size_t i = 0; i < contract_configs_count; i++)
		tests[count++] = (struct CMUnitTest){
			.name = contract_configs[i].name,
			.test_func = every_outcome_is_inside_the_model,
			.initial_state =
				(void *)(uintptr_t)&contract_configs[i],
		};
	return _cmocka_run_group_tests("contract", tests, count, NULL, NULL);
}
