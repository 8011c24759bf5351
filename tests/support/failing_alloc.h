/* SPDX-License-Identifier: MIT */
#ifndef TORC_TESTS_SUPPORT_FAILING_ALLOC_H
#define TORC_TESTS_SUPPORT_FAILING_ALLOC_H

/*
 * failing_alloc - an allocator that has no memory when the test says so
 *
 * The linker puts it in front of torc_malloc() and torc_calloc(), and of
 * malloc() where the test asks for that too: see `wrap` in the Makefile. All
 * threads count together.
 */

#include <stdbool.h>
#include <stdint.h>

/* From now on `count` allocations succeed, then one fails, then none. */
void alloc_fail_after(uint32_t count);

/* Whether that one has failed. */
bool alloc_has_failed(void);

/* No allocation fails, and none is counted, until alloc_resume(what it was). */
uint32_t alloc_pause(void);
void alloc_resume(uint32_t paused);

/* Every torc_malloc() and torc_calloc() fails, until it is told otherwise. */
void alloc_fail_all(bool fails);

/*
 * Run scenario() with its first allocation failing, then with its second, and
 * so on until none fails; judge() says after each whether the scenario's
 * result is right. Returns how many allocations the scenario makes.
 */
uint32_t alloc_fail_each(
	int (*scenario)(void), void (*judge)(int result, bool has_failed));

#endif /* TORC_TESTS_SUPPORT_FAILING_ALLOC_H */
