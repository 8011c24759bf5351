/* SPDX-License-Identifier: MIT */
/*
 * Goal    Memory that the kernel may still write to is never given back, not
 *         even by a shard that ends without its last operations.
 * Method  A child ends a fake shard with an operation that never finishes,
 *         and asks the kernel whether the region is still mapped.
 */
#include <sys/mman.h>

#include "tests/support/fake_shard.h"
#include "tests/test.h"

static struct fake_shard fixture;

static bool
is_mapped(void *memory)
{
	return msync(memory, 4096, MS_ASYNC) == 0;
}

static void
ignore_cqe(struct torc_op *op, int32_t res, uint32_t cqe_flags)
{
	(void)op;
	(void)res;
	(void)cqe_flags;
}

/* Returns the region's first bytes, after the shard has closed. */
static void *
end_shard(bool is_quiet)
{
	static struct torc_op op;
	struct io_uring_sqe *sqe;
	void *region;

	fake_shard_open(&fixture);
	region = fixture.shard.region.base;
	if (!is_quiet) {
		fixture.fake->keeps_cancels = true;
		torc__op_init(&op, ignore_cqe);
		sqe = torc__ring_sqe(&fixture.shard.ring);
		io_uring_prep_nop(sqe);
		torc__op_submit(&fixture.shard.ring, &op, sqe);
	}
	torc__shard_close(&fixture.shard);
	return region;
}

static int
end_busy(void)
{
	return is_mapped(end_shard(false)) ? 0 : 1;
}

static int
end_quiet(void)
{
	return is_mapped(end_shard(true)) ? 1 : 0;
}

static void
the_region_outlasts_ops_that_do_not_finish(void **state)
{
	(void)state;
	child_text(end_busy, 0);
}

static void
the_region_goes_with_a_shard_that_is_quiet(void **state)
{
	(void)state;
	child_text(end_quiet, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_region_outlasts_ops_that_do_not_finish),
		cmocka_unit_test(the_region_goes_with_a_shard_that_is_quiet),
	};

	return cmocka_run_group_tests_name(
		"core/left_behind", tests, NULL, NULL);
}
