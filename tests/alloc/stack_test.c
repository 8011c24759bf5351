/* SPDX-License-Identifier: MIT */
/*
 * Goal    Each stack is as large as was asked for, ends in a guard page, and
 *         comes back last in first out; memory is had again by a trim.
 * Method  Real mappings, under light guards and under mprotect alike.
 *         Whatever ends a process runs in a child.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"
#include "alloc/stack_priv.h"

#define STACK_BYTES ((size_t)64 * 1024)

static struct torc_stacks pool;

static int
set_up_light(void **unused)
{
	(void)unused;
	return torc__stacks_init(&pool, STACK_BYTES);
}

static int
set_up_mprotect(void **unused)
{
	int err = torc__stacks_init(&pool, STACK_BYTES);

	(void)unused;
	pool.is_guard_light = false;
	return err;
}

static int
tear_down(void **unused)
{
	(void)unused;
	torc__stacks_fini(&pool);
	return 0;
}

static char *
low_of(const void *top)
{
	void *low;
	size_t bytes;

	torc__stack_bounds(&pool, top, &low, &bytes);
	assert_ptr_equal((char *)low + bytes, top);
	return low;
}

static void
every_byte_that_was_asked_for_can_be_used(void **unused)
{
	void *tops[TORC_STACK_SLOTS * 2 + 1];
	unsigned count = sizeof(tops) / sizeof(tops[0]);

	(void)unused;
	for (unsigned i = 0; i < count; i++) {
		tops[i] = torc__stack_get(&pool);
		assert_non_null(tops[i]);
		assert_int_equal((uintptr_t)tops[i] % 16, 0);
		assert_true((char *)tops[i] - low_of(tops[i]) >=
			    (ptrdiff_t)STACK_BYTES);
		memset(low_of(tops[i]), (int)i, STACK_BYTES);
	}
	assert_int_equal(pool.taken_count, count);
	for (unsigned i = 0; i < count; i++) {
		const char *low = low_of(tops[i]);

		assert_int_equal(low[0], (char)i);
		assert_memory_equal(low, low + 1, STACK_BYTES - 1);
		torc__stack_put(&pool, tops[i]);
	}
	assert_int_equal(pool.free_count, count);
}

static void
the_last_stack_put_is_the_first_one_got(void **unused)
{
	void *a = torc__stack_get(&pool), *b = torc__stack_get(&pool);

	(void)unused;
	torc__stack_put(&pool, a);
	torc__stack_put(&pool, b);

	assert_ptr_equal(torc__stack_get(&pool), b);
	assert_ptr_equal(torc__stack_get(&pool), a);
	torc__stack_put(&pool, a);
	torc__stack_put(&pool, b);
}

static void
neighbours_use_different_cache_sets(void **unused)
{
	void *a = torc__stack_get(&pool), *b = torc__stack_get(&pool);
	size_t gap = (uintptr_t)b - (uintptr_t)a;

	(void)unused;
	assert_int_equal(gap % 64, 0);
	assert_int_not_equal(gap % 4096, 0);
	assert_int_equal(pool.slot_bytes / 4096 % 2, 1);
	torc__stack_put(&pool, a);
	torc__stack_put(&pool, b);
}

static void
the_guard_begins_right_below_the_lowest_byte(void **unused)
{
	void *top = torc__stack_get(&pool);
	char *low = low_of(top);

	(void)unused;
	assert_true(torc__stack_is_guard(&pool, low - 1));
	assert_true(torc__stack_is_guard(&pool, low - pool.guard_bytes));
	assert_false(torc__stack_is_guard(&pool, low));
	assert_false(torc__stack_is_guard(&pool, top));
	assert_false(torc__stack_is_guard(&pool, low - pool.guard_bytes - 1));
	assert_false(torc__stack_is_guard(&pool, &pool));
	assert_false(torc__stack_is_guard(&pool, NULL));
	torc__stack_put(&pool, top);
}

static void
on_fault(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	_exit(torc__stack_is_guard(&pool, info->si_addr) ? 42 : 43);
}

static void
a_touched_guard_is_told_from_other_faults(void **unused)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };
	void *top = torc__stack_get(&pool);
	volatile char *guard = low_of(top) - 1;
	int status;
	pid_t child = fork();

	(void)unused;
	if (child == 0) {
		action.sa_sigaction = on_fault;
		(void)sigaction(SIGSEGV, &action, NULL);
		*guard = 1;
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	torc__stack_put(&pool, top);
}

static void
the_high_water_mark_is_the_deepest_page_touched(void **unused)
{
	char *top = torc__stack_get(&pool);

	(void)unused;
	assert_true(torc__stack_high_water(&pool, top) <= 4096);

	top[-1] = 1;
	top[-20000] = 1;
	assert_in_range(
		torc__stack_high_water(&pool, top), 20000, 20000 + 4096);

	*low_of(top) = 1;
	assert_int_equal(torc__stack_high_water(&pool, top), top - low_of(top));
	torc__stack_put(&pool, top);
}

static void
a_large_stack_has_a_high_water_mark_too(void **unused)
{
	struct torc_stacks large;
	char *top;

	(void)unused;
	assert_int_equal(torc__stacks_init(&large, (size_t)8 << 20), 0);
	top = torc__stack_get(&large);
	assert_non_null(top);
	top[-(5 << 20)] = 1;

	assert_in_range(
		torc__stack_high_water(&large, top), 5 << 20, (5 << 20) + 4096);
	torc__stack_put(&large, top);
	torc__stacks_fini(&large);
}

static void
a_trim_gives_memory_back_and_keeps_the_warmest(void **unused)
{
	char *tops[10];

	(void)unused;
	for (int i = 0; i < 10; i++) {
		tops[i] = torc__stack_get(&pool);
		memset(tops[i] - 30000, 1, 30000);
	}
	for (int i = 1; i < 10; i++)
		torc__stack_put(&pool, tops[i]);

	assert_int_equal(torc__stacks_trim(&pool, 2), 7);
	assert_int_equal(pool.free_count, 2);
	assert_int_equal(tops[0][-30000], 1);
	assert_int_equal(tops[8][-30000], 1);
	assert_ptr_equal(torc__stack_get(&pool), tops[9]);
	assert_ptr_equal(torc__stack_get(&pool), tops[8]);

	/* The next one is cold again: its memory is gone, its guard is not. */
	char *cold = torc__stack_get(&pool);

	assert_true(torc__stack_high_water(&pool, cold) <= 4096);
	assert_int_equal(cold[-30000], 0);
	assert_true(torc__stack_is_guard(&pool, low_of(cold) - 1));
	torc__stack_put(&pool, cold);
	torc__stack_put(&pool, tops[0]);
	torc__stack_put(&pool, tops[8]);
	torc__stack_put(&pool, tops[9]);
	assert_int_equal(torc__stacks_trim(&pool, 100), 0);
	assert_int_equal(torc__stacks_trim(&pool, 0), 4);
}

