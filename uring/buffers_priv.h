/* SPDX-License-Identifier: MIT */
#ifndef TORC_URING_BUFFERS_PRIV_H
#define TORC_URING_BUFFERS_PRIV_H

/*
 * buffers - receive buffers that the kernel picks from
 *
 *       put                refill               a CQE names it
 *   spare stack  ---->  provided buffer ring  ---->  taken
 *        ^                                             |
 *        +---------------------- put ------------------+
 *
 * An idle connection holds none. The kernel's ring is kept short, because a
 * buffer that was used a moment ago is still in the cache; the rest wait on a
 * stack, the last used on top. When more are taken than exist, a slab is
 * added, up to a stated maximum; past that, readers are parked in a FIFO and
 * re-armed, one for each buffer, when buffers come back (never by a timer).
 *
 * Lifetime  open to close; close only when no receive is in flight.
 * Shard     Its owner's only.
 * Kernel    Provided buffer rings, 5.19. The memory is ours, not the
 *           kernel's (no IOU_PBUF_RING_MMAP).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <torc/base/list.h>

#include "alloc/region_priv.h"
#include "base/assert_priv.h"
#include "base/list_priv.h"
#include "uring/ring_priv.h"

struct torc_buffers;

/* Room for whoever holds a buffer: the send that passes it on. */
#define TORC__BUF_NOTES_BYTES 96

/* What stands for one buffer; its `id` is the kernel's buffer id. */
struct torc_buf {
	uint8_t *data;
	uint32_t bytes; /* received, from data */
	uint16_t id;
	bool is_taken;
	struct torc_buf *next; /* of its holder, or of the spare stack */
	struct torc_buffers *pool;
	void *holder;                              /* who it is charged to */
	uint64_t notes[TORC__BUF_NOTES_BYTES / 8]; /* the holder's own */
};

/* One reader that waits for buffers. */
struct torc_parked {
	struct torc_link link;
	void (*resume)(struct torc_parked *);
};

struct torc_buffers_options {
	uint16_t group;      /* the kernel's buffer group id */
	uint32_t buf_bytes;  /* of each buffer */
	uint32_t count_max;  /* that may exist; at most 65536 */
	uint32_t slab_count; /* how many are added at once */
	uint32_t posted_max; /* how many the kernel holds at most */
};

/* Entries of the kernel's ring: posted_max fits, and they fill one page. */
#define TORC__BUFFERS_ENTRIES 256u

struct torc_buffers {
	struct torc_ring *ring;
	struct io_uring_buf_ring *posted; /* shared with the kernel */
	struct torc_buffers_options options;
	uint16_t posted_tail;
	uint32_t posted_count; /* given to the kernel, not yet named by a CQE */
	uint32_t taken_count;
	uint32_t count; /* exist */
	struct torc_buf *spare;
	uint32_t spare_count;
	struct torc_buf *bufs; /* count_max of them */
	struct torc_link parked;
	struct torc_link slabs;
	uint64_t exhausted_count; /* -ENOBUFS seen */
	bool is_limit_logged;
};

/*
 * Register a group. The first slab comes from `region` as far as it goes.
 * 0 or -errno.
 */
int torc__buffers_open(struct torc_buffers *pool, struct torc_ring *ring,
	struct torc_region *region, const struct torc_buffers_options *options);
void torc__buffers_close(struct torc_buffers *pool);

/* Hand spare buffers to the kernel, making more if there are too few. */
void torc__buffers_refill_slow(struct torc_buffers *pool);

/*
 * The buffer that a CQE names, now the caller's, with `bytes` received in it.
 */
static inline struct torc_buf *
torc__buffers_take(struct torc_buffers *pool, uint32_t cqe_flags,
	uint32_t bytes, void *holder)
{
	uint32_t id = cqe_flags >> IORING_CQE_BUFFER_SHIFT;
	struct torc_buf *buf = &pool->bufs[id];

	torc_assert(cqe_flags & IORING_CQE_F_BUFFER && id < pool->count);
	torc_assert(!buf->is_taken);
	buf->is_taken = true;
	buf->bytes = bytes;
	buf->next = NULL;
	buf->holder = holder;
	pool->taken_count++;
	if (torc_unlikely(--pool->posted_count < pool->options.posted_max / 2))
		torc__buffers_refill_slow(pool);
	return buf;
}

static inline struct torc_buf *
torc__buf_of_notes(void *notes)
{
	return (struct torc_buf *)(void *)((char *)notes -
					   offsetof(struct torc_buf, notes));
}

/* Show the kernel one more buffer. */
static inline void
torc__buffers_post(struct torc_buffers *pool, struct torc_buf *buf)
{
	struct io_uring_buf *slot =
		&pool->posted->bufs[pool->posted_tail &
				    (TORC__BUFFERS_ENTRIES - 1)];

	slot->addr = (uintptr_t)buf->data;
	slot->len = pool->options.buf_bytes;
	slot->bid = buf->id;
	pool->posted_count++;
	/* Pairs with the kernel's acquire of the tail when it picks one. */
	__atomic_store_n(
		&pool->posted->tail, ++pool->posted_tail, __ATOMIC_RELEASE);
}

/*
 * Give a buffer back. Parked readers are re-armed by the end of the turn.
 *
 * Cost  five stores in three cache lines.
 */
static inline void
torc__buffers_put(struct torc_buf *buf)
{
	struct torc_buffers *pool = buf->pool;

	torc_assert(buf->is_taken);
	buf->is_taken = false;
	buf->holder = NULL;
	pool->taken_count--;
	if (torc_likely(pool->posted_count < pool->options.posted_max)) {
		torc__buffers_post(pool, buf);
	} else {
		buf->next = pool->spare;
		pool->spare = buf;
		pool->spare_count++;
	}
}

/* A receive ended with -ENOBUFS: call resume when buffers are there. */
void torc__buffers_park(struct torc_buffers *pool, struct torc_parked *who);

void torc__buffers_resume_slow(struct torc_buffers *pool);

/* True when a reader waits although the kernel has a buffer. */
static inline bool
torc__buffers_can_resume(const struct torc_buffers *pool)
{
	return torc_unlikely(!torc__list_is_empty(&pool->parked)) &&
	       pool->posted_count > 0;
}

/*
 * Re-arm as many parked readers as the kernel has buffers: more would only
 * fail and park again. Once per turn, so that those of the last turn have
 * had theirs. A reader to whom nothing was sent takes none and leaves its
 * buffer to the next: while torc__buffers_can_resume(), do not sleep.
 */
static inline void
torc__buffers_resume(struct torc_buffers *pool)
{
	if (torc__buffers_can_resume(pool))
		torc__buffers_resume_slow(pool);
}

/* Hand back the memory of spare buffers that a past rush left behind. */
void torc__buffers_trim(struct torc_buffers *pool);

#endif /* TORC_URING_BUFFERS_PRIV_H */
