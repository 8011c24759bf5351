/* SPDX-License-Identifier: MIT */
#include "alloc/arena_priv.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/sanitizer_priv.h"

#if defined(TORC__ASAN) || defined(TORC__TSAN)

int
torc__arena_open(struct torc_arena *arena)
{
	*arena = (struct torc_arena){ 0 };
	return 0;
}

void
torc__arena_trim(struct torc_arena *arena)
{
	(void)arena;
}

void
torc__arena_close(struct torc_arena *arena)
{
	(void)arena;
}

#else

#include <jemalloc/jemalloc.h>

/*
 * jemalloc never frees an arena in which blocks may live, so a process that
 * runs torc again and again hands the old ones on instead of making more.
 */
#define SPARE_MAX 256
static _Atomic uint32_t spare[SPARE_MAX]; /* arena index + 1, or 0 */

static bool
take_spare(unsigned *index)
{
	for (int i = 0; i < SPARE_MAX; i++) {
		/* Pairs with the release in torc__arena_close(). */
		uint32_t found = atomic_exchange_explicit(
			&spare[i], 0, memory_order_acquire);
		if (found != 0) {
			*index = found - 1;
			return true;
		}
	}
	return false;
}

int
torc__arena_open(struct torc_arena *arena)
{
	size_t bytes = sizeof(arena->index);

	if (!take_spare(&arena->index) &&
		mallctl("arenas.create", &arena->index, &bytes, NULL, 0) != 0)
		return -ENOMEM;
	/*
	 * The thread's own malloc() follows: five times as fast as mallocx()
	 * with the arena and a cache named in each call.
	 */
	if (mallctl("thread.arena", &arena->outer_index, &bytes, &arena->index,
		    sizeof(arena->index)) != 0)
		return -ENOMEM;
	return 0;
}

void
torc__arena_trim(struct torc_arena *arena)
{
	char name[32];

	mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
	snprintf(name, sizeof(name), "arena.%u.purge", arena->index);
	mallctl(name, NULL, NULL, NULL, 0);
}

void
torc__arena_close(struct torc_arena *arena)
{
	mallctl("thread.arena", NULL, NULL, &arena->outer_index,
		sizeof(arena->outer_index));

	for (int i = 0; i < SPARE_MAX; i++) {
		uint32_t empty = 0;

		/* Pairs with the acquire in take_spare(). */
		if (atomic_compare_exchange_strong_explicit(&spare[i], &empty,
			    arena->index + 1, memory_order_release,
			    memory_order_relaxed))
			return;
	}
}

#endif

void *
torc_malloc(size_t bytes)
{
	return malloc(bytes);
}

void *
torc_calloc(size_t count, size_t bytes)
{
	return calloc(count, bytes);
}

void
torc_free(void *block)
{
	free(block);
}
