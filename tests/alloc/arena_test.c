/* SPDX-License-Identifier: MIT */
/*
 * Goal    A block is usable wherever and whenever it is freed: in another
 *         thread, and after the arena that it came from was closed.
 * Method  Arenas of several threads, one after the other and at once.
 */
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "alloc/arena_priv.h"
#include "tests/test.h"

static void
a_block_is_aligned_and_all_its_bytes_are_ours(void **state)
{
	struct torc_arena arena;

	(void)state;
	assert_int_equal(torc__arena_open(&arena), 0);
	for (size_t bytes = 1; bytes < 100000; bytes = bytes * 3 / 2 + 1) {
		char *block = torc_malloc(bytes);

		assert_non_null(block);
		if (bytes >= 16)
			assert_int_equal((uintptr_t)block % 16, 0);
		memset(block, 0xaa, bytes);
		torc_free(block);
	}
	torc__arena_close(&arena);
}

static void
a_calloc_is_cleared_and_its_product_checked(void **state)
{
	struct torc_arena arena;
	volatile size_t many = SIZE_MAX / 4;
	char *block;

	(void)state;
	assert_int_equal(torc__arena_open(&arena), 0);
	for (unsigned round = 0; round < 10; round++) {
		block = torc_calloc(100, 30);
		for (unsigned i = 0; i < 3000; i++)
			assert_int_equal(block[i], 0);
		memset(block, 0xaa, 3000);
		torc_free(block);
	}
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	/* A sanitizer ends the process instead. */
	assert_null(torc_calloc(many, 8));
#endif
	(void)many;
	torc_free(NULL);
	torc__arena_close(&arena);
}

static void
a_block_outlives_its_arena(void **state)
{
	struct torc_arena arena;
	char *block;

	(void)state;
	assert_int_equal(torc__arena_open(&arena), 0);
	block = torc_malloc(1000);
	memset(block, 0xaa, 1000);
	torc__arena_trim(&arena);
	torc__arena_close(&arena);

	assert_int_equal((unsigned char)block[999], 0xaa);
	torc_free(block);
}

static void *
allocate_in_its_own_arena(void *arg)
{
	struct torc_arena arena;
	char **blocks = arg;

	if (torc__arena_open(&arena) < 0)
		return NULL;
	for (unsigned i = 0; i < 1000; i++) {
		blocks[i] = torc_malloc(i + 1);
		memset(blocks[i], (int)i, i + 1);
	}
	torc__arena_close(&arena);
	return NULL;
}

static void
a_block_may_be_freed_by_another_thread(void **state)
{
	enum { THREADS = 4 };
	static char *blocks[THREADS][1000];
	pthread_t threads[THREADS];

	(void)state;
	for (unsigned t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&threads[t], NULL,
					 allocate_in_its_own_arena, blocks[t]),
			0);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);

	for (unsigned t = 0; t < THREADS; t++) {
		for (unsigned i = 0; i < 1000; i++) {
			assert_int_equal(blocks[t][i][i], (char)i);
			torc_free(blocks[t][i]);
		}
	}
}

/* More often than there are arenas to be had (4095). */
static void
arenas_are_used_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		struct torc_arena arena;

		assert_int_equal(torc__arena_open(&arena), 0);
		torc_free(torc_malloc(100));
		torc__arena_close(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_is_aligned_and_all_its_bytes_are_ours),
		cmocka_unit_test(a_calloc_is_cleared_and_its_product_checked),
		cmocka_unit_test(a_block_outlives_its_arena),
		cmocka_unit_test(a_block_may_be_freed_by_another_thread),
		cmocka_unit_test(arenas_are_used_again),
	};

	return cmocka_run_group_tests_name("alloc/arena", tests, NULL, NULL);
}
