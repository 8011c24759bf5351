/* SPDX-License-Identifier: MIT */
/*
 * Goal    Pieces of a region are aligned, inside it and apart from each other,
 *         and the region says when it is used up.
 * Method  The corners, then pieces of random sizes until there are none left.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc/region_priv.h"
#include "base/sanitizer_priv.h"
#include "tests/test.h"

static struct torc_region region;

static int
set_up(void **state)
{
	*state = &region;
	return torc__region_map(&region, TORC__REGION_BYTES);
}

static int
tear_down(void **state)
{
	struct torc_region *r = *state;

	torc__region_unmap(r);
	assert_null(r->base);
	torc__region_unmap(r);
	return 0;
}

static void
a_region_is_zeroed_and_writable(void **state)
{
	struct torc_region *r = *state;

	assert_int_equal(r->bytes, TORC__REGION_BYTES);
	for (size_t i = 0; i < r->bytes; i += 4096) {
		assert_int_equal(r->base[i], 0);
		r->base[i] = 1;
	}
	r->base[r->bytes - 1] = 1;
}

static void
pieces_are_aligned_and_apart(void **state)
{
	struct torc_region *r = *state;
	uint8_t *end = r->base;

	srand(1);
	for (;;) {
		size_t align = (size_t)1 << rand() % 13;
		size_t bytes = 1 + (size_t)(rand() % 20000);
		uint8_t *piece = torc__region_cut(r, bytes, align);

		if (piece == NULL)
			break;
		assert_int_equal((uintptr_t)piece % align, 0);
		assert_true(piece >= end);
		end = piece + bytes;
		assert_true(end <= r->base + r->bytes);
		memset(piece, 0xaa, bytes);
	}
	assert_true(r->base + r->bytes - end < 20000 + 4096);
}

static void
the_last_byte_can_be_had_and_no_more(void **state)
{
	struct torc_region *r = *state;

	assert_non_null(torc__region_cut(r, TORC__REGION_BYTES - 1, 1));
	assert_null(torc__region_cut(r, 2, 1));
	assert_non_null(torc__region_cut(r, 1, 1));
	assert_null(torc__region_cut(r, 1, 1));
	assert_null(torc__region_cut(r, 1, 4096));
}

static void
a_size_that_would_wrap_is_refused(void **state)
{
	struct torc_region *r = *state;

	assert_non_null(torc__region_cut(r, 100, 64));
	assert_null(torc__region_cut(r, SIZE_MAX, 64));
	assert_null(torc__region_cut(r, SIZE_MAX - 100, 1));
	assert_ptr_equal(torc__region_cut(r, 1, 64), r->base + 128);
}

/* Whether the child has the page, found without touching it. */
static void
a_child_does_not_inherit_it(void **state)
{
	struct torc_region *r = *state;
	int fds[2], status;
	pid_t child;

#ifdef TORC__TSAN
	skip(); /* it maps something else there in the child */
#endif
	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(write(fds[1], r->base, 1) == 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(fds[0]);
	close(fds[1]);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define WITH_REGION(test) \
	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_REGION(a_region_is_zeroed_and_writable),
		WITH_REGION(pieces_are_aligned_and_apart),
		WITH_REGION(the_last_byte_can_be_had_and_no_more),
		WITH_REGION(a_size_that_would_wrap_is_refused),
		WITH_REGION(a_child_does_not_inherit_it),
	};

	return cmocka_run_group_tests_name("alloc/region", tests, NULL, NULL);
}
