/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "alloc/arena_priv.h"
#include "perf/gbench.h"

#define BATCH 64

/*
 * Question      Is a shard's own arena and cache as fast as the process's
 *               malloc, on one thread and with nobody to contend with?
 * Unit          One torc_malloc() and torc_free() of `n` bytes.
 * Change mind   Twice process_malloc: the shard would then better be bound
 *               by thread.arena, which plain malloc() follows.
 */
static void
shard_malloc(struct torc_bench *b)
{
	size_t bytes = (size_t)torc_bench_arg(b);
	struct torc_arena arena;

	if (torc__arena_open(&arena) < 0) {
		torc_bench_fail(b, "no arena");
		return;
	}
	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			void *block = torc_malloc(bytes);

			torc_bench_keep(block);
			torc_free(block);
		}
	torc__arena_close(&arena);
}
TORC_BENCH_ARGS(shard_malloc, 64, 512, 4096, 65536)

/*
 * Question      What is shard_malloc measured against?
 * Unit          One malloc() and free() of `n` bytes, of the same library.
 * Change mind   Nothing: it is the yardstick.
 */
static void
process_malloc(struct torc_bench *b)
{
	size_t bytes = (size_t)torc_bench_arg(b);

	while (torc_bench_next_many(b, BATCH))
		for (int i = 0; i < BATCH; i++) {
			void *block = malloc(bytes);

			torc_bench_keep(block);
			free(block);
		}
}
TORC_BENCH_ARGS(process_malloc, 64, 512, 4096, 65536)