static void
cold_stacks_are_used_before_another_slab_is_mapped(void **unused)
{
	struct torc_stack_slab *slab = NULL;
	void *tops[TORC_STACK_SLOTS];

	(void)unused;
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < TORC_STACK_SLOTS; i++)
			tops[i] = torc__stack_get(&pool);
		if (round == 0)
			slab = pool.slabs;
		for (unsigned i = 0; i < TORC_STACK_SLOTS; i++)
			torc__stack_put(&pool, tops[i]);
		assert_int_equal(torc__stacks_trim(&pool, round == 1 ? 9 : 0),
			round == 1 ? 64 - 9 : 64);
	}
	assert_true(pool.slabs != NULL && pool.slabs == slab);
	assert_int_equal(pool.cold_count, TORC_STACK_SLOTS);
}

static void
cold_stacks_behind_full_slabs_are_found(void **unused)
{
	void *tops[TORC_STACK_SLOTS * 3];
	unsigned count = sizeof(tops) / sizeof(tops[0]);

	(void)unused;
	for (unsigned i = 0; i < count; i++)
		tops[i] = torc__stack_get(&pool);
	for (unsigned i = 0; i < count; i += 2)
		torc__stack_put(&pool, tops[i]);
	assert_int_equal(torc__stacks_trim(&pool, 0), count / 2);
	for (unsigned i = 0; i < count; i += 2) {
		tops[i] = torc__stack_get(&pool);
		memset(low_of(tops[i]), 1, STACK_BYTES);
	}

	assert_int_equal(pool.cold_count, 0);
	assert_int_equal(pool.taken_count, count);
	for (unsigned i = 0; i < count; i++)
		torc__stack_put(&pool, tops[i]);
}

static void
putting_a_stack_twice_aborts(void **unused)
{
	void *top = torc__stack_get(&pool);
	int status;
	pid_t child = fork();

	(void)unused;
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		(void)close(STDERR_FILENO);
		torc__stack_put(&pool, top);
		torc__stack_put(&pool, top);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	torc__stack_put(&pool, top);
}

