/* SPDX-License-Identifier: MIT */
/*
 * Goal    Who was quiet sleeps at once and forgets it soon; who is busy looks.
 * Method  Waits of known lengths through the average alone.
 */
#include "core/spin_priv.h"
#include "tests/test.h"

#define SPIN_NS 50000

static uint64_t
after(uint64_t gap_ns, uint64_t waited_ns, unsigned times)
{
	while (times-- > 0)
		gap_ns = torc__spin_gap(gap_ns, waited_ns, SPIN_NS);
	return gap_ns;
}

static void
a_wait_longer_than_the_look_is_soon_the_rule(void **state)
{
	(void)state;
	assert_true(after(0, SPIN_NS + SPIN_NS / 10, 20) >= SPIN_NS);
	assert_true(after(0, 4 * SPIN_NS, 1) >= SPIN_NS);
}

static void
quiet_is_forgotten_after_five_short_waits(void **state)
{
	uint64_t quiet_ns = after(0, UINT64_MAX, 100);

	(void)state;
	assert_true(quiet_ns > 3 * SPIN_NS && quiet_ns <= 4 * SPIN_NS);
	assert_true(after(quiet_ns, 0, 4) >= SPIN_NS);
	assert_true(after(quiet_ns, 0, 5) < SPIN_NS);
}

static void
one_long_wait_among_short_ones_costs_one_look(void **state)
{
	uint64_t gap_ns = after(after(0, 1000, 50), UINT64_MAX, 1);

	(void)state;
	assert_true(gap_ns >= SPIN_NS);
	assert_true(after(gap_ns, 1000, 1) < SPIN_NS);
}

static void
who_never_looks_has_no_average(void **state)
{
	(void)state;
	assert_int_equal(torc__spin_gap(0, UINT64_MAX, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_longer_than_the_look_is_soon_the_rule),
		cmocka_unit_test(quiet_is_forgotten_after_five_short_waits),
		cmocka_unit_test(one_long_wait_among_short_ones_costs_one_look),
		cmocka_unit_test(who_never_looks_has_no_average),
	};

	return cmocka_run_group_tests_name("core/spin", tests, NULL, NULL);
}
