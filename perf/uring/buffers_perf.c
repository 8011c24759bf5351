/* SPDX-License-Identifier: MIT */
#include "perf/gbench.h"
#include "uring/buffers_priv.h"

#define COUNT 112

/* The one that the kernel would name next: the oldest in its ring. */
static struct torc_buf *
take_next(struct torc_buffers *pool)
{
	uint16_t head = (uint16_t)(pool->posted_tail - pool->posted_count);
	uint32_t id =
		pool->posted->bufs[head & (TORC__BUFFERS_ENTRIES - 1)].bid;

	return torc__buffers_take(pool,
		IORING_CQE_F_BUFFER | id << IORING_CQE_BUFFER_SHIFT, 64, NULL);
}

/*
 * Question      What does it cost, for each message, that the kernel picks
 *               the buffer and nobody has to own one while he waits?
 * Unit          One buffer taken, as a CQE names it, and given back, while
 *               `n` are held; with all of them held the spare stack and the
 *               refill take part.
 * Change mind   20 ns, or twice as much with 100 held as with 1.
 */
static void
take_put(struct torc_bench *b)
{
	struct torc_ring_options ring_options = { 0 };
	struct torc_buffers_options options = { .buf_bytes = 16 * 1024,
		.count_max = 4 * COUNT,
		.slab_count = COUNT,
		.posted_max = COUNT };
	uint32_t held_max = (uint32_t)torc_bench_arg(b);
	struct torc_buf *held[COUNT];
	struct torc_buffers pool;
	struct torc_region region;
	struct torc_ring ring;

	if (torc__region_map(&region, TORC__REGION_BYTES) < 0 ||
		torc__ring_open(&ring, &torc__engine_kernel, &ring_options) <
			0 ||
		torc__buffers_open(&pool, &ring, &region, &options) < 0) {
		torc_bench_fail(b, "no buffers");
		return;
	}
	while (torc_bench_next_many(b, held_max)) {
		for (uint32_t i = 0; i < held_max; i++)
			held[i] = take_next(&pool);
		for (uint32_t i = 0; i < held_max; i++)
			torc__buffers_put(held[i]);
	}
	torc__buffers_close(&pool);
	torc__ring_close(&ring);
	torc__region_unmap(&region);
}
TORC_BENCH_ARGS(take_put, 1, 16, 100)
