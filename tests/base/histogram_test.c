/* SPDX-License-Identifier: MIT */
/*
 * Goal    A histogram keeps every value to one part in 32, whatever its size.
 * Method  The buckets are walked from both ends: exact where they are one
 *         wide, and by error bound over all powers of two where they are not.
 */
#include <torc/base/histogram.h>

#include "tests/test.h"

static struct torc_histogram h;

static int
setup(void **unused)
{
	(void)unused;
	torc_histogram_reset(&h);
	return 0;
}

static void
an_empty_histogram_answers_zero(void **unused)
{
	(void)unused;

	assert_int_equal(torc_histogram_count(&h), 0);
	assert_int_equal(torc_histogram_max(&h), 0);
	assert_int_equal(torc_histogram_quantile(&h, 0.5), 0);
}

static void
small_values_are_exact(void **unused)
{
	(void)unused;

	for (uint64_t value = 1; value <= 63; value++)
		torc_histogram_add(&h, value);

	assert_int_equal(torc_histogram_quantile(&h, 0), 1);
	for (uint64_t value = 1; value <= 63; value++)
		assert_int_equal(
			torc_histogram_quantile(&h, ((double)value - 0.5) / 63),
			value);
}

static void
every_value_is_kept_to_one_part_in_32(void **unused)
{
	(void)unused;

	for (unsigned bit = 0; bit < 63; bit++) {
		uint64_t value = (1ull << bit) + (1ull << bit) / 3;
		uint64_t got;

		torc_histogram_reset(&h);
		torc_histogram_add(&h, value);
		torc_histogram_add(&h, UINT64_MAX);
		got = torc_histogram_quantile(&h, 0.5);

		assert_true(got >= value);
		assert_true(got - value <= value / 32);
	}
}

static void
neighbouring_buckets_leave_no_gap(void **unused)
{
	(void)unused;

	assert_int_equal(torc_histogram_index(0), 0);
	for (unsigned bit = 5; bit < 64; bit++) {
		uint64_t value = 1ull << bit;

		assert_int_equal(torc_histogram_index(value - 1) + 1,
			torc_histogram_index(value));
	}
}

static void
the_greatest_value_has_the_last_bucket(void **unused)
{
	(void)unused;

	torc_histogram_add(&h, UINT64_MAX);

	assert_int_equal(
		torc_histogram_index(UINT64_MAX), TORC_HISTOGRAM_BUCKETS - 1);
	assert_true(torc_histogram_quantile(&h, 1) == UINT64_MAX);
}

static void
a_quantile_counts_ranks_from_below(void **unused)
{
	(void)unused;

	for (int i = 0; i < 99; i++)
		torc_histogram_add(&h, 10);
	torc_histogram_add(&h, 50);

	assert_int_equal(torc_histogram_quantile(&h, 0.5), 10);
	assert_int_equal(torc_histogram_quantile(&h, 0.99), 10);
	assert_int_equal(torc_histogram_quantile(&h, 0.995), 50);
	assert_int_equal(torc_histogram_quantile(&h, 1), 50);
}

static void
a_quantile_is_never_above_the_maximum(void **unused)
{
	(void)unused;

	torc_histogram_add(&h, 1000001);

	assert_int_equal(torc_histogram_max(&h), 1000001);
	assert_int_equal(torc_histogram_quantile(&h, 1), 1000001);
}

static void
a_share_outside_0_to_1_is_the_nearer_end(void **unused)
{
	(void)unused;

	torc_histogram_add(&h, 3);
	torc_histogram_add(&h, 7);

	assert_int_equal(torc_histogram_quantile(&h, -1), 3);
	assert_int_equal(torc_histogram_quantile(&h, 2), 7);
}

static void
merging_is_adding_each_value(void **unused)
{
	static struct torc_histogram a, b;

	(void)unused;
	torc_histogram_reset(&a);
	torc_histogram_reset(&b);
	for (uint64_t value = 1; value < 100000; value += 7) {
		torc_histogram_add(value & 1 ? &a : &b, value);
		torc_histogram_add(&h, value);
	}

	torc_histogram_merge(&a, &b);

	assert_memory_equal(&a, &h, sizeof(h));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_empty_histogram_answers_zero, setup),
		cmocka_unit_test_setup(small_values_are_exact, setup),
		cmocka_unit_test_setup(
			every_value_is_kept_to_one_part_in_32, setup),
		cmocka_unit_test_setup(
			neighbouring_buckets_leave_no_gap, setup),
		cmocka_unit_test_setup(
			the_greatest_value_has_the_last_bucket, setup),
		cmocka_unit_test_setup(
			a_quantile_counts_ranks_from_below, setup),
		cmocka_unit_test_setup(
			a_quantile_is_never_above_the_maximum, setup),
		cmocka_unit_test_setup(
			a_share_outside_0_to_1_is_the_nearer_end, setup),
		cmocka_unit_test_setup(merging_is_adding_each_value, setup),
	};

	return cmocka_run_group_tests_name("base/histogram", tests, NULL, NULL);
}
