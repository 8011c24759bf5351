/* SPDX-License-Identifier: MIT */
/*
 * Goal    torc_io_alloc() gives blocks of its region that never overlap, as
 *         aligned as O_DIRECT may want them; past the region it goes on with
 *         other memory, and afterwards nothing is left.
 * Method  Blocks of all sizes, filled with what says whose they are. Builds
 *         with a sanitizer have no region: there its cases hold trivially.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc/arena_priv.h"
#include "alloc/io_priv.h"
#include "base/sanitizer_priv.h"
#include "tests/support/fake_shard.h"
#include "tests/test.h"

#if defined(TORC__ASAN) || defined(TORC__TSAN)
#define HAS_REGION false
#else
#define HAS_REGION true
#endif

static struct torc_io io;

static int
set_up(void **state)
{
	*state = &io;
	torc__io_open(&io, TORC_IO_BYTES_DEFAULT);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	torc__io_close(&io, true);
	assert_null(io.region.base);
	return 0;
}

static void
nothing_is_mapped_before_it_is_used(void **state)
{
	(void)state;
	assert_null(io.region.base);
	assert_false(torc__io_holds(&io, NULL, 0));
	assert_false(torc__io_holds(&io, &io, 1));
	torc_io_free(NULL);
}

static void
blocks_are_aligned_for_direct_io(void **state)
{
	const size_t sizes[] = { 1, 63, 64, 511, 512, 513, 4095, 4096, 4097,
		12288, 65536, 1000000 };

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t align = sizes[i] >= 4096  ? 4096
			       : sizes[i] >= 512 ? 512
						 : 64;
		void *block = torc_io_alloc(sizes[i]);

		assert_non_null(block);
		assert_int_equal((uintptr_t)block % align, 0);
		assert_int_equal(
			torc__io_holds(&io, block, sizes[i]), HAS_REGION);
		memset(block, 0xff, sizes[i]);
		torc_io_free(block);
	}
}

#define BLOCKS 64
#define ROUNDS 20000

struct block {
	uint8_t *at;
	size_t bytes;
};

static void
fill(struct block *block, uint8_t mark)
{
	block->bytes = 1 + (size_t)rand() % (rand() % 8 == 0 ? 40000 : 5000);
	block->at = torc_io_alloc(block->bytes);
	assert_non_null(block->at);
	memset(block->at, mark, block->bytes);
}

static void
blocks_never_overlap(void **state)
{
	struct block blocks[BLOCKS] = { { NULL, 0 } };

	(void)state;
	srand(1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned i = (unsigned)rand() % BLOCKS;
		struct block *block = blocks + i;

		for (size_t n = 0; n < block->bytes; n++)
			assert_int_equal(block->at[n], i);
		torc_io_free(block->at);
		fill(block, (uint8_t)i);
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		torc_io_free(blocks[i].at);
}

static void
most_of_the_region_can_be_had(void **state)
{
	size_t held_bytes = 0;

	(void)state;
	for (size_t at = 0; at < TORC_IO_BYTES_DEFAULT; at += 4096) {
		void *block = torc_io_alloc(4096);

		assert_non_null(block);
		if (torc__io_holds(&io, block, 4096))
			held_bytes += 4096;
		if (!HAS_REGION)
			torc_io_free(block);
	}
	if (HAS_REGION)
		assert_true(held_bytes >= TORC_IO_BYTES_DEFAULT / 16 * 15);
}

static void
past_the_region_there_is_other_memory(void **state)
{
	void *large = torc_io_alloc(4 * TORC_IO_BYTES_DEFAULT);
	void *small = torc_io_alloc(4096);

	(void)state;
	assert_non_null(small);
	assert_non_null(large);
	assert_false(torc__io_holds(&io, large, 4 * TORC_IO_BYTES_DEFAULT));
	memset(large, 1, 4 * TORC_IO_BYTES_DEFAULT);
	memset(small, 1, 4096);
	torc_io_free(large);
	torc_io_free(small);
}

static void
a_block_that_leaves_the_region_is_not_in_it(void **state)
{
	uint8_t *base, *end;

	(void)state;
	torc_io_free(torc_io_alloc(1));
	if (!HAS_REGION)
		return;
	base = io.region.base;
	end = base + io.region.bytes;
	assert_true(torc__io_holds(&io, base, io.region.bytes));
	assert_true(torc__io_holds(&io, end - 1, 1));
	assert_false(torc__io_holds(&io, base, io.region.bytes + 1));
	assert_false(torc__io_holds(&io, end - 1, 2));
	assert_false(torc__io_holds(&io, end, 1));
	assert_false(torc__io_holds(&io, base - 1, 1));
	assert_false(torc__io_holds(&io, base + 1, SIZE_MAX));
}

/* Purged pages would be others than those that the kernel has pinned. */
static void
freed_pages_are_kept(void **state)
{
	uint64_t *block = torc_io_alloc(65536);
	char name[32];

	(void)state;
	block[0] = 0x746f7263;
	torc_io_free(block);
	if (!HAS_REGION)
		return;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "arena.%u.purge", i);
		torc__arena_trim(&(struct torc_arena){ .index = i });
	}
	/* Read through the region, which is not the block any more. */
	assert_int_equal(
		*(uint64_t *)(void *)(io.region.base +
				      ((uint8_t *)block - io.region.base)),
		0x746f7263);
}

