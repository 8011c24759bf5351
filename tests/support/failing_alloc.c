/* SPDX-License-Identifier: MIT */
#include "tests/support/failing_alloc.h"

#include <stdatomic.h>
#include <stddef.h>

#define NONE UINT32_MAX

/*
 * Weak on both sides: this is linked to tests whose allocator is left alone,
 * and to some that have a wrapper of their own.
 */
#define WEAK __attribute__((weak))

WEAK void *__real_torc_malloc(size_t bytes);
WEAK void *__real_torc_calloc(size_t count, size_t bytes);
WEAK void *__real_malloc(size_t bytes);
WEAK void *__wrap_torc_malloc(size_t bytes);
WEAK void *__wrap_torc_calloc(size_t count, size_t bytes);
WEAK void *__wrap_malloc(size_t bytes);

/* How many allocations are to succeed before one fails. */
static _Atomic uint32_t left_count = NONE;
static atomic_bool has_failed;
static atomic_bool fails_always;

static bool
fails_now(void)
{
	uint32_t left = left_count;

	do {
		if (left == NONE)
			return false;
	} while (!atomic_compare_exchange_weak(
		&left_count, &left, left > 0 ? left - 1 : NONE));
	if (left > 0)
		return false;
	has_failed = true;
	return true;
}

void *
__wrap_torc_malloc(size_t bytes)
{
	return fails_always || fails_now() ? NULL : __real_torc_malloc(bytes);
}

void *
__wrap_torc_calloc(size_t count, size_t bytes)
{
	return fails_always || fails_now() ? NULL
					   : __real_torc_calloc(count, bytes);
}

void *
__wrap_malloc(size_t bytes)
{
	return fails_now() ? NULL : __real_malloc(bytes);
}

void
alloc_fail_after(uint32_t count)
{
	has_failed = false;
	left_count = count;
}

bool
alloc_has_failed(void)
{
	return has_failed;
}

uint32_t
alloc_pause(void)
{
	return atomic_exchange(&left_count, NONE);
}

void
alloc_resume(uint32_t paused)
{
	left_count = paused;
}

void
alloc_fail_all(bool fails)
{
	fails_always = fails;
}

uint32_t
alloc_fail_each(
	int (*scenario)(void), void (*judge)(int result, bool has_failed))
{
	uint32_t count = 0;

	for (;;) {
		int result;

		alloc_fail_after(count);
		result = scenario();
		alloc_pause();
		judge(result, has_failed);
		if (!has_failed)
			return count;
		count++;
	}
}
