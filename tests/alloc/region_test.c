/* SPDX-License-Identifier: MIT */
/*
 * Goal    Pieces of a region are aligned, inside it and apart from each other,
 *         and the region says when it is used up.
 * Method  The corners, then pieces of random sizes until there are none left.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

/* The line of smaps that says how the kernel treats this address. */
static void
find_flags(const void *address, char *flags, size_t bytes)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long low, high;
	bool is_ours = false;
	char line[512];

	assert_non_null(file);
	*flags = '\0';
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
			is_ours = (uintptr_t)address >= low &&
				  (uintptr_t)address < high;
		else if (is_ours && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(flags, bytes, "%s", line + 8);
	}
	fclose(file);
}

static void
huge_pages_are_asked_for(void **state)
{
	struct torc_region *r = *state;
	char flags[512];

	assert_int_equal((uintptr_t)r->base % TORC__REGION_BYTES, 0);
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) < 0) {
		printf("left out: this kernel has no transparent ones\n");
		return;
	}
	find_flags(r->base, flags, sizeof(flags));
	/* hg: asked for, ht: reserved ones. */
	if (strstr(flags, " hg") == NULL && strstr(flags, " ht") == NULL)
		fail_msg("no huge pages for it:%s", flags);
}

static void
a_mapping_of_its_own_is_aligned_and_whole(void **state)
{
	(void)state;
	for (size_t align = 4096; align <= 8 << 20; align *= 2) {
		size_t bytes = align + 4096;
		uint8_t *base = torc__region_map_aligned(bytes, align);

		assert_non_null(base);
		assert_int_equal((uintptr_t)base % align, 0);
		base[0] = base[bytes - 1] = 1;
		assert_int_equal(munmap(base, bytes), 0);
	}
	assert_null(torc__region_map_aligned((size_t)1 << 60, 4096));
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
		WITH_REGION(huge_pages_are_asked_for),
		WITH_REGION(a_mapping_of_its_own_is_aligned_and_whole),
		WITH_REGION(a_child_does_not_inherit_it),
	};

	return cmocka_run_group_tests_name("alloc/region", tests, NULL, NULL);
}
