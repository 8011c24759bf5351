/* SPDX-License-Identifier: MIT */
#ifndef TORC_ALLOC_ARENA_H
#define TORC_ALLOC_ARENA_H

/*
 * arena - the heap of one shard
 *
 * Each shard has a jemalloc arena and a thread cache of its own: what it
 * allocates shares no lock and no cache line with other shards, and its
 * statistics stand apart in jemalloc's (stats.arenas.<i>). Plain malloc() on
 * a shard's thread, a library's for instance, takes from them as well. Builds
 * with a sanitizer use libc's malloc, so that every byte is watched.
 *
 * Lifetime  A block lives until torc_free(), also past the end of its shard.
 * Shard     torc_malloc() takes from the calling shard's arena, and outside a
 *           shard from the process's. torc_free() may be called anywhere.
 * Errors    NULL is exhaustion, its one cause.
 */

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * `bytes` of memory, not cleared, aligned for any type (16); bytes > 0.
 * Cost: about 5 ns with its torc_free() from the thread cache.
 */
void *torc_malloc(size_t bytes)
	__attribute__((malloc, alloc_size(1), warn_unused_result));

/* The same, cleared. */
void *torc_calloc(size_t count, size_t bytes)
	__attribute__((malloc, alloc_size(1, 2), warn_unused_result));

/* Give back what torc_malloc() or torc_calloc() gave; NULL does nothing. */
void torc_free(void *block);

#ifdef __cplusplus
}
#endif

#endif /* TORC_ALLOC_ARENA_H */
