/* SPDX-License-Identifier: MIT */
#ifndef TORC_ALLOC_STACK_PRIV_H
#define TORC_ALLOC_STACK_PRIV_H

/*
 * stack - the pool of task stacks of one shard
 *
 * A slab is one mapping of 64 slots; a slot is one stack:
 *
 *   low address                                            high address
 *   | guard page | low ....... usable ....... top | torc_stack | colour |
 *
 * The record of a stack lies right above its top, in a page that is warm
 * whenever the stack is. A stack is in one of three places:
 *
 *   cold   a bit in its slab; no memory behind it, no record
 *   free   on the pool's list, last in first out, memory kept
 *   taken  the caller's
 *
 *   cold --get (slow)--> taken <--get, put--> free --trim--> cold
 *
 * A slab stays mapped until fini: cold, it costs addresses and page tables.
 *
 * Colour    Slots are whole pages, so tops would share a few cache sets and
 *           evict each other. Neighbours differ by 64 bytes, through 16
 *           colours: more would push the first frames of a shallow task
 *           over a page boundary, a page of memory for each task. A slot
 *           is an odd number of pages, so tops use all sets of the TLB.
 *           A 12-way cache shows no gain from colours; they cost nothing.
 * Guard     MADV_GUARD_INSTALL (Linux 6.13) leaves a slab one mapping.
 *           Before, mprotect() splits it: two mappings per stack, which
 *           vm.max_map_count (65530) limits to some 32,000 stacks in all.
 * Pages     Never huge ones: the first touch would cost 2 MiB.
 * Core      Only the shard that owns the pool; torc__stack_is_guard() may
 *           be called from a signal handler of that thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert_priv.h"
#include "base/sanitizer_priv.h"

#define TORC_STACK_SLOTS 64
#define TORC_STACK_COLOURS 16
#define TORC_STACK_COLOUR_BYTES 64

struct torc_stack_slab;

/* Lies at the top it describes. */
struct torc_stack {
	struct torc_stack *next; /* when free */
	char *low;               /* lowest usable byte */
	struct torc_stack_slab *slab;
	uint32_t slot;
	uint32_t is_taken;
};

struct torc_stacks {
	struct torc_stack *free;
	uint32_t taken_count;
	uint32_t free_count;
	uint32_t cold_count;
	struct torc_stack_slab *slabs;
	size_t slot_bytes;
	size_t guard_bytes;
	bool is_guard_light; /* MADV_GUARD_INSTALL works here */
};

/*
 * stack_bytes is what a task can use at least; it is rounded up to pages.
 * Keeps nothing mapped yet. Returns 0, or -EINVAL when it is below 4 KiB or
 * above 1 GiB.
 */
int torc__stacks_init(struct torc_stacks *pool, size_t stack_bytes)
	__attribute__((warn_unused_result));

/* Unmap all; every stack has been put back. */
void torc__stacks_fini(struct torc_stacks *pool);

/*
 * Give the memory of free stacks back to the kernel, the longest unused
 * ones first, and keep the `keep` most recently used ones as they are.
 * Returns how many stacks became cold. Cost: one madvise() per stack.
 */
unsigned torc__stacks_trim(struct torc_stacks *pool, unsigned keep);

/* The usable bytes of a taken stack: *low up to, not including, top. */
void torc__stack_bounds(const struct torc_stacks *pool, const void *top,
	void **low, size_t *bytes);

/*
 * Whether addr lies in a guard page of this pool: an access to it was a
 * stack overflow. Async-signal-safe; walks the slabs.
 */
bool torc__stack_is_guard(const struct torc_stacks *pool, const void *addr);

/*
 * How deep a taken stack has ever been used since its memory was last
 * trimmed, in bytes below top, rounded up to a page. All users of the stack
 * count, not only the current one. One mincore() call: no pattern to fill
 * in, hence no page touched for the measure's own sake.
 */
size_t torc__stack_high_water(const struct torc_stacks *pool, const void *top);

void *torc__stack_get_slow(struct torc_stacks *pool);

#ifdef TORC__ASAN
void __asan_unpoison_memory_region(const volatile void *low, size_t bytes);
#endif

/*
 * Take a stack. Its content is whatever the last user left.
 *
 * Returns  its top, a multiple of 64, one past the highest usable byte; or
 *          NULL when no more memory can be mapped.
 * Cost     When one is free: three loads, four stores, one branch.
 */
static inline void *
torc__stack_get(struct torc_stacks *pool)
{
	struct torc_stack *stack = pool->free;

	if (torc_unlikely(stack == NULL))
		return torc__stack_get_slow(pool);
	pool->free = stack->next;
	pool->free_count--;
	pool->taken_count++;
	stack->is_taken = 1;
	return stack;
}

/*
 * Put back what torc__stack_get() returned; nothing runs on it any more.
 * Under AddressSanitizer the redzones of frames that never returned go too.
 */
static inline void
torc__stack_put(struct torc_stacks *pool, void *top)
{
	struct torc_stack *stack = (struct torc_stack *)top;

	torc_assert(stack->is_taken == 1);
	stack->is_taken = 0;
#ifdef TORC__ASAN
	__asan_unpoison_memory_region(
		stack->low, (size_t)((char *)top - stack->low));
#endif
	stack->next = pool->free;
	pool->free = stack;
	pool->free_count++;
	pool->taken_count--;
}

#endif /* TORC_ALLOC_STACK_PRIV_H */