static void
an_exhausted_address_space_gives_null(void **unused)
{
	struct rlimit limit = { .rlim_cur = 0, .rlim_max = 0 };
	int status;
	pid_t child = fork();

	(void)unused;
	if (child == 0) {
		/* Nothing more can be mapped from here on. */
		(void)setrlimit(RLIMIT_AS, &limit);
		if (torc__stack_get(&pool) != NULL || pool.taken_count != 0)
			_exit(1);
		_exit(pool.slabs == NULL ? 42 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
}

static void
sizes_out_of_range_are_refused(void **unused)
{
	struct torc_stacks other;

	(void)unused;
	assert_int_equal(torc__stacks_init(&other, 0), -EINVAL);
	assert_int_equal(torc__stacks_init(&other, 4095), -EINVAL);
	assert_int_equal(
		torc__stacks_init(&other, ((size_t)1 << 30) + 1), -EINVAL);
	assert_int_equal(torc__stacks_init(&other, 4096), 0);
	torc__stacks_fini(&other);
}

/*
 * How many mappings of this process hold a part of [low, low + bytes), and
 * how many of these carry the pool's name.
 */
static unsigned
mappings_count(const void *low, size_t bytes, unsigned *named_count)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512];
	unsigned count = 0;

	assert_non_null(maps);
	*named_count = 0;
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx", &start, &end) != 2 ||
			start >= (uintptr_t)low + bytes ||
			end <= (uintptr_t)low)
			continue;
		count++;
		*named_count += strstr(line, "[anon:torc-stack]") != NULL;
	}
	(void)fclose(maps);
	return count;
}

static void
a_light_guard_does_not_split_a_mapping(void **unused)
{
	void *top = torc__stack_get(&pool);
	unsigned named_count;
	size_t bytes = TORC_STACK_SLOTS * pool.slot_bytes;

	(void)unused;
	if (!pool.is_guard_light) {
		torc__stack_put(&pool, top);
		skip(); /* the kernel has none */
	}
	assert_int_equal(mappings_count(low_of(top) - pool.guard_bytes, bytes,
				 &named_count),
		1);
	assert_true(named_count <= 1); /* CONFIG_ANON_VMA_NAME */
	torc__stack_put(&pool, top);
}

static void
fini_leaves_no_mapping_behind(void **unused)
{
	struct torc_stacks other;
	unsigned named_count;
	size_t bytes;
	void *top, *low;

	(void)unused;
	assert_int_equal(torc__stacks_init(&other, STACK_BYTES), 0);
	top = torc__stack_get(&other);
	torc__stack_bounds(&other, top, &low, &bytes);
	torc__stack_put(&other, top);
	bytes = TORC_STACK_SLOTS * other.slot_bytes - other.guard_bytes;
	torc__stacks_fini(&other);

	assert_int_equal(mappings_count(low, bytes, &named_count), 0);
}

#ifdef TORC__ASAN
void __asan_poison_memory_region(const volatile void *low, size_t bytes);

static void
a_stack_that_was_put_has_no_stale_redzones(void **unused)
{
	char *top = torc__stack_get(&pool);

	(void)unused;
	__asan_poison_memory_region(top - 4096, 4096);
	torc__stack_put(&pool, top);

	assert_ptr_equal(torc__stack_get(&pool), top);
	memset(top - 4096, 1, 4096);
	torc__stack_put(&pool, top);
}
#endif

#define LIGHT(test) \
	cmocka_unit_test_setup_teardown(test, set_up_light, tear_down)
#define MPROTECT(test) \
	cmocka_unit_test_setup_teardown(test, set_up_mprotect, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIGHT(every_byte_that_was_asked_for_can_be_used),
		MPROTECT(every_byte_that_was_asked_for_can_be_used),
		LIGHT(the_last_stack_put_is_the_first_one_got),
		LIGHT(neighbours_use_different_cache_sets),
		LIGHT(the_guard_begins_right_below_the_lowest_byte),
		LIGHT(a_touched_guard_is_told_from_other_faults),
		MPROTECT(a_touched_guard_is_told_from_other_faults),
		LIGHT(the_high_water_mark_is_the_deepest_page_touched),
		MPROTECT(the_high_water_mark_is_the_deepest_page_touched),
		cmocka_unit_test(a_large_stack_has_a_high_water_mark_too),
		LIGHT(a_trim_gives_memory_back_and_keeps_the_warmest),
		MPROTECT(a_trim_gives_memory_back_and_keeps_the_warmest),
		LIGHT(cold_stacks_are_used_before_another_slab_is_mapped),
		LIGHT(cold_stacks_behind_full_slabs_are_found),
		LIGHT(putting_a_stack_twice_aborts),
		LIGHT(an_exhausted_address_space_gives_null),
		cmocka_unit_test(sizes_out_of_range_are_refused),
		LIGHT(a_light_guard_does_not_split_a_mapping),
		cmocka_unit_test(fini_leaves_no_mapping_behind),
#ifdef TORC__ASAN
		LIGHT(a_stack_that_was_put_has_no_stale_redzones),
#endif
	};

	return cmocka_run_group_tests_name("alloc/stack", tests, NULL, NULL);
}
