/* SPDX-License-Identifier: MIT */
/*
 * Goal    The clock never runs backwards and its units are what they say.
 * Method  Many readings in a row; only their order is looked at.
 */
#include <torc/base/clock.h>

#include "tests/test.h"

static void
units_are_nanoseconds(void **unused)
{
	(void)unused;
	assert_int_equal(TORC_US, 1000);
	assert_int_equal(TORC_MS, 1000000);
	assert_int_equal(TORC_S, 1000000000);
	assert_int_equal(sizeof(TORC_S), sizeof(uint64_t));
}

static void
readings_never_decrease(void **unused)
{
	uint64_t last = torc_clock_ns();

	(void)unused;
	for (int i = 0; i < 100000; i++) {
		uint64_t now = torc_clock_ns();

		assert_true(now >= last);
		last = now;
	}
	assert_true(last > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_are_nanoseconds),
		cmocka_unit_test(readings_never_decrease),
	};

	return cmocka_run_group_tests_name("base/clock", tests, NULL, NULL);
}
