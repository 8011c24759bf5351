/* SPDX-License-Identifier: MIT */
#include "alloc/region_priv.h"
#include "perf/gbench.h"

#define PIECE_BYTES 16384

/*
 * Question      What does a shard pay, once, for the memory of its I/O?
 * Unit          A region mapped, cut into pieces of 16 KiB each of which is
 *               touched, and unmapped.
 * Change mind   10 ms: starting and stopping a runtime would then be felt.
 */
static void
map_cut_unmap(struct torc_bench *b)
{
	struct torc_region region;

	while (torc_bench_next(b)) {
		char *piece;

		if (torc__region_map(&region, TORC__REGION_BYTES) < 0) {
			torc_bench_fail(b, "no memory for a region");
			break;
		}
		while ((piece = torc__region_cut(&region, PIECE_BYTES, 64)))
			*piece = 1;
		torc__region_unmap(&region);
	}
}
TORC_BENCH(map_cut_unmap)
