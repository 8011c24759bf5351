/* SPDX-License-Identifier: MIT */
#include "uring/buffers_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <torc/base/log.h>
#include <torc/base/probe.h>

/*
 * Buffers lie a few cache lines more than a power of two apart: their first
 * lines, which small messages live in, would otherwise share a cache set.
 */
#define STAGGER_BYTES 192

/* So many spare buffers are kept with their memory: 1 MiB of them. */
#define SPARE_KEPT_BYTES ((size_t)1 << 20)

struct slab {
	struct torc_link link;
	void *base; /* NULL: cut from the region */
	size_t bytes;
};

static size_t
stride(const struct torc_buffers *pool)
{
	return pool->options.buf_bytes + STAGGER_BYTES;
}

static void
add_spare(struct torc_buffers *pool, uint8_t *data)
{
	struct torc_buf *buf = &pool->bufs[pool->count];

	*buf = (struct torc_buf){ .data = data,
		.id = (uint16_t)pool->count,
		.pool = pool,
		.next = pool->spare };
	pool->spare = buf;
	pool->spare_count++;
	pool->count++;
}

/* Map one more slab; false when there is no memory or the limit is reached. */
static bool
grow(struct torc_buffers *pool)
{
	uint32_t count = pool->options.slab_count;
	struct slab *slab;
	size_t bytes;
	void *base;

	if (count > pool->options.count_max - pool->count)
		count = pool->options.count_max - pool->count;
	if (count == 0)
		return false;
	bytes = count * stride(pool);
	slab = malloc(sizeof(*slab));
	if (slab == NULL)
		return false;
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		free(slab);
		return false;
	}
	madvise(base, bytes, MADV_DONTFORK);
	*slab = (struct slab){ .base = base, .bytes = bytes };
	torc__list_push_back(&pool->slabs, &slab->link);
	for (uint32_t i = 0; i < count; i++)
		add_spare(pool, (uint8_t *)base + i * stride(pool));
	return true;
}

static int
register_group(struct torc_buffers *pool, struct torc_region *region)
{
	size_t bytes = TORC__BUFFERS_ENTRIES * sizeof(struct io_uring_buf);
	struct io_uring_buf_reg reg = { 0 };

	/* The ring of entries must start on a page: io_uring_register(2). */
	pool->posted = torc__region_cut(region, bytes, 4096);
	if (pool->posted == NULL)
		return -ENOMEM;
	reg.ring_addr = (uintptr_t)pool->posted;
	reg.ring_entries = TORC__BUFFERS_ENTRIES;
	reg.bgid = pool->options.group;
	return pool->ring->engine->reg(
		pool->ring, IORING_REGISTER_PBUF_RING, &reg, 1);
}

int
torc__buffers_open(struct torc_buffers *pool, struct torc_ring *ring,
	struct torc_region *region, const struct torc_buffers_options *options)
{
	int ret;

	torc_assert(options->count_max <= 65536);
	torc_assert(options->slab_count <= options->count_max);
	torc_assert(options->posted_max <= options->slab_count);
	torc_assert(options->posted_max <= TORC__BUFFERS_ENTRIES);

	*pool = (struct torc_buffers){ .ring = ring, .options = *options };
	torc__list_init(&pool->parked);
	torc__list_init(&pool->slabs);
	/* Touched only as far as buffers exist. */
	pool->bufs = mmap(NULL, options->count_max * sizeof(*pool->bufs),
		PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pool->bufs == MAP_FAILED)
		return -ENOMEM;
	ret = register_group(pool, region);
	if (ret < 0) {
		munmap(pool->bufs, options->count_max * sizeof(*pool->bufs));
		return ret;
	}

	for (uint32_t i = 0; i < options->slab_count; i++) {
		void *data = torc__region_cut(region, stride(pool), 64);

		if (data == NULL)
			break;
		add_spare(pool, data);
	}
	if (pool->count == 0)
		grow(pool);
	torc__buffers_refill_slow(pool);
	return 0;
}

void
torc__buffers_close(struct torc_buffers *pool)
{
	struct io_uring_buf_reg reg = { .bgid = pool->options.group };
	struct torc_link *link;

	torc_assert(torc__list_is_empty(&pool->parked));
	pool->ring->engine->reg(
		pool->ring, IORING_UNREGISTER_PBUF_RING, &reg, 1);
	while ((link = torc__list_pop_front(&pool->slabs)) != NULL) {
		struct slab *slab = torc__container_of(link, struct slab, link);

		munmap(slab->base, slab->bytes);
		free(slab);
	}
	munmap(pool->bufs, pool->options.count_max * sizeof(*pool->bufs));
}

__attribute__((noinline)) void
torc__buffers_refill_slow(struct torc_buffers *pool)
{
	while (pool->posted_count < pool->options.posted_max) {
		struct torc_buf *buf;

		if (pool->spare == NULL && !grow(pool))
			return;
		buf = pool->spare;
		pool->spare = buf->next;
		pool->spare_count--;
		torc__buffers_post(pool, buf);
	}
}

void
torc__buffers_park(struct torc_buffers *pool, struct torc_parked *who)
{
	TORC_PROBE2(
		torc, buffers__lack, pool->ring->index, pool->options.group);
	pool->exhausted_count++;
	torc__list_push_back(&pool->parked, &who->link);
	torc__buffers_refill_slow(pool);
	if (pool->posted_count == 0 && !pool->is_limit_logged) {
		pool->is_limit_logged = true;
		torc_log(TORC_LOG_WARN,
			"all %u receive buffers of %u KiB are held by slow "
			"readers; others wait until some come back",
			pool->count, pool->options.buf_bytes / 1024);
	}
}

__attribute__((noinline)) void
torc__buffers_resume_slow(struct torc_buffers *pool)
{
	for (uint32_t n = pool->posted_count; n > 0; n--) {
		struct torc_link *link = torc__list_pop_front(&pool->parked);
		struct torc_parked *who;

		if (link == NULL)
			return;
		who = torc__container_of(link, struct torc_parked, link);
		who->resume(who);
	}
}

void
torc__buffers_trim(struct torc_buffers *pool)
{
	size_t keep = SPARE_KEPT_BYTES / stride(pool);
	struct torc_buf *buf = pool->spare;

	if (pool->spare_count <= keep)
		return;
	for (size_t i = 0; i < keep; i++)
		buf = buf->next;
	for (; buf != NULL; buf = buf->next) {
		uintptr_t low = ((uintptr_t)buf->data + 4095) & ~4095ul;
		uintptr_t high =
			((uintptr_t)buf->data + stride(pool)) & ~4095ul;

		/* bytes == 0 marks a buffer whose memory is gone already. */
		if (buf->bytes == 0 || high <= low)
			continue;
		buf->bytes = 0;
		madvise((void *)low, high - low, MADV_DONTNEED);
	}
}
