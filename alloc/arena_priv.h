/* SPDX-License-Identifier: MIT */
#ifndef TORC_ALLOC_ARENA_PRIV_H
#define TORC_ALLOC_ARENA_PRIV_H

#include <torc/alloc/arena.h>

struct torc_arena {
	unsigned index;
	unsigned outer_index; /* the thread's own, from before */
};

/*
 * Make an arena and bind it to the calling thread: malloc() uses it, and so
 * torc_malloc(), from here to torc__arena_close() on the same thread. 0 or
 * -ENOMEM.
 */
int torc__arena_open(struct torc_arena *arena);

/* Hand memory that nobody uses back to the system. Some 10 us. */
void torc__arena_trim(struct torc_arena *arena);

/*
 * Unbind. The arena itself stays with jemalloc, to be taken by the next
 * shard, since blocks of it may still be in use elsewhere.
 */
void torc__arena_close(struct torc_arena *arena);

#endif /* TORC_ALLOC_ARENA_PRIV_H */
