/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "alloc/stack_priv.h"
#include "perf/gbench.h"

#define BATCH 64
#define STACK_BYTES ((size_t)64 << 10)

static void *tops[4096];

static bool
open_pool(struct torc_bench *b, struct torc_stacks *pool)
{
	if (torc__stacks_init(pool, STACK_BYTES) == 0)
		return true;
	torc_bench_fail(b, "no pool");
	return false;
}

/*
 * Question      How much of a spawn is its stack, when one is free?
 * Unit          One torc__stack_get() and torc__stack_put().
 * Change mind   5 ns: a task would then keep its stack for the next one.
 */
static void
get_put(struct torc_bench *b)
{
	struct torc_stacks pool;
	void *top;

	if (!open_pool(b, &pool))
		return;
	top = torc__stack_get(&pool);
	torc__stack_put(&pool, top);
	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			top = torc__stack_get(&pool);
			torc_bench_keep(top);
			torc__stack_put(&pool, top);
		}
	torc__stacks_fini(&pool);
}
TORC_BENCH(get_put)

/*
 * Question      What does a burst pay for stacks that nobody used lately,
 *               their records out of the cache?
 * Unit          One of 4096 stacks that are all taken, then all put back.
 * Change mind   50 ns: records would then better lie together.
 */
static void
get_many(struct torc_bench *b)
{
	enum { MANY = sizeof(tops) / sizeof(tops[0]) };
	struct torc_stacks pool;

	if (!open_pool(b, &pool))
		return;
	while (torc_bench_next_many(b, MANY)) {
		for (int i = 0; i < MANY; i++) {
			tops[i] = torc__stack_get(&pool);
			torc_assert(tops[i] != NULL);
		}
		for (int i = 0; i < MANY; i++)
			torc__stack_put(&pool, tops[i]);
	}
	torc__stacks_fini(&pool);
}
TORC_BENCH(get_many)

/*
 * Question      What does a stack cost that has no memory behind it: after
 *               a trim, or the first time?
 * Unit          One torc__stack_get(), the first touch of 1 KiB below its
 *               top, torc__stack_put() and its share of a trim of 64.
 * Change mind   5 us: trimming would then have to wait longer. A page fault
 *               is most of it.
 */
static void
get_cold(struct torc_bench *b)
{
	struct torc_stacks pool;

	if (!open_pool(b, &pool))
		return;
	while (torc_bench_next_many(b, BATCH)) {
		for (int i = 0; i < BATCH; i++) {
			tops[i] = torc__stack_get(&pool);
			torc_assert(tops[i] != NULL);
			memset((char *)tops[i] - 1024, 1, 1024);
		}
		for (int i = 0; i < BATCH; i++)
			torc__stack_put(&pool, tops[i]);
		torc__stacks_trim(&pool, 0);
	}
	torc__stacks_fini(&pool);
}
TORC_BENCH(get_cold)