static void *
free_it(void *block)
{
	torc_io_free(block);
	return NULL;
}

static void
another_thread_may_free(void **state)
{
	void *block = torc_io_alloc(5000);
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, free_it, block), 0);
	pthread_join(thread, NULL);
	assert_non_null(block = torc_io_alloc(5000));
	torc_io_free(block);
}

static unsigned long
resident_kib(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*u %lu", &pages), 1);
	fclose(file);
	return pages * 4;
}

/* Blocks that nobody freed go too: a hundred shards come and go. */
static void
nothing_is_left_when_it_closes(void **state)
{
	unsigned long before = 0;

	(void)state;
	if (!HAS_REGION)
		return;
	for (unsigned i = 0; i < 100; i++) {
		memset(torc_io_alloc(1 << 20), 1, 1 << 20);
		memset(torc_io_alloc(8 << 20), 1, 8 << 20);
		torc__io_close(&io, true);
		torc__io_open(&io, TORC_IO_BYTES_DEFAULT);
		if (i == 10)
			before = resident_kib();
	}
	assert_in_range(resident_kib(), 0, before + 4096);
}

static void
what_is_in_flight_stays(void **state)
{
	uint8_t *block = torc_io_alloc(5000);
	struct torc_io left;

	(void)state;
	torc__io_close(&io, false);
	memset(block, 1, 5000);
	left = io;
	torc__io_open(&io, TORC_IO_BYTES_DEFAULT);
	torc_io_free(block);
	torc__io_close(&left, true);
	torc__io_open(&io, TORC_IO_BYTES_DEFAULT);
}

static int
alloc_outside(void)
{
	torc__io_close(&io, true);
	return torc_io_alloc(1) != NULL;
}

static int
alloc_nothing(void)
{
	return torc_io_alloc(0) != NULL;
}

static void
a_mistake_is_named(void **state)
{
	char text[256];

	(void)state;
	assert_int_not_equal(
		run_in_child(alloc_outside, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "outside a shard"));
	assert_int_not_equal(
		run_in_child(alloc_nothing, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "bytes > 0"));
}

#define WITH_IO(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_IO(nothing_is_mapped_before_it_is_used),
		WITH_IO(blocks_are_aligned_for_direct_io),
		WITH_IO(blocks_never_overlap),
		WITH_IO(most_of_the_region_can_be_had),
		WITH_IO(past_the_region_there_is_other_memory),
		WITH_IO(a_block_that_leaves_the_region_is_not_in_it),
		WITH_IO(freed_pages_are_kept),
		WITH_IO(another_thread_may_free),
		WITH_IO(nothing_is_left_when_it_closes),
		WITH_IO(what_is_in_flight_stays),
		WITH_IO(a_mistake_is_named),
	};

	return cmocka_run_group_tests_name("alloc/io", tests, NULL, NULL);
}
